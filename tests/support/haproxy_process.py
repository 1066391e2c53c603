"""A HAProxy process, with the configuration in deploy/."""

from __future__ import annotations

import csv
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from functools import partial
from pathlib import Path

from tests.support.processes import Transcript
from tests.support.wire_contract import PATIENCE

SHIPPED = Path(__file__).parents[2] / "deploy" / "haproxy" / "haproxy.cfg"

SHIPPED_ADDRESSES = {"n1": "10.0.0.11", "n2": "10.0.0.12", "n3": "10.0.0.13"}


def rendered(changes: Mapping[str, str]) -> str:
    """Return the configuration in deploy/ with replacements of texts, each of which has to occur exactly once."""
    text = SHIPPED.read_text()
    for old, new in changes.items():
        assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
        text = text.replace(old, new)
    return text


class HAProxy(AbstractContextManager["HAProxy"]):
    """
    HAProxy with the configuration in deploy/.

    @param changes: replacements in it: L{rendered}. The user, the command socket and the connection limit are always
        replaced.
    @param inside: a command that runs another command on its machine.
    """

    def __init__(self, changes: Mapping[str, str], inside: Sequence[str] = ()) -> None:
        with ExitStack() as stack:
            # The path of a UNIX socket has to be short.
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="haproxy")))
            self._commands = directory / "commands"
            fixed = {
                "    user haproxy\n": "",
                "    group haproxy\n": "",
                "stats socket /run/haproxy/admin.sock": f"stats socket {self._commands}",
                "    maxconn 200000\n": "    maxconn 1000\n",
            }
            configuration = directory / "haproxy.cfg"
            configuration.write_text(rendered({**fixed, **changes}))
            self.process = stack.enter_context(
                subprocess.Popen(
                    [*inside, "haproxy", "-db", "-f", configuration],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                )
            )
            stack.callback(self.process.kill)
            assert self.process.stdout is not None
            self.log = Transcript(partial(os.read, self.process.stdout.fileno(), 65536))
            self._wait_until(self._commands.exists, "it does not listen")
            self._stack = stack.pop_all()

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        # pytest shows it if the test fails.
        print(self.log.all().decode())

    def command(self, command: str) -> str:
        """Send a command to HAProxy, and return its response."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE)
            connection.connect(str(self._commands))
            connection.sendall(command.encode() + b"\n")
            with connection.makefile() as answer:
                return answer.read()

    def servers(self) -> dict[str, dict[str, str]]:
        """Return the fields of C{show stat} for each server, by the server's name."""
        table = csv.DictReader(self.command("show stat").removeprefix("# ").splitlines())
        return {row["svname"]: row for row in table if row["pxname"] == "nodes" and row["svname"] != "BACKEND"}

    def wait_for(self, status: str, *names: str) -> None:
        """Wait until health checks have found servers in a state, C{UP} or C{DOWN}; without names, all of them."""

        def so() -> bool:
            servers = self.servers()
            return all(
                servers[name]["status"] == status and not servers[name]["check_status"].startswith(("INI", "*"))
                for name in names or servers
            )

        self._wait_until(so, f"not {status}: {names}")

    def _wait_until(self, so: Callable[[], bool], otherwise: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            # The file of the socket is there before it can be connected to.
            with suppress(ConnectionRefusedError, FileNotFoundError):
                if so():
                    return
            assert self.process.poll() is None, self.log.all()
            assert time.monotonic() < deadline, f"{otherwise}: {self.log.so_far()!r}"
            time.sleep(0.02)
