"""Reading JSON logs, with a check of every line by jq and against docs/logging.md."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

from tests.support.processes import Server
from tests.support.wire_contract import PATIENCE

Told = dict[str, Any]
"""One event."""

PAGE = (Path(__file__).parents[2] / "docs" / "logging.md").read_text(encoding="utf-8")

IS_AN_EVENT = """
if type == "object"
    and (.time | test("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{6}Z$"))
    and ([.level] | inside(["debug", "info", "warn", "error", "critical"]))
    and (.event | test("^[a-z_]+$"))
then . else error("no event: \\(.)") end
"""


def rows(heading: str) -> list[list[str]]:
    """Return the rows of the tables under a heading of docs/logging.md, a list of cells each."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found = [line.strip("|").split(" | ") for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in row] for row in found]


def words(cell: str) -> list[str]:
    """Return the names in a cell."""
    return re.findall(r"`(\w+)`", cell)


FIELDS = {words(name)[0]: set(words(names)) for name, _, names, _ in rows("Events")}
"""The fields of each event, as docs/logging.md lists them."""


def read(jq: str, log: bytes) -> list[Told]:
    """
    Read a log with C{jq}, and check that each line is one event and has only fields that docs/logging.md lists.

    @param jq: the path of the program.
    """
    done = subprocess.run([jq, "-c", IS_AN_EVENT], input=log, capture_output=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stderr) == (0, b""), done.stderr
    told: list[Told] = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(told) == log.count(b"\n")
    for event in told:
        assert event.keys() - {"time", "level", "event", "worker"} <= FIELDS[event["event"]], event
    return told


def told(jq: str, server: Server, name: str, count: int = 1) -> list[Told]:
    """Wait until a server has logged an event a number of times; return all of them."""
    server.log.wait_for(rb'"event":"%s"[^\n]*\n' % name.encode(), count)
    whole, _, _ = server.log.so_far().rpartition(b"\n")
    return [event for event in read(jq, whole + b"\n") if event["event"] == name]


def port_of(jq: str, server: Server, transport: str, listeners: int = 1) -> int:
    """Return the port that a server listens on for a transport, once it has logged a number of listeners."""
    (host,) = [event["host"] for event in told(jq, server, "listening", listeners) if event["transport"] == transport]
    return int(host.rpartition(":")[2])


def said(event: Told) -> bytes:
    """Return the bytes of a logged message."""
    plain = {b"t": b"\t", b"n": b"\n", b"r": b"\r", b"\\": b"\\"}
    return re.sub(
        rb"\\(?:x([0-9a-f]{2})|(.))",
        lambda escaped: bytes([int(escaped[1], 16)]) if escaped[1] else plain[escaped[2]],
        event["message"].encode(),
    )
