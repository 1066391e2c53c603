"""The tables of a native transport's states: a transport follows them, and the documentation shows them."""

from __future__ import annotations

import socket
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, cast, get_args

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Protocol
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from echoreply.native import states
from echoreply.native.connections import Connections
from echoreply.native.producer import PullProducer
from echoreply.native.states import CLOSING, LIFE, PULL, PUSH, READING, WRITING, Closing, Life, Reading
from echoreply.native.transport import NativeTransport

Table = Mapping[Any, Mapping[Any, Any]]

TABLES: dict[str, tuple[Table, Any]] = {
    "Life": (LIFE, states.LifeEvent),
    "Closing": (CLOSING, states.ClosingEvent),
    "Reading": (READING, states.ReadingEvent),
    "Writing": (WRITING, states.WritingEvent),
    "Push producer": (PUSH, states.PushEvent),
    "Pull producer": (PULL, states.PullEvent),
}
"""Each table by its name in the documentation, with its events. Its first state is the first in its Enum."""

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "states.md"


class Loop:
    """An event loop whose turns a test takes."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Callable[..., object], tuple[Any, ...]]] = []

    def call_soon(self, call: Callable[..., object], *arguments: object) -> None:
        self.waiting.append((call, arguments))

    def turn(self) -> None:
        waiting, self.waiting = self.waiting, []
        for call, arguments in waiting:
            call(*arguments)


class Native:
    """An event loop's transport, which keeps what it is asked for."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.reading = True

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: self.calls.append(name)

    def is_closing(self) -> bool:
        return "close" in self.calls or "abort" in self.calls

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class Plain(Protocol):
    """Runs what a test wants to be run in a callback, and keeps what it receives."""

    def __init__(self) -> None:
        self.received = b""
        self.in_callback: Callable[[], object] = lambda: None

    def dataReceived(self, data: bytes) -> None:
        self.received += data
        self.in_callback()

    def pauseProducing(self) -> None:
        pass

    def resumeProducing(self) -> None:
        pass

    def stopProducing(self) -> None:
        pass


@implementer(IHalfCloseableProtocol)
class HalfCloseable(Plain):
    ended = False

    def readConnectionLost(self) -> None:
        self.ended = True

    def writeConnectionLost(self) -> None:
        pass


class Stage:
    """A native transport on an event loop that is none."""

    def __init__(self, protocol: Plain, *, attached: bool = True) -> None:
        self.loop, self.native, self.protocol = Loop(), Native(), protocol
        self.socket = socket.socket()
        loop = cast(AbstractEventLoop, self.loop)
        self.transport = NativeTransport(loop, self.socket, protocol, ("127.0.0.1", 1), 0, Connections())
        if attached:
            self.transport.connection_made(self.native)

    def happen(self, event: str) -> object:
        """Let one event happen, of any table but that of closing and of pull producers."""
        transport = self.transport

        def written() -> None:
            transport.resume_writing()
            self.loop.turn()

        def full() -> None:
            transport.pause_writing()
            transport.write(b"data")

        happenings: dict[str, Callable[[], object]] = {
            "attached": lambda: transport.connection_made(self.native),
            "lost": lambda: transport.connection_lost(None),
            "data": lambda: transport.data_received(b"data"),
            "end": transport.eof_received,
            "pause": transport.pauseProducing,
            "resume": transport.resumeProducing,
            "deliver": self.loop.turn,
            "stop": transport.loseConnection,
            "close": transport.loseWriteConnection,
            "written": written,
            "full": full,
            "room": transport.resume_writing,
        }
        return happenings[event]()


def ways(table: Table) -> dict[Any, list[str]]:
    """Return the shortest sequence of events that leads from the first state to each."""
    first = next(iter(table))
    found: dict[Any, list[str]] = {first: []}
    waiting = [first]
    while waiting:
        state = waiting.pop(0)
        for event, after in table[state].items():
            if after not in found:
                found[after] = [*found[state], event]
                waiting.append(after)
    return found


def pairs(name: str) -> Iterator[tuple[Enum, str, Enum | None, list[str]]]:
    """Return every state and event of a table, with the state that follows, if any, and the way to the first."""
    table, events = TABLES[name]
    for state, way in ways(table).items():
        for event in get_args(events):
            yield state, event, table[state].get(event), way


def states_while_closing(way: list[str], event: str) -> list[Closing]:
    """
    Return the states of closing before and after an event.

    The way to it and the event happen within one call of the protocol, where each of them may follow each.
    """
    stage = Stage(Plain())
    transport, seen = stage.transport, []

    def happen(event: str) -> None:
        if event == "lose":
            transport.loseConnection()
        elif event == "abort":
            transport.abortConnection()
        elif event == "end":
            transport.eof_received()
        else:
            stage.protocol.in_callback = fail
            transport.data_received(b"data")

    def fail() -> None:
        raise ZeroDivisionError

    def callback() -> None:
        for step in way:
            happen(step)
        seen.append(transport._closing)
        if event == "fail":
            fail()
        happen(event)

    stage.protocol.in_callback = callback
    transport.data_received(b"data")
    stage.socket.close()
    return [*seen, transport._closing]


