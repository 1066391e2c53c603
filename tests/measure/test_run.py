"""A run from its first connection to its last; on a clock, with connections in memory."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

from attrs import evolve
from twisted.internet import error
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, ensureDeferred, fail, succeed
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from echoreply.core.state_machine import IllegalTransitionError, StateMachine
from echoreply.measure.measurements import Measurements
from echoreply.measure.plan import Plan
from echoreply.measure.result import Result
from echoreply.measure.run import (
    CLOSE_TIMEOUT,
    DRAIN_TIMEOUT,
    MAX_CONNECTING,
    RUN,
    TICK,
    Run,
    RunEvent,
    RunState,
)
from echoreply.measure.schedule import ConstantRate, Interval, Schedule, Unlimited
from tests.support.fake_transports import TCPStringTransport
from tests.support.state_tables import documented, in_words

PREFIX = b"server reply:"

PLAN = Plan(
    schedule=Unlimited(1),
    connections=1,
    depth=1,
    size=16,
    prefix=PREFIX,
    duration=None,
    datagrams=False,
    connect_timeout=10,
)


@implementer(IStreamClientEndpoint)
class MemoryEndpoint:
    """Connects in memory. C{connected} decides the outcome of an attempt."""

    def __init__(self) -> None:
        self.transports: list[TCPStringTransport] = []
        self.attempts = 0
        self.connected: Callable[[IProtocol], Deferred[IProtocol]] = succeed

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        self.attempts += 1
        protocol = protocolFactory.buildProtocol(IPv4Address("TCP", "127.0.0.1", 8088))
        assert isinstance(protocol, Protocol)
        transport = TCPStringTransport(protocol)
        connected = self.connected(protocol)
        if connected.called and not hasattr(connected.result, "value"):
            self.transports.append(transport)
            protocol.makeConnection(transport)
        return connected


class RunTestCase(SynchronousTestCase):
    """Has a clock, and an endpoint that connects to nothing."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.endpoint = MemoryEndpoint()
        self.used = 0.0
        self.seen: list[tuple[float, int]] = []

    def begin(self, schedule: Schedule, **changes: Any) -> Deferred[Result]:  # noqa: ANN401
        """Connect, and start the run."""
        plan = evolve(PLAN, schedule=schedule, **changes)
        self.run_ = Run(self.clock, self.endpoint, plan, progress=self.progress, cpu=lambda: self.used)
        self.successResultOf(ensureDeferred(self.run_.connect()))
        self.measured = ensureDeferred(self.run_.measure("there", {"size": 16}))
        return self.measured

    def progress(self, seconds: float, measurements: Measurements) -> None:
        self.seen.append((round(seconds, 3), measurements.answered))

    def answer(self, connection: int = 0) -> int:
        """Reply to all messages; return how many there were."""
        transport = self.endpoint.transports[connection]
        asked = transport.take().splitlines(keepends=True)
        if asked:
            transport.protocol.dataReceived(b"".join(PREFIX + message for message in asked))
        return len(asked)

    def result(self) -> Result:
        """Let the connections close; give the result."""
        self.assertNoResult(self.measured)
        for transport in self.endpoint.transports:
            if hasattr(transport, "protocol"):
                self.assertTrue(transport.disconnecting)
                transport.lose(error.ConnectionDone())
        result = self.successResultOf(self.measured)
        self.assertEqual(self.clock.getDelayedCalls(), [], "nothing is left behind")
        return result


