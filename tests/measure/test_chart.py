"""Results as a picture."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import skipUnless

from twisted.trial.unittest import SynchronousTestCase

from echoreply.measure.chart import draw, nine, over_time, percentiles
from tests.measure.test_result import result

try:
    import matplotlib
except ImportError:
    matplotlib = None  # type: ignore[assignment]


class LinesTests(SynchronousTestCase):
    def test_each_nine_is_as_far_away_as_the_one_before(self) -> None:
        self.assertEqual([round(nine(percentile), 6) for percentile in (0, 90, 99, 99.9)], [0, 1, 2, 3])

    def test_times_by_percentile_end_with_the_slowest(self) -> None:
        places, milliseconds = percentiles(result())
        self.assertEqual((places[0], milliseconds[0]), (0.0, 0.1))
        self.assertEqual((round(places[-1], 6), milliseconds[-1]), (2.0, 1.0))
        self.assertEqual(milliseconds, sorted(milliseconds))

    def test_few_replies_are_a_short_line(self) -> None:
        self.assertEqual(percentiles(result({}))[0], [])
        self.assertEqual(set(percentiles(result({7: 1}))[0]), {0.0})

    def test_throughput_is_that_since_the_time_before(self) -> None:
        self.assertEqual(over_time(result(throughput=[(1.0, 10), (1.0, 10), (1.5, 30)])), ([1.0, 1.5], [10.0, 40.0]))


@skipUnless(matplotlib, "matplotlib is not installed")
class PictureTests(SynchronousTestCase):
    def drawn(self, *results: object) -> str:
        target = Path(self.enterContext(TemporaryDirectory())) / "chart.svg"
        draw([(f"run {number}", one) for number, one in enumerate(results)], target)  # type: ignore[misc]
        return target.read_text(encoding="utf-8")

    def test_the_same_result_makes_the_same_picture(self) -> None:
        self.assertEqual(self.drawn(result()), self.drawn(result()))

    def test_two_runs_are_in_one_picture_by_their_names(self) -> None:
        picture = self.drawn(result(), result({50: 7}))
        for text in ("run 0", "run 1", "99 %", "replies per second"):
            self.assertIn(text, picture)

    def test_a_run_without_a_reply_can_be_drawn(self) -> None:
        self.assertIn("<svg", self.drawn(result({}, throughput=[], answered=0)))
