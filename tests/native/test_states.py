"""The tables of a native transport's states: a transport follows them, and the documentation shows them."""

from __future__ import annotations

import socket
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import Any, cast, get_args

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.trial.unittest import SynchronousTestCase

from echoreply.native import states
from echoreply.native.producer import PullProducer
from echoreply.native.states import (
    CLOSING,
    LIFE,
    PULL,
    PUSH,
    READING,
    WRITING,
    Closing,
    IllegalEventError,
    Life,
    Reading,
)
from echoreply.native.transport import NativeTransport
from tests.support.fake_event_loop import HalfCloseable, Loop, Plain, Stage
from tests.support.state_tables import PAGE, documented, in_words, words

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


class EndTests(SynchronousTestCase):
    """How a connection ends for its protocol."""

    def test_a_reset_after_the_peer_has_closed_is_an_ordinary_end(self) -> None:
        stage = Stage(Plain())
        stage.transport.eof_received()
        self.assertIs(stage.transport._closing, Closing.PEER_CLOSED)
        stage.transport.connection_lost(ConnectionResetError())
        self.assertEqual(stage.protocol.reasons, [ConnectionDone])
        stage.socket.close()

    def test_a_reset_before_that_is_a_loss(self) -> None:
        stage = Stage(Plain())
        stage.transport.connection_lost(ConnectionResetError())
        self.assertEqual(stage.protocol.reasons, [ConnectionLost])
        stage.socket.close()

    def test_an_abort_after_the_loss_changes_nothing(self) -> None:
        stage = Stage(Plain())
        stage.happen("lost")
        stage.transport.abortConnection()
        self.assertFalse(stage.transport.disconnecting)
        self.assertEqual(stage.socket.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER), 0)
        self.assertNotIn("abort", stage.native.calls)
        self.assertEqual(stage.protocol.reasons, [ConnectionDone])
        stage.socket.close()


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
        text = PAGE.read_text(encoding="utf-8").partition("## NativeTransport\n")[2].partition("\n## ")[0]
        for name, (table, _) in TABLES.items():
            self.assertEqual(documented("NativeTransport", name), in_words(table))
            section = text.partition(f"### {name}\n")[2].partition("\n### ")[0]
            for state in table:
                self.assertIn(f"- *{words(state)}*: {state.value}.\n", section)


class WalkTests(SynchronousTestCase):
    """Each test takes a transport to every state of a table, and lets every event happen there."""

    def check(self, name: str, make: Callable[[], Stage], read: Callable[[NativeTransport], Enum]) -> None:
        for state, event, after, way in pairs(name):
            stage = make()
            for step in way:
                stage.happen(step)
            self.assertIs(read(stage.transport), state)
            if after is None:
                with self.assertRaises(IllegalEventError) as raised:
                    stage.happen(event)
                self.assertEqual(str(raised.exception), f"{event!r} is not allowed in the state {state.name}")
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
                with self.assertRaises(IllegalEventError) as raised:
                    happenings[event]()
                self.assertEqual(str(raised.exception), f"{event!r} is not allowed in the state {state.name}")
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
