"""A load of several connections, on test transports and a clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from echoreply.measure.connection import LoadConnection, LoadFactory
from echoreply.measure.load import Load
from echoreply.measure.measurements import Measurements, WrongReply
from echoreply.measure.schedule import ConstantRate, Schedule, Unlimited
from tests.support.fake_transports import TCPStringTransport

PREFIX = b"server reply:"


class Bench:
    """A load on test transports that has started."""

    def __init__(
        self,
        schedule: Schedule | None = None,
        connections: int = 1,
        depth: int = 1,
        size: int = 16,
        prefix: bytes | None = PREFIX,
        *,
        whole: bool = False,
    ) -> None:
        self.clock = Clock()
        self.measurements = Measurements()
        self.replies: list[tuple[int, float]] = []
        self.wrong: list[WrongReply] = []
        self.completed = 0
        self.lost: list[Failure] = []
        schedule = Unlimited() if schedule is None else schedule
        on_reply = lambda number, seconds: self.replies.append((number, round(seconds, 6)))  # noqa: E731
        self.load = Load(self.clock, schedule, self.measurements, depth, on_reply, self.wrong.append)
        self.load.on_complete = self.complete
        self.load.on_connection_lost = self.lost.append
        factory = LoadFactory(self.load, size, prefix, whole=whole)
        self.transports = []
        for _ in range(connections):
            protocol = factory.buildProtocol(None)
            transport = TCPStringTransport(protocol)
            protocol.makeConnection(transport)
            self.transports.append(transport)
        self.load.start()

    def complete(self) -> None:
        self.completed += 1

    def sent(self, connection: int = 0) -> list[bytes]:
        """Return the messages that were sent since the last call."""
        return self.transports[connection].take().splitlines(keepends=True)

    def reply(self, *replies: bytes, connection: int = 0) -> None:
        """Let this come in one read."""
        self.transports[connection].protocol.dataReceived(b"".join(replies))

    def protocol(self) -> LoadConnection:
        connection = self.load.connections[0]
        assert isinstance(connection, LoadConnection)
        return connection

    def counts(self, since: float | None = None) -> tuple[int, int, int]:
        """End; give what was answered, lost and wrong."""
        for connection in self.load.connections:
            connection.finish(since)
        lost = sum(connection.lost for connection in self.load.connections)
        return self.measurements.answered, lost, self.measurements.wrong


class AskingTests(SynchronousTestCase):
    def test_a_reply_makes_room_for_the_next_message(self) -> None:
        bench = Bench()
        self.assertEqual(bench.sent(), [b"0:0000000001 xx\n"])
        self.assertTrue(bench.transports[0].no_delay)
        bench.clock.advance(0.25)
        bench.reply(PREFIX + b"0:0000000001 xx\n")
        self.assertEqual(bench.sent(), [b"0:0000000002 xx\n"])
        self.assertEqual(bench.replies, [(1, 0.25)])
        self.assertEqual(dict(bench.measurements.latencies), {250_000 & -16: 1})

    def test_every_connection_has_as_many_on_their_way_as_the_depth(self) -> None:
        bench = Bench(connections=2, depth=3)
        for connection in range(2):
            sent = bench.sent(connection)
            self.assertEqual(sent, [b"%d:%010d xx\n" % (connection, number) for number in (1, 2, 3)])
            bench.reply(*(PREFIX + message for message in sent[:2]), connection=connection)
            self.assertEqual(len(bench.sent(connection)), 2)

    @given(st.lists(st.integers(0, 400)), st.integers(1, 5))
    def test_replies_are_known_however_they_are_cut(self, cuts: list[int], depth: int) -> None:
        bench = Bench(Unlimited(20), depth=depth)
        waiting = b""
        for size in [*cuts, *[1000] * 40]:
            waiting += b"".join(PREFIX + message for message in bench.sent())
            if waiting[:size]:
                bench.reply(waiting[:size])
            waiting = waiting[size:]
        self.assertEqual(bench.counts(), (20, 0, 0))
        self.assertEqual([number for number, _ in bench.replies], list(range(1, 21)))
        self.assertEqual(bench.completed, 1)

    def test_all_is_answered_once_the_last_reply_has_come(self) -> None:
        bench = Bench(Unlimited(2), connections=2)
        bench.reply(PREFIX + bench.sent(0)[0], connection=0)
        self.assertEqual(bench.completed, 0)
        bench.reply(PREFIX + bench.sent(1)[0], connection=1)
        self.assertEqual(bench.completed, 1)

    def test_closed_it_asks_no_more(self) -> None:
        bench = Bench()
        sent = bench.sent()
        bench.load.stop()
        self.assertEqual(bench.completed, 0)
        bench.reply(PREFIX + sent[0])
        self.assertEqual((bench.sent(), bench.completed), ([], 1))

    def test_a_lost_connection_is_reported(self) -> None:
        bench = Bench()
        bench.transports[0].lose(ConnectionDone())
        self.assertTrue(bench.lost[0].check(ConnectionDone))


class RateTests(SynchronousTestCase):
    def test_messages_are_sent_when_they_are_due(self) -> None:
        bench = Bench(ConstantRate(10), connections=2)
        self.assertEqual([len(bench.sent(n)) for n in (0, 1)], [1, 0])
        bench.clock.advance(0.05)
        self.assertEqual([len(bench.sent(n)) for n in (0, 1)], [0, 0])
        bench.clock.advance(0.05)
        self.assertEqual([len(bench.sent(n)) for n in (0, 1)], [0, 1])

    def test_latency_counts_from_the_time_a_message_was_due_during_a_stall(self) -> None:
        """The arithmetic: a stall of half a second at ten a second keeps five waiting, from 0.5 s to 0.1 s."""
        bench = Bench(ConstantRate(10, count=6))
        for _ in range(5):
            bench.clock.advance(0.1)
        self.assertEqual(len(bench.sent()), 1)
        for number in range(1, 7):
            bench.reply(PREFIX + b"0:%010d xx\n" % number)
        self.assertEqual(bench.replies, [(number, round(0.5 - 0.1 * (number - 1), 6)) for number in range(1, 7)])
        self.assertEqual(bench.completed, 1)

    def test_no_message_is_sent_before_it_is_due(self) -> None:
        bench = Bench(ConstantRate(10))
        bench.reply(PREFIX + bench.sent()[0])
        self.assertEqual(bench.sent(), [])
        bench.clock.advance(0.1)
        self.assertEqual(len(bench.sent()), 1)
