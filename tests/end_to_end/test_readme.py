"""What the README says is so."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

from attrs import fields_dict

from echoreply.core.defaults import DEFAULT_PORT
from echoreply.server.settings import Settings
from tests.support import wire_contract as wire
from tests.support.processes import Transcript
from tests.support.wire_contract import Wire

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_its_example_serves() -> None:
    example = README.split("<!-- example -->\n```python\n")[1].split("```")[0]
    with subprocess.Popen([sys.executable, "-c", example], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        said = server.stdout
        log = Transcript(lambda: os.read(said.fileno(), 65536))
        port = int(log.wait_for(rb"starting on (\d+)")[1])
        wire.exchange(partial(Wire, "127.0.0.1", port), b"hello\n", b"you said: HELLO\n")
        log.wait_for(rb'sent "hello"')
        server.terminate()
        assert server.wait(wire.PATIENCE) == 0


def test_its_table_has_every_option_with_its_default() -> None:
    server, _ = README.split("\n## The client\n")
    rows = dict(re.findall(r"^\| `(?:-\w, )?--([\w-]+) [^`]*` \| ([^|]+) \|", server, re.MULTILINE))
    values = {name: getattr(Settings(), name) for name in fields_dict(Settings)}
    defaults = {name.replace("_", "-"): getattr(value, "value", value) for name, value in values.items()}
    defaults["port"] = f"{DEFAULT_PORT}, if nothing else is listened on"
    defaults["interface"] = "all, IPv6 and IPv4"
    defaults["cert"] = "one made for this run"
    defaults["key"] = "the same file"
    defaults["allow"] = "everybody"
    defaults["deny"] = "nobody"
    defaults["trust-proxy"] = "loopback and private networks"
    defaults |= dict.fromkeys(["tls", "udp", "listen", "client-ca", "alpn", "script", "profile", "web"], "none")
    defaults["framing"] = "what the script says, else `auto`"
    defaults["prefix"] = "`server reply:`"
    for name, default in defaults.items():
        shown = f"{default:g}" if isinstance(default, float) else str(default)
        assert rows[name] == shown
