"""Totals and histograms."""

from twisted.trial.unittest import SynchronousTestCase

from echoreply.observe.totals import BOUNDS, Histogram


def counted(histogram: Histogram) -> dict[float | None, int]:
    """Return the counts of the buckets that are not empty, by their bounds; that of the last one by C{None}."""
    return {bound: times for bound, times in zip([*BOUNDS, None], histogram.buckets, strict=True) if times}


class HistogramTests(SynchronousTestCase):
    def test_bucket_bounds_are_inclusive(self) -> None:
        histogram = Histogram()
        for seconds in (0.0, 0.001, 0.0011, 10.0, 10.1):
            histogram.observe(seconds)
        histogram.observe(0.5, 3)
        self.assertEqual(counted(histogram), {0.000_01: 1, 0.001: 1, 0.0025: 1, 0.5: 3, 10.0: 1, None: 1})
        self.assertAlmostEqual(histogram.seconds, 21.6021)
