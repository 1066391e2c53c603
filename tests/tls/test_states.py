"""The states of a TLS connection: every state with every event, in the tables, the documents and real connections."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

import pytest
from twisted.internet.error import ConnectionDone

from echoreply.core.state_machine import IllegalTransitionError
from echoreply.tls.states import READING, WRITING, Event, Reading, Writing
from tests.support.state_tables import documented, in_words
from tests.support.tls_pair import Pair

State = Reading | Writing
Step = Callable[[Pair], object]
TABLES: Mapping[str, Mapping[Any, Mapping[Event, Any]]] = {
    "Reading: from the peer to the protocol": READING,
    "Writing: from the protocol to the peer": WRITING,
}
CELLS = [(table, state, event) for table in TABLES.values() for state, event in product(table, Event)]
TRANSITIONS = [(table, state, event) for table, state, event in CELLS if event in table[state]]


def cell_name(value: object) -> str:
    return f"{type(value).__name__}.{value.name}" if isinstance(value, State | Event) else "in"


def connect(pair: Pair) -> None:
    pair.tls.makeConnection(pair.lower)


def shake_hands(pair: Pair) -> None:
    pair.shake_hands()


def hold_and_half_close(pair: Pair) -> None:
    pair.tls.write(b"held")
    pair.tls.loseWriteConnection()


def half_close(pair: Pair) -> None:
    pair.tls.loseWriteConnection()


def close_peer(pair: Pair) -> None:
    """Have the peer close in order: with a close_notify, or, without keys, with a FIN after ours."""
    if pair.tls._reading is Reading.OPEN:
        pair.tls.dataReceived(pair.client.goodbye())
    else:
        pair.tls.loseWriteConnection()
        pair.tls.readConnectionLost()


def fail(pair: Pair) -> None:
    pair.tls.dataReceived(b"\x17\x03\x03\x00\x20" + bytes(32))


def abort(pair: Pair) -> None:
    """Abort on a transport that, as Twisted's, tells of the end in a later turn of the reactor."""
    pair.lower.abortConnection = lambda: None  # type: ignore[method-assign]
    pair.tls.abortConnection()


def lose(pair: Pair) -> None:
    pair.lower.lose(ConnectionDone())


WAYS: Mapping[State, list[Step]] = {
    Reading.IDLE: [],
    Reading.HANDSHAKING: [connect],
    Reading.OPEN: [connect, shake_hands],
    Reading.ENDED: [connect, shake_hands, close_peer],
    Reading.FAILED: [connect, shake_hands, fail],
    Reading.LOST: [connect, lose],
    Writing.HOLDING: [connect],
    Writing.ENDING: [connect, hold_and_half_close],
    Writing.OPEN: [connect, shake_hands],
    Writing.ENDED: [connect, half_close],
    Writing.CUT: [connect, abort],
}
"""The steps that bring a connection into each state."""

CAUSES: Mapping[Event, Step] = {
    Event.CONNECTED: connect,
    Event.KEYS: shake_hands,
    Event.PEER_CLOSED: close_peer,
    Event.HALF_CLOSE: hold_and_half_close,
    Event.CLOSED: half_close,
    Event.FAILURE: fail,
    Event.ABORT: abort,
    Event.LOST: lose,
}

CALLS: Mapping[str, Step] = {
    "write": lambda pair: pair.tls.write(b"bytes"),
    "loseWriteConnection": lambda pair: pair.tls.loseWriteConnection(),
    "loseConnection": lambda pair: pair.tls.loseConnection(),
    "abortConnection": abort,
    "unregisterProducer": lambda pair: pair.tls.unregisterProducer(),
    "empty read": lambda pair: pair.tls.dataReceived(b""),
    "garbage": fail,
    "readConnectionLost": lambda pair: pair.tls.readConnectionLost(),
}
"""What a protocol and a transport may do at any time."""


def in_state(state: State) -> Pair:
    pair = Pair(connected=False)
    for step in WAYS[state]:
        step(pair)
    assert state in (pair.tls._reading, pair.tls._writing)
    return pair


