"""How replies are compared: wrong, missing and late ones; on test transports and a clock."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from echoreply.measure.connection import MAX_EXCESS, MAX_SKIPPED, SLOT_TURNS
from echoreply.measure.measurements import WrongReply
from echoreply.measure.schedule import ConstantRate, Unlimited
from tests.measure.test_load import PREFIX, Bench


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

    def test_an_unsolicited_reply_is_wrong(self) -> None:
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

    def test_messages_in_flight_at_an_interrupt_are_not_lost(self) -> None:
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
