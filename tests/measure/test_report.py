"""The report of a run."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from echoreply.measure.measurements import WrongReply
from echoreply.measure.report import Style, histogram, milliseconds, problems, reply_line, summary, wrong_line
from tests.measure.test_result import result


class SummaryTests(SynchronousTestCase):
    def test_it_has_counts_and_times(self) -> None:
        self.assertEqual(
            summary(result(lost=1, wrong=2, sent=1103)),
            [
                "1,103 sent, 100 answered, 1 lost, 2 wrong",
                "50.0 replies per second, over 2.000 s",
                "ms: min 0.100, median 0.100, mean 0.230",
                "ms: p90 0.100, p99 1.000, p99.9 5.003, max 5.003",
            ],
        )

    def test_a_message_at_a_time_has_no_rate(self) -> None:
        self.assertEqual(
            summary(result({}, settings={"interval": 1.0}, sent=2, in_flight=2)),
            ["2 sent, 0 answered, 0 lost, 0 wrong, 2 in flight"],
        )

    def test_times_have_the_digits_that_mean_something(self) -> None:
        self.assertEqual([milliseconds(us) for us in (1, 9_999, 12_345, 123_456)], ["0.001", "9.999", "12.35", "123"])
        self.assertEqual(milliseconds(3_600_000_000), "3,600,000")

    def test_a_reply_is_a_line(self) -> None:
        self.assertEqual(reply_line(7, 0.000214, "127.0.0.1:8088"), "reply 7 from 127.0.0.1:8088: 0.214 ms")


class FaultTests(SynchronousTestCase):
    def test_without_one_there_is_nothing_to_say(self) -> None:
        self.assertEqual(problems(result()), [])

    def test_bytes_are_escaped_and_shortened(self) -> None:
        wrong = WrongReply(b"1\n", b"\x1b[2J" + b"x" * 1000, "differs")
        self.assertEqual(
            wrong_line(wrong),
            'wrong reply (differs): sent "1\\n", received "\\x1b[2J' + "x" * 252 + '"... (1004 bytes)',
        )
        self.assertEqual(wrong_line(WrongReply(b"", b"x", "unsolicited")), 'wrong reply (unsolicited): received "x"')

    def test_each_kind_of_problem_has_a_line(self) -> None:
        wrong = WrongReply(b"1\n", b"2\n", "differs")
        lines = problems(result(first_wrong=wrong, first_lost=b"3\n", unsent=5, cpu=0.97))
        self.assertEqual(
            [line[:42] for line in lines],
            [
                'first wrong reply (differs): sent "1\\n", r',
                'first lost reply: sent "3\\n", received not',
                "the rate was not reached: 5 messages were ",
                "the load generator used 97% of a core: it ",
            ],
        )


class HistogramTests(SynchronousTestCase):
    def test_a_line_is_a_range_of_times(self) -> None:
        lines = histogram(result(), Style(54))
        self.assertEqual(lines[0], "   0.100 -    0.150 ms   90.000%  " + "█" * 19)
        self.assertEqual(lines[-1], "   5.000 -    7.000 ms    1.000%  ▎")
        self.assertEqual(len(lines), 11)
        self.assertTrue(all(len(line) < 54 for line in lines))

    def test_without_blocks_it_is_drawn_in_ascii(self) -> None:
        lines = histogram(result(), Style(39, blocks=False))
        self.assertEqual(lines[0][-9:], "00%  ####")
        self.assertTrue(all(line.isascii() for line in lines))

    def test_without_a_reply_there_is_none(self) -> None:
        self.assertEqual(histogram(result({}), Style()), [])

    def test_the_fastest_and_the_slowest_have_their_place(self) -> None:
        lines = histogram(result({1: 1, 3_600_000_000: 1}), Style())
        self.assertIn("0.001 ", lines[0])
        self.assertIn("3,000,000", lines[-1])