class RunTests(RunTestCase):
    def test_a_count_ends_with_the_last_reply(self) -> None:
        self.begin(Unlimited(3))
        for _ in range(3):
            self.clock.advance(0.5)
            self.answer()
        result = self.result()
        self.assertEqual((result.sent, result.answered, result.lost, result.wrong), (3, 3, 0, 0))
        self.assertEqual((result.seconds, result.rate, result.all_correct), (1.5, 2.0, True))
        self.assertEqual((result.target, result.settings), ("there", {"size": 16}))
        self.assertIsNone(self.run_.failure)

    def test_a_duration_ends_sending_and_replies_are_awaited(self) -> None:
        self.begin(Unlimited(), duration=1.0)
        self.clock.advance(0.4)
        self.answer()
        self.clock.advance(0.6)
        self.clock.advance(0.5)
        self.assertEqual(self.answer(), 1)
        result = self.result()
        self.assertEqual((result.sent, result.answered, result.lost, result.seconds), (2, 2, 0, 1.5))

    def test_a_late_reply_is_awaited_but_not_for_ever(self) -> None:
        self.begin(Unlimited(1))
        self.clock.advance(TICK)
        self.clock.advance(DRAIN_TIMEOUT - TICK / 2)
        self.assertFalse(self.endpoint.transports[0].disconnecting)
        self.clock.advance(TICK)
        result = self.result()
        self.assertEqual((result.sent, result.answered, result.lost), (1, 0, 1))
        self.assertEqual(result.first_lost, b"0:0000000001 xx\n")
        self.assertFalse(result.all_correct)

    def test_at_a_rate_as_many_are_sent_as_were_due(self) -> None:
        self.begin(ConstantRate(100, duration=2.0), duration=2.0)
        for _ in range(2000):
            self.clock.advance(0.001)
            self.answer()
        result = self.result()
        self.assertEqual((result.sent, result.answered, result.unsent), (200, 200, 0))

    def test_messages_that_become_due_in_the_last_moment_are_sent(self) -> None:
        self.begin(ConstantRate(10, duration=1.0), depth=20, duration=1.0)
        self.clock.advance(1.0)
        self.assertEqual(self.answer(), 10)
        self.assertEqual(self.result().unsent, 0)

    def test_messages_without_a_free_slot_are_reported(self) -> None:
        self.begin(ConstantRate(10, duration=1.0), duration=1.0)
        self.clock.advance(1.0)
        self.answer()
        result = self.result()
        self.assertEqual((result.sent, result.unsent, result.all_correct), (1, 9, True))

    def test_an_interrupt_ends_the_run_at_once_and_messages_in_flight_are_not_lost(self) -> None:
        self.begin(Interval(1), depth=10)
        self.answer()
        self.clock.advance(1)
        self.answer()
        self.clock.advance(1)
        self.run_.interrupt()
        result = self.result()
        self.assertEqual((result.sent, result.answered, result.lost, result.in_flight), (3, 2, 0, 1))
        self.assertTrue(result.all_correct)

    def test_messages_in_flight_for_too_long_at_an_interrupt_are_lost(self) -> None:
        self.begin(Interval(1), depth=10)
        for _ in range(75):
            self.clock.advance(0.1)
        self.run_.interrupt()
        result = self.result()
        self.assertEqual((result.sent, result.answered, result.lost, result.in_flight), (8, 0, 3, 5))

    def test_messages_in_flight_for_no_longer_than_the_slowest_reply_are_not_lost(self) -> None:
        self.begin(Unlimited(2), depth=2)
        self.clock.advance(0.1)
        transport = self.endpoint.transports[0]
        first = transport.take().splitlines(keepends=True)[0]
        for _ in range(30):
            self.clock.advance(0.1)
        transport.protocol.dataReceived(PREFIX + first)
        self.run_.interrupt()
        self.assertEqual(self.result().in_flight, 1)

    def test_a_lost_connection_ends_the_run_and_is_reported(self) -> None:
        self.begin(Unlimited(), connections=2)
        self.answer(0)
        self.endpoint.transports[0].lose(error.ConnectionDone())
        result = self.result()
        assert self.run_.failure
        self.assertTrue(self.run_.failure.check(error.ConnectionDone))
        self.assertEqual((result.sent, result.answered, result.lost), (3, 1, 2))

    def test_a_connection_lost_before_all_were_made_is_reported(self) -> None:
        self.run_ = Run(self.clock, self.endpoint, evolve(PLAN, schedule=Unlimited()), cpu=lambda: 0.0)
        self.successResultOf(ensureDeferred(self.run_.connect()))
        self.endpoint.transports[0].lose(error.ConnectionDone())
        result = self.successResultOf(ensureDeferred(self.run_.measure("there", {})))
        self.assertEqual(result.sent, 0)
        self.assertTrue(self.run_.failure)

    def test_connections_that_do_not_close_are_abandoned(self) -> None:
        self.begin(Unlimited(1))
        self.answer()
        self.clock.advance(CLOSE_TIMEOUT)
        self.assertEqual(self.successResultOf(self.measured).answered, 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_few_connections_are_made_at_once(self) -> None:
        waiting: list[tuple[Deferred[IProtocol], IProtocol]] = []

        def connected(protocol: IProtocol) -> Deferred[IProtocol]:
            waiting.append((Deferred(), protocol))
            return waiting[-1][0]

        self.endpoint.connected = connected
        run = Run(self.clock, self.endpoint, evolve(PLAN, connections=MAX_CONNECTING + 5))
        connecting = ensureDeferred(run.connect())
        self.assertEqual(len(waiting), MAX_CONNECTING)
        for number in range(MAX_CONNECTING + 5):
            self.assertNoResult(connecting)
            waiting[number][0].callback(waiting[number][1])
        self.successResultOf(connecting)
        self.assertEqual(self.endpoint.attempts, MAX_CONNECTING + 5)

    def test_a_refused_connection_is_reported(self) -> None:
        self.endpoint.connected = lambda _: fail(error.ConnectionRefusedError())
        run = Run(self.clock, self.endpoint, evolve(PLAN, connections=3))
        self.failureResultOf(ensureDeferred(run.connect()), error.ConnectionRefusedError)

    def test_a_connection_that_times_out_is_reported(self) -> None:
        self.endpoint.connected = lambda _: Deferred()
        run = Run(self.clock, self.endpoint, PLAN)
        connecting = ensureDeferred(run.connect())
        self.clock.advance(PLAN.connect_timeout)
        self.failureResultOf(connecting, error.TimeoutError)

    def test_throughput_is_kept_over_time(self) -> None:
        self.begin(Unlimited(), duration=0.35)
        for _ in range(3):
            self.clock.advance(0.1)
            self.answer()
        self.clock.advance(0.05)
        self.answer()
        self.assertEqual(self.seen, [(0.1, 0), (0.2, 1), (0.3, 2)])
        self.assertEqual(self.result().throughput, [(0.1, 0), (0.2, 1), (0.3, 2), (0.35, 4)])

    def test_the_share_of_a_core_is_measured_while_it_sends(self) -> None:
        self.begin(Unlimited(), duration=2.0)
        self.used = 1.96
        self.clock.advance(2.0)
        self.used = 50.0
        self.clock.advance(1.0)
        self.answer()
        result = self.result()
        self.assertEqual((result.cpu, result.busy), (0.98, True))


class StateTests(RunTestCase):
    """Drives a run from outside: by its connections, its clock, and the user."""

    def enter(self, state: RunState) -> None:
        """Bring a new run, with two connections and three messages, into a state."""
        self.setUp()
        self.run_ = Run(self.clock, self.endpoint, evolve(PLAN, schedule=Unlimited(3), connections=2, duration=1.0))
        self.successResultOf(ensureDeferred(self.run_.connect()))
        path = {
            RunState.CONNECTING: [],
            RunState.SENDING: [self.start],
            RunState.DRAINING: [self.start, self.reach_duration],
            RunState.CLOSING: [self.start, self.run_.interrupt],
            RunState.CLOSED: [self.start, self.run_.interrupt, self.lose_all],
        }[state]
        for step in path:
            step()
        self.assertIs(self.run_.state, state)

    def start(self) -> None:
        self.measured = ensureDeferred(self.run_.measure("there", {}))

    def reach_duration(self) -> None:
        self.clock.advance(1.0)

    def lose(self) -> None:
        self.endpoint.transports[0].lose(error.ConnectionDone())

    def lose_all(self) -> None:
        for transport in self.endpoint.transports:
            transport.lose(error.ConnectionDone())

    def drain(self) -> None:
        self.clock.advance(DRAIN_TIMEOUT)

    def time_out_closing(self) -> None:
        self.clock.advance(CLOSE_TIMEOUT)

    def reply(self) -> None:
        for connection in range(2):
            self.answer(connection)

    def test_whatever_happens_in_any_state_leads_where_the_table_says(self) -> None:
        state = RunState
        happenings: list[tuple[RunState, Callable[[], object], RunState]] = [
            (state.CONNECTING, self.start, state.SENDING),
            (state.CONNECTING, self.interrupt, state.CONNECTING),
            (state.CONNECTING, self.lose, state.CONNECTING),
            (state.SENDING, self.reach_duration, state.DRAINING),
            (state.SENDING, self.reply, state.SENDING),
            (state.SENDING, self.interrupt, state.CLOSING),
            (state.SENDING, self.lose, state.CLOSING),
            (state.SENDING, self.lose_all, state.CLOSED),
            (state.DRAINING, self.reply, state.CLOSING),
            (state.DRAINING, self.drain, state.CLOSING),
            (state.DRAINING, self.interrupt, state.CLOSING),
            (state.DRAINING, self.lose, state.CLOSING),
            (state.CLOSING, self.interrupt, state.CLOSING),
            (state.CLOSING, self.lose, state.CLOSING),
            (state.CLOSING, self.lose_all, state.CLOSED),
            (state.CLOSING, self.time_out_closing, state.CLOSED),
            (state.CLOSED, self.interrupt, state.CLOSED),
            (state.CLOSED, self.drain, state.CLOSED),
        ]
        for before, happens, after in happenings:
            self.enter(before)
            happens()
            self.assertIs(self.run_.state, after, (before, happens))

    def interrupt(self) -> None:
        self.run_.interrupt()

    def test_any_other_event_raises(self) -> None:
        for state, event in product(RunState, RunEvent):
            machine = StateMachine(RUN, state)
            if event in RUN[state]:
                machine.process(event)
                self.assertIs(machine.state, RUN[state][event])
            else:
                with self.assertRaises(IllegalTransitionError):
                    machine.process(event)
                self.assertIs(machine.state, state)

    def test_a_run_can_not_be_started_twice(self) -> None:
        self.enter(RunState.SENDING)
        self.failureResultOf(ensureDeferred(self.run_.measure("there", {})), IllegalTransitionError)

    def test_the_page_shows_the_table_of_the_code(self) -> None:
        self.assertEqual(documented("Run"), in_words(RUN))
        self.assertEqual(set(RUN), set(RunState))
