"""The protocol in each of its states, at each event: it does what the table says."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from echoreply.core.connection_state import ANSWERING, TRANSITIONS, Event, State
from echoreply.core.conversation import Rules
from echoreply.core.reasons import EndReason
from echoreply.core.replies import Replies
from echoreply.core.state_machine import IllegalTransitionError
from echoreply.protocol import LINGER_SECONDS, ReplyFactory, ReplyProtocol
from tests.support.fake_transports import TCPStringTransport, built
from tests.support.memory_observer import Memory


class LateTransport(TCPStringTransport):
    """Aborts as real transports do: the connection is lost later."""

    aborted = False

    def abortConnection(self) -> None:
        self.aborted = True


class Connected:
    """A connection in a state."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.observer = Memory()
        self.factory = ReplyFactory(self.clock, Rules(Replies(b">")), idle_timeout=100, observers=[self.observer])
        self.protocol = built(self.factory)
        self.transport = LateTransport(self.protocol)
        self.protocol.makeConnection(self.transport)

    def fall_behind(self) -> None:
        """Have the client not take its first reply while another is owed."""
        self.transport.room = 0
        self.protocol.dataReceived(b"a\n")
        self.protocol.dataReceived(b"b\n")

    @property
    def state(self) -> State:
        return self.protocol.state


def in_state(state: State) -> Connected:
    """Bring a connection into a state. As long as it is answered, the client is behind, so that it stays there."""
    connected = Connected()
    protocol = connected.protocol
    if state in ANSWERING:
        connected.fall_behind()
    match state:
        case State.DRAINING:
            protocol.drain()
        case State.CLIENT_FINISHED:
            protocol.readConnectionLost()
        case State.CLOSING:
            protocol.dataReceived(b"exit\n")
        case State.LINGERING:
            protocol.dataReceived(b"exit\n")
            connected.transport.flush()
        case State.DISCONNECTING:
            protocol.readConnectionLost()
        case State.ABORTED:
            protocol.abort(EndReason.ABORTED)
        case State.CLOSED:
            connected.transport.lose(ConnectionDone())
    assert connected.state is state
    return connected


DIRECT: dict[Event, Callable[[ReplyProtocol], object]] = {
    Event.CLIENT_FINISH: lambda protocol: protocol.readConnectionLost(),
    Event.FLUSH: lambda protocol: protocol.writeConnectionLost(),
    Event.DRAIN: lambda protocol: protocol.drain(),
    Event.ABORT: lambda protocol: protocol.abort(EndReason.ABORTED),
    Event.LOSE: lambda protocol: protocol.connectionLost(Failure(ConnectionDone())),
}
"""The events that others tell. The protocol itself decides when to close."""


