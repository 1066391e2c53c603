"""docs/logging.md, held against the events, and its examples, run by jq."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from enum import Enum
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from attrs import fields

from echoreply.core.reasons import DropReason, EndReason, RefusalReason
from echoreply.observe import events
from echoreply.observe.event_logging import Event, Fault
from tests.end_to_end.conftest import Start, installed
from tests.support import wire_contract as wire
from tests.support.json_logs import FIELDS, PAGE, read, rows, words
from tests.support.wire_contract import PATIENCE

EVENTS: list[type[Any]] = [
    event
    for event in vars(events).values()
    if isinstance(event, type) and issubclass(event, Event) and "name" in vars(event)
]

JSON_TYPES = {bool: "boolean", int: "number", float: "number", str: "string", bytes: "string"}


def declared(event: type[Any]) -> dict[str, type[Any]]:
    """Return the fields of an event and their types, without C{None}."""
    hints = get_type_hints(event, {"Any": Any} | vars(events))
    found = {}
    for field in fields(event):
        kinds = [kind for kind in get_args(hints[field.name]) or [hints[field.name]] if kind is not type(None)]
        origin = get_origin(hints[field.name])
        found[field.name] = origin if origin in (Mapping, tuple) else kinds[0]
    return {**found, "traceback": str} if issubclass(event, Fault) else found


def json_type(kind: type[Any]) -> str:
    if kind is Mapping:
        return "object"
    return "string" if kind is tuple or issubclass(kind, Enum) else JSON_TYPES[kind]


def test_its_table_has_every_event_with_its_level_and_its_fields() -> None:
    written = {words(name)[0]: (level, set(words(names))) for name, level, names, _ in rows("Events")}
    log = written.pop("log")
    assert log == ("any", {"namespace", "text", "traceback"})
    assert written == {event.name: (event.level.name, set(declared(event))) for event in EVENTS}


def test_its_texts_are_those_of_the_events() -> None:
    """With each field's name as its value."""

    def example(name: str, kind: type[Any]) -> object:
        if kind is Mapping:
            return {}
        if kind is tuple or issubclass(kind, Enum):
            member = SimpleNamespace(value=name.upper())
            return (member,) if kind is tuple else member
        return name.upper().encode() if kind is bytes else name.upper()

    # Parts that only some events have.
    absent = {"message": ["bytes"], "ended": ["idle"], "worker_ended": ["status", "why"]}
    for name, _, _, text in rows("Events"):
        for event in EVENTS:
            if event.name == words(name)[0]:
                given = {field: example(field, kind) for field, kind in declared(event).items()}
                given.pop("traceback", None)
                given |= dict.fromkeys(absent.get(event.name, []))
                if event.name == "message":
                    given["bytes"] = len("MESSAGE")
                assert str(event(**given)) == text


def test_it_describes_every_field() -> None:
    written = {words(name)[0]: kind for name, kind, _ in rows("Fields")}
    kinds = {name: json_type(kind) for event in EVENTS for name, kind in declared(event).items()}
    assert written == {**kinds, "namespace": "string", "text": "string", "traceback": "string"}
    assert list(written) == sorted(written)


def test_a_field_is_of_one_type_in_all_events() -> None:
    seen: dict[str, set[str]] = {}
    for event in EVENTS:
        for name, kind in declared(event).items():
            seen.setdefault(name, set()).add(json_type(kind))
    assert {name: kinds for name, kinds in seen.items() if len(kinds) > 1} == {}


def test_it_has_every_reason() -> None:
    written = [(words(name)[0], meaning) for name, meaning in rows("Reasons")]
    assert written == [(reason.label, reason.value) for reason in (*EndReason, *RefusalReason, *DropReason)]


def test_an_event_has_one_name() -> None:
    assert len({event.name for event in EVENTS}) == len(EVENTS) == len(FIELDS) - 1


EXAMPLES = PAGE.split("## With jq\n\n```sh\n")[1].split("```")[0].splitlines()


@pytest.fixture(scope="module")
def jq() -> str:
    """Return the path of jq, or skip the test."""
    return installed("jq")


def test_its_jq_examples_work(jq: str, start: Start, tmp_path: Path) -> None:
    server = start("--log-format=json", "--max-connections=1", "--interface=127.0.0.1")
    with server.dial()() as client:
        client.send(b"hello\n")
        client.expect(b"server reply:hello\n")
        with suppress(ConnectionError), server.dial()() as another:
            another.read_all()
    server.log.wait_for(b'"event":"ended"')
    wire.exchange(server.dial(), b"\x1b\n", b"server reply:\x1b\n")
    assert server.stop() == -signal.SIGTERM
    log = server.log.all()
    read(jq, log)
    fault = b'{"time":"2026-11-23T07:32:09.123456Z","level":"error","event":"script_fault","fault":"x"}\n'
    (tmp_path / "echoreply.log").write_bytes(log + fault)
    told = []
    for command in EXAMPLES:
        assert shlex.split(command)[0] == "jq"
        done = subprocess.run(
            ["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert (done.returncode, done.stderr) == (0, ""), command
        told.append(done.stdout)
    messages, refusals, sums, alarms, local, endings, times = told
    assert re.findall(r'"message":"(.*)"}', messages) == ["hello", r"\\x1b"]
    assert refusals.split() == ["1", "too_many"]
    assert sums.split() == ["{", '"ended":', "2,", '"messages":', "2", "}"]
    assert alarms == "2026-11-23T07:32:09.123456Z script_fault\n"
    assert len(local.splitlines()) == 7
    assert endings.split() == ["{", '"client":', "2", "}"]
    assert [int(seconds) > 1_600_000_000 for seconds in times.split()] == [True] * (log.count(b"\n") + 1)
