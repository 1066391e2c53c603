"""A real Prometheus, run with the configuration in deploy/, and promtool."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from tests.support.processes import Transcript
from tests.support.wire_contract import PATIENCE

SHIPPED = Path(__file__).parents[2] / "deploy" / "prometheus"


def promtool(*arguments: str | Path, given: bytes = b"") -> tuple[int, str]:
    """Run promtool; return its exit status and its output. Skip the test if it is not installed."""
    if not shutil.which("promtool"):
        pytest.skip("promtool is not installed")
    done = subprocess.run(
        ["promtool", *arguments],
        input=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=PATIENCE,
        check=False,
    )
    return done.returncode, done.stdout.decode()


class Prometheus(AbstractContextManager["Prometheus"]):
    """
    Prometheus with the configuration in deploy/, scraping every second. Skips the test if it is not installed.

    @param port: the port of the server's monitoring site on loopback.
    """

    def __init__(self, port: int) -> None:
        if not shutil.which("prometheus"):
            pytest.skip("prometheus is not installed")
        changes = {
            "scrape_interval: 15s": "scrape_interval: 1s",
            "evaluation_interval: 15s": "evaluation_interval: 1s",
            "- echoreply.rules.yml": f"- {SHIPPED / 'echoreply.rules.yml'}",
            "127.0.0.1:9101": f"127.0.0.1:{port}",
        }
        text = (SHIPPED / "prometheus.yml").read_text()
        for old, new in changes.items():
            assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
            text = text.replace(old, new)
        with ExitStack() as stack:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="prometheus")))
            configuration = directory / "prometheus.yml"
            configuration.write_text(text)
            command = ["prometheus", f"--config.file={configuration}", f"--storage.tsdb.path={directory / 'data'}"]
            self._process = stack.enter_context(
                subprocess.Popen(
                    [*command, "--web.listen-address=127.0.0.1:0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
                )
            )
            assert self._process.stdout is not None
            self._log = Transcript(partial(os.read, self._process.stdout.fileno(), 65536))
            stack.callback(self._log.all)
            stack.callback(self._process.kill)
            self._address = self._log.wait_for(rb'msg="Listening on" address=(\S+)')[1].decode()
            self._log.wait_for(b"Server is ready to receive web requests")
            self._stack = stack.pop_all()

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        # pytest shows it if the test fails.
        print(self._log.all().decode())

    def ask(self, path: str, **parameters: str) -> Any:  # noqa: ANN401
        """Return what its API answers: U{https://prometheus.io/docs/prometheus/latest/querying/api/}."""
        with urlopen(f"http://{self._address}/api/v1/{path}?{urlencode(parameters)}", timeout=PATIENCE) as answer:
            return json.load(answer)["data"]

    def values(self, expression: str) -> dict[str, float]:
        """Return the values of an expression now, by the values of the labels, in the order of their names."""
        found = self.ask("query", query=expression)["result"]
        labels = [" ".join(label for _, label in sorted(each["metric"].items())) for each in found]
        return dict(zip(labels, [float(each["value"][1]) for each in found], strict=True))

    def wait_for(self, expression: str, expected: Mapping[str, float] | float | None = None) -> None:
        """
        Wait until an expression has some values.

        @param expected: the values by labels; or one value without labels; or C{None} for any.
        """
        wanted = {"": float(expected)} if isinstance(expected, int | float) else expected
        found: dict[str, float] = {}

        def so() -> bool:
            nonlocal found
            found = self.values(expression)
            return bool(found) if wanted is None else found == wanted

        self.wait_until(so, lambda: f"{expression} is {found}, not {wanted or 'anything'}")

    def rules(self) -> dict[str, str]:
        """Return the health of each rule: C{ok} once it has been evaluated."""
        return {rule["name"]: rule["health"] for group in self.ask("rules")["groups"] for rule in group["rules"]}

    def wait_until(self, so: Callable[[], bool], otherwise: Callable[[], object]) -> None:
        """Poll until something is true."""
        deadline = time.monotonic() + PATIENCE
        while not so():
            assert time.monotonic() < deadline, otherwise()
            time.sleep(0.05)