class Recorded(dict[Event, Any]):
    """The transitions from one state. It records each that is looked up."""

    def __init__(self, state: State, row: Mapping[Event, Any], happened: list[tuple[State, Event, State]]) -> None:
        super().__init__(row)
        self._state = state
        self._happened = happened

    def __getitem__(self, event: Event) -> Any:  # noqa: ANN401
        following = super().__getitem__(event)
        self._happened.append((self._state, event, following))
        return following


class TestTables:
    @pytest.mark.parametrize(("table", "state", "event"), CELLS, ids=cell_name)
    def test_each_transition_leads_to_a_state_or_raises(
        self, table: Mapping[Any, Mapping[Event, Any]], state: State, event: Event
    ) -> None:
        if event in table[state]:
            assert table[state][event] in type(state)
        else:
            with pytest.raises(
                IllegalTransitionError, match=f"^{event.name} is not allowed in the state {state.name}$"
            ):
                table[state][event]

    @pytest.mark.parametrize("title", TABLES)
    def test_the_documents_have_the_same_tables(self, title: str) -> None:
        assert documented("TLSTransport", title) == in_words(TABLES[title])

    def test_the_tables_have_all_states_and_events(self) -> None:
        assert {*READING, *WRITING} == {*Reading, *Writing}
        assert {event for _, _, event in TRANSITIONS} == {*Event}


class TestConnections:
    @pytest.mark.parametrize(("table", "state", "event"), TRANSITIONS, ids=cell_name)
    def test_each_transition_happens(
        self, table: Mapping[Any, Mapping[Event, Any]], state: State, event: Event, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        happened: list[tuple[State, Event, State]] = []
        pair = in_state(state)
        for name, each in (("READING", READING), ("WRITING", WRITING)):
            recorded = {before: Recorded(before, row, happened) for before, row in each.items()}
            monkeypatch.setattr(f"echoreply.tls.transport.{name}", recorded)
        # Our side ends by itself as soon as what was held is sent.
        cause = shake_hands if (state, event) == (Writing.ENDING, Event.CLOSED) else CAUSES[event]
        cause(pair)
        assert (state, event, table[state][event]) in happened

    @pytest.mark.parametrize("call", CALLS)
    @pytest.mark.parametrize("state", [*Reading, *Writing], ids=cell_name)
    def test_no_sequence_of_calls_causes_an_illegal_transition(self, state: State, call: str) -> None:
        if state is Reading.IDLE:
            return  # Nobody has it yet.
        pair = in_state(state)
        for _ in range(2):
            CALLS[call](pair)

    @pytest.mark.parametrize("state", [Reading.ENDED, Reading.FAILED], ids=cell_name)
    def test_bytes_after_the_end_are_counted_and_dropped(self, state: State) -> None:
        pair = in_state(state)
        before, failures = pair.tls.taken, [*pair.failures]
        pair.tls.dataReceived(b"more")
        assert pair.tls.taken == before + 4
        assert (pair.upper.received, pair.failures) == ([], failures)  # type: ignore[attr-defined]

    def test_an_empty_read_does_not_end_the_connection(self) -> None:
        pair = in_state(Reading.OPEN)
        pair.tls.dataReceived(b"")
        assert pair.tls._reading is Reading.OPEN
        pair.tls.dataReceived(pair.client.send(b"data"))
        assert pair.upper.received == [b"data"]  # type: ignore[attr-defined]

    @pytest.mark.parametrize(
        ("state", "sent"), [(Writing.HOLDING, b"bytes"), (Writing.ENDING, b"held"), (Writing.OPEN, b"bytes")]
    )
    def test_each_state_holds_sends_or_drops_written_bytes(self, state: State, sent: bytes) -> None:
        pair = in_state(state)
        pair.tls.write(b"bytes")
        assert (pair.take() if state is Writing.OPEN else pair.shake_hands()) == sent

    @pytest.mark.parametrize("state", [Writing.ENDED, Writing.CUT], ids=cell_name)
    def test_bytes_written_after_the_end_are_dropped(self, state: State) -> None:
        pair = in_state(state)
        pair.tls.write(b"bytes")
        assert pair.lower.take() == b""
        assert pair.shake_hands() == b""
