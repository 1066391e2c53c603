"""A load of several connections, on test transports and a clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from echoreply.measure.connection import MAX_EXCESS, MAX_SKIPPED, SLOT_TURNS, LoadConnection, LoadFactory
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
        """Give the messages that were sent since this was last called."""
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

    def test_a_lost_connection_is_told(self) -> None:
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

    def test_what_a_stall_keeps_waiting_is_counted_from_when_it_was_due(self) -> None:
        """The arithmetic: a stall of half a second at ten a second keeps five waiting, from 0.5 s to 0.1 s."""
        bench = Bench(ConstantRate(10, count=6))
        for _ in range(5):
            bench.clock.advance(0.1)
        self.assertEqual(len(bench.sent()), 1)
        for number in range(1, 7):
            bench.reply(PREFIX + b"0:%010d xx\n" % number)
        self.assertEqual(bench.replies, [(number, round(0.5 - 0.1 * (number - 1), 6)) for number in range(1, 7)])
        self.assertEqual(bench.completed, 1)

    def test_nobody_is_asked_before_it_is_time(self) -> None:
        bench = Bench(ConstantRate(10))
        bench.reply(PREFIX + bench.sent()[0])
        self.assertEqual(bench.sent(), [])
        bench.clock.advance(0.1)
        self.assertEqual(len(bench.sent()), 1)


class FaultTests(SynchronousTestCase):
    def test_a_reply_that_differs_is_wrong_and_stands_for_its_message(self) -> None:
        bench = Bench(Unlimited(2))
        bench.reply(b"server reply;0:0000000001 xx\n")
        sent = bench.sent()
        self.assertEqual(bench.wrong, [WrongReply(sent[0], b"server reply;0:0000000001 xx\n", "differs")])
        bench.reply(PREFIX + sent[1])
        self.assertEqual((bench.counts(), bench.completed), ((1, 0, 1), 1))

    def test_a_message_that_later_ones_are_answered_before_is_lost(self) -> None:
        bench = Bench(Unlimited(4), depth=4)
        sent = bench.sent()
        bench.reply(PREFIX + sent[0], PREFIX + sent[2], PREFIX + sent[3])
        self.assertEqual(bench.completed, 0, "it may still come")
        self.assertEqual(bench.counts(), (3, 1, 0))
        self.assertEqual(bench.protocol().first_lost, (0.0, sent[1]))

    def test_swapped_replies_are_seen(self) -> None:
        bench = Bench(Unlimited(3), depth=3)
        sent = bench.sent()
        bench.reply(PREFIX + sent[1])
        bench.reply(PREFIX + sent[0])
        bench.reply(PREFIX + sent[2])
        self.assertEqual(bench.wrong, [WrongReply(sent[0], PREFIX + sent[0], "out of order")])
        self.assertEqual((bench.counts(), bench.completed), ((2, 0, 1), 1))

    def test_replies_swapped_between_connections_are_seen(self) -> None:
        bench = Bench(Unlimited(2), connections=2)
        first, second = bench.sent(0)[0], bench.sent(1)[0]
        bench.reply(PREFIX + second, connection=0)
        bench.reply(PREFIX + first, connection=1)
        self.assertEqual([wrong.reason for wrong in bench.wrong], ["differs"] * 2)
        self.assertEqual((bench.counts(), bench.completed), ((0, 0, 2), 1))

    def test_a_reply_that_comes_again_stands_for_no_other(self) -> None:
        bench = Bench(Unlimited(3))
        reply = PREFIX + bench.sent()[0]
        bench.reply(reply, reply)
        bench.reply(PREFIX + bench.sent()[0])
        bench.reply(PREFIX + bench.sent()[0])
        self.assertEqual([wrong.reason for wrong in bench.wrong], ["duplicate"])
        self.assertEqual((bench.counts(), bench.completed), ((3, 0, 1), 1))

    def test_what_nobody_asked_for_is_wrong(self) -> None:
        bench = Bench(Unlimited(1))
        bench.reply(PREFIX + bench.sent()[0])
        bench.reply(b"hello\n")
        self.assertEqual(bench.wrong, [WrongReply(b"", b"hello\n", "unsolicited")])

    def test_a_message_without_a_reply_does_not_keep_others_waiting_for_ever(self) -> None:
        bench = Bench(Unlimited(3))
        first = bench.sent()[0]
        for _ in range(SLOT_TURNS):
            self.assertEqual(bench.sent(), [])
            bench.load.free_slots()
        bench.load.free_slots()
        second = bench.sent()[0]
        bench.reply(PREFIX + second)
        third = bench.sent()[0]
        self.assertEqual(bench.completed, 0)
        bench.reply(PREFIX + third)
        self.assertEqual((bench.completed, bench.counts()), (0, (2, 1, 0)))
        self.assertEqual(bench.protocol().first_lost, (0.0, first))

    def test_a_reply_that_comes_after_all_is_right_if_it_is_in_order(self) -> None:
        bench = Bench(Unlimited(2))
        first = bench.sent()[0]
        for _ in range(SLOT_TURNS + 1):
            bench.load.free_slots()
        second = bench.sent()[0]
        bench.reply(PREFIX + first)
        self.assertEqual(bench.sent(), [], "its place has been taken")
        bench.reply(PREFIX + second)
        self.assertEqual((bench.completed, bench.counts()), (1, (2, 0, 0)))

    def test_a_reply_without_an_end_fills_no_memory(self) -> None:
        bench = Bench(Unlimited(1))
        for _ in range(MAX_EXCESS // 1000 + 2):
            bench.reply(b"x" * 1000)
        self.assertEqual([(wrong.reason, wrong.received[:3]) for wrong in bench.wrong], [("differs", b"xxx")])

    def test_messages_that_were_passed_over_fill_no_memory(self) -> None:
        depth = MAX_SKIPPED + 10
        bench = Bench(Unlimited(depth), depth=depth)
        sent = bench.sent()
        bench.reply(PREFIX + sent[-1])
        self.assertEqual(bench.protocol().unanswered, MAX_SKIPPED)
        self.assertEqual(bench.counts(), (1, depth - 1, 0))

    def test_short_messages_come_round_again(self) -> None:
        bench = Bench(Unlimited(25), size=2, depth=3)
        while sent := bench.sent():
            bench.reply(*(PREFIX + message for message in sent))
        self.assertEqual((bench.completed, bench.counts()), (1, (25, 0, 0)))

    def test_what_is_on_its_way_when_a_person_ends_it_is_not_lost(self) -> None:
        bench = Bench(ConstantRate(1), depth=10)
        bench.clock.advance(1)
        bench.clock.advance(1)
        self.assertEqual(bench.protocol().finish(since=1.5), 1)
        self.assertEqual(bench.protocol().lost, 2)


class AnyReplyTests(SynchronousTestCase):
    def test_any_line_is_a_reply(self) -> None:
        bench = Bench(Unlimited(3), prefix=None, depth=2)
        bench.reply(b"one\ntw")
        bench.reply(b"o\n")
        bench.reply(b"\n")
        self.assertEqual((bench.completed, bench.counts()), (1, (3, 0, 0)))


class DatagramTests(SynchronousTestCase):
    def test_each_read_is_a_reply(self) -> None:
        bench = Bench(Unlimited(2), whole=True)
        bench.reply(PREFIX + bench.sent()[0].strip())
        self.assertEqual([wrong.reason for wrong in bench.wrong], ["differs"])
        bench.reply(PREFIX + bench.sent()[0])
        self.assertEqual((bench.completed, bench.counts()), (1, (1, 0, 1)))

    def test_any_datagram_is_a_reply(self) -> None:
        bench = Bench(Unlimited(2), prefix=None, whole=True)
        bench.reply(b"one")
        bench.reply(b"")
        self.assertEqual((bench.completed, bench.counts()), (1, (2, 0, 0)))