def rendered(table: Table, events: tuple[str, ...]) -> str:
    """Return a table as the documentation shows it."""
    rows = [["", *events], ["---"] * (len(events) + 1)]
    for state, transitions in table.items():
        cells = [transitions[event].name if event in transitions else "refused" for event in events]
        rows.append([f"**{state.name}**", *("–" if cell == state.name else cell for cell in cells)])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows).replace("|  |", "| |")


class TableTests(SynchronousTestCase):
    def test_every_state_has_a_row_and_can_be_reached(self) -> None:
        for name, (table, _) in TABLES.items():
            kind: type[Enum] = type(next(iter(table)))
            words = list(kind)
            self.assertEqual(list(table), words, name)
            self.assertEqual(set(ways(table)), set(words), name)

    def test_every_row_is_the_state_s_own_and_has_no_other_events(self) -> None:
        for name, (table, events) in TABLES.items():
            for state, transitions in table.items():
                self.assertIs(state.after, transitions)
                self.assertLessEqual(set(transitions), set(get_args(events)), name)

    def test_the_documentation_shows_every_table_and_explains_every_state(self) -> None:
        text = DOCUMENTATION.read_text(encoding="utf-8").partition("## NativeTransport\n")[2].partition("\n## ")[0]
        for name, (table, events) in TABLES.items():
            section = text.partition(f"### {name}\n")[2].partition("\n### ")[0]
            self.assertIn(rendered(table, get_args(events)), section)
            for state in table:
                self.assertIn(f"- `{state.name}`: {state.value}.\n", section)


class WalkTests(SynchronousTestCase):
    """Each test takes a transport to every state of a table, and lets every event happen there."""

    def check(self, name: str, make: Callable[[], Stage], read: Callable[[NativeTransport], Enum]) -> None:
        for state, event, after, way in pairs(name):
            stage = make()
            for step in way:
                stage.happen(step)
            self.assertIs(read(stage.transport), state)
            if after is None:
                self.assertRaises(KeyError, stage.happen, event)
            else:
                stage.happen(event)
            self.assertIs(read(stage.transport), after or state, f"{event} in {state}")
            stage.socket.close()

    def test_life(self) -> None:
        self.check("Life", lambda: Stage(HalfCloseable(), attached=False), lambda transport: transport._life)

    def test_reading(self) -> None:
        self.check("Reading", lambda: Stage(HalfCloseable()), lambda transport: transport._reading.state)

    def test_writing(self) -> None:
        def full() -> Stage:
            stage = Stage(HalfCloseable())
            stage.transport.pause_writing()
            return stage

        self.check("Writing", full, lambda transport: transport._writing)

    def test_push_producer(self) -> None:
        def registered() -> Stage:
            stage = Stage(HalfCloseable())
            stage.transport.registerProducer(stage.protocol, True)  # type: ignore[arg-type]
            return stage

        self.check("Push producer", registered, lambda transport: cast(Any, transport)._producer.state)

    def test_pull_producer(self) -> None:
        for state, event, after, way in pairs("Pull producer"):
            asked: list[PullProducer] = []
            loop = Loop()
            pull = PullProducer(cast(Any, Plain()), cast(AbstractEventLoop, loop), asked.append)
            happenings = {"ask": pull.ask_soon, "turn": pull._turn}
            for step in way:
                happenings[step]()
            self.assertIs(pull.state, state)
            if after is None:
                self.assertRaises(KeyError, happenings[event])
            else:
                happenings[event]()
            self.assertIs(pull.state, after or state)

    def test_closing(self) -> None:
        for state, event, after, way in pairs("Closing"):
            seen = states_while_closing(way, event)
            self.assertEqual(seen, [state, after], f"{event} in {state}")
            self.flushLoggedErrors(ZeroDivisionError)

    def test_nothing_is_refused_while_a_connection_closes(self) -> None:
        self.assertEqual([pair[:2] for pair in pairs("Closing") if pair[2] is None], [])

    def test_a_lost_connection_does_not_read(self) -> None:
        for way in ways(READING).values():
            stage = Stage(HalfCloseable())
            for event in (*way, "lost"):
                stage.happen(event)
            self.assertIs(stage.transport._life, Life.LOST)
            self.assertIs(stage.transport._reading.state, Reading.STOPPED)
            stage.socket.close()


class ReadingTests(SynchronousTestCase):
    @given(st.lists(st.sampled_from(["data", "end", "pause", "resume", "deliver"]), max_size=30))
    def test_nothing_is_lost_or_passed_on_during_a_pause_and_the_end_comes_last(self, events: list[str]) -> None:
        stage, sent, paused, ended = Stage(protocol := HalfCloseable()), b"", False, False
        for event in events:
            if event in ("data", "end") and ended:
                continue
            before = len(protocol.received), protocol.ended
            stage.happen(event)
            sent += b"data" if event == "data" else b""
            ended = ended or event == "end"
            paused = event == "pause" or (paused and event != "resume")
            if paused:
                self.assertEqual((len(protocol.received), protocol.ended), before)
            self.assertTrue(sent.startswith(protocol.received))
            self.assertFalse(protocol.ended and protocol.received != sent)
        stage.happen("resume")
        stage.loop.turn()
        self.assertEqual((protocol.received, protocol.ended), (sent, ended))
        self.assertTrue(stage.native.reading or ended)
        stage.socket.close()