class TransitionTests(SynchronousTestCase):
    def test_every_event_in_every_state_leads_where_the_table_says(self) -> None:
        for state in State:
            for event, tell in DIRECT.items():
                connected = in_state(state)
                if event in TRANSITIONS[state]:
                    tell(connected.protocol)
                    self.assertIs(connected.state, TRANSITIONS[state][event], (state, event))
                else:
                    with self.assertRaises(IllegalTransitionError, msg=(state, event)):
                        tell(connected.protocol)

    def test_it_half_closes_once_everything_is_answered(self) -> None:
        for begin in (lambda _protocol: None, ReplyProtocol.drain):
            connected = Connected()
            begin(connected.protocol)
            self.assertIs(TRANSITIONS[connected.state][Event.HALF_CLOSE], State.CLOSING)
            connected.protocol.dataReceived(b"exit\n")
            self.assertIs(connected.state, State.CLOSING)
            self.assertTrue(connected.transport.write_closed)

    def test_it_closes_a_client_that_has_finished_once_it_has_everything(self) -> None:
        connected = in_state(State.CLIENT_FINISHED)
        connected.transport.room = 1000
        connected.transport.flush()
        self.assertIs(connected.state, TRANSITIONS[State.CLIENT_FINISHED][Event.CLOSE])
        self.assertEqual(connected.transport.value(), b">a\n>b\n")

    def test_it_closes_what_is_idle(self) -> None:
        open_, draining = Connected(), Connected()
        draining.protocol.drain()
        for connected in (open_, draining, in_state(State.CLOSING), in_state(State.LINGERING)):
            before = connected.state
            connected.protocol.close_idle()
            self.assertIs(connected.state, TRANSITIONS[before][Event.CLOSE])
            self.assertTrue(connected.transport.disconnecting)

    def test_it_resets_what_is_idle_and_behind_or_was_closed_before(self) -> None:
        for state in (*ANSWERING, State.DISCONNECTING, State.ABORTED):
            connected = in_state(state)
            connected.protocol.close_idle()
            self.assertIs(connected.state, State.ABORTED)
            self.assertTrue(connected.transport.aborted)
            self.assertIs(connected.protocol.end_reason, EndReason.IDLE)

    def test_it_resets_what_is_left_at_the_end_of_a_drain_unless_it_has_everything(self) -> None:
        for state in set(State) - {State.CLOSED, State.LINGERING}:
            connected = in_state(state)
            connected.protocol.end_drain()
            self.assertIs(connected.state, State.ABORTED, state)
        connected = in_state(State.LINGERING)
        connected.protocol.end_drain()
        self.assertIs(connected.state, State.LINGERING)
        self.assertTrue(connected.transport.disconnecting)

    def test_the_reason_is_known_as_soon_as_nothing_is_answered_any_more(self) -> None:
        for state in State:
            # This client went by itself.
            if state is not State.CLOSED:
                self.assertEqual(in_state(state).protocol.end_reason is None, state in ANSWERING, state)

    def test_nothing_is_answered_once_it_closes(self) -> None:
        for state in set(State) - ANSWERING - {State.CLOSED}:
            connected = in_state(state)
            connected.protocol.dataReceived(b"a\n")
            self.assertEqual(connected.transport.value(), b"", state)

    def test_room_that_comes_after_an_abort_changes_nothing(self) -> None:
        connected = in_state(State.OPEN)
        connected.protocol.abort(EndReason.ABORTED)
        connected.protocol.resumeProducing()
        self.assertEqual(connected.transport.value(), b">a\n")
        self.assertIs(connected.state, State.ABORTED)


HAPPENINGS: dict[str, Callable[[Connected], object]] = {
    "message": lambda connected: connected.protocol.dataReceived(b"a\nb\n"),
    "part": lambda connected: connected.protocol.dataReceived(b"part"),
    "exit": lambda connected: connected.protocol.dataReceived(b"exit\n"),
    "behind": lambda connected: setattr(connected.transport, "room", 0),
    "room": lambda connected: setattr(connected.transport, "room", 1000),
    "flush": lambda connected: connected.transport.flush(),
    "pause": lambda connected: connected.clock.advance(0.2),
    "linger": lambda connected: connected.clock.advance(LINGER_SECONDS),
    "idle": lambda connected: connected.clock.advance(105),
    "drain": lambda connected: connected.factory.drain(),
    "end_drain": lambda connected: connected.factory.end_drain(),
    "abort": lambda connected: connected.factory.abort(),
    "finish": lambda connected: connected.protocol.readConnectionLost(),
    "reset": lambda connected: connected.transport.lose(ConnectionLost()),
}


class WalkTests(SynchronousTestCase):
    """Whatever happens, and in whatever order, a connection goes from state to state by the table, and ends."""

    @given(st.lists(st.sampled_from(sorted(HAPPENINGS)), max_size=30))
    def test_the_states_follow_the_table(self, names: list[str]) -> None:
        connected = Connected()
        finished = False
        for name in names:
            before = connected.state
            if before is State.CLOSED:
                break
            # A client that has finished sends nothing, nor does one whose bytes are not read.
            silent = finished or not connected.transport.reading or before is State.ABORTED
            if silent and name in ("message", "part", "exit", "finish"):
                continue
            finished = finished or name == "finish"
            HAPPENINGS[name](connected)
            self.assert_reachable(before, connected.state)
        if connected.state is not State.CLOSED:
            connected.transport.lose(ConnectionDone())
        self.assertIs(connected.state, State.CLOSED)
        self.assertEqual(len(connected.observer.ended), 1)
        self.assertEqual(connected.clock.getDelayedCalls(), [])

    def assert_reachable(self, before: State, now: State) -> None:
        reached = {before}
        while following := {after for state in reached for after in TRANSITIONS[state].values()} - reached:
            reached |= following
        self.assertIn(now, reached)
