"""What a run measures while it sends."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from echoreply.measure.measurements import MAX_LATENCY, MAX_SAMPLES, Measurements, coarse, new_histogram


class TimesTests(SynchronousTestCase):
    @given(st.integers(0, 2 * MAX_LATENCY))
    def test_rounding_makes_no_difference_to_the_histogram(self, microseconds: int) -> None:
        exact, rounded = new_histogram(), new_histogram()
        self.assertTrue(rounded.record_value(coarse(microseconds)))
        exact.record_value(min(microseconds, MAX_LATENCY))
        self.assertEqual(exact.get_value_at_percentile(50), rounded.get_value_at_percentile(50))

    def test_few_different_times_are_counted_however_slow_replies_are(self) -> None:
        self.assertLess(len({coarse(microseconds) for microseconds in range(0, 60_000_000, 13)}), 130_000)


class SamplesTests(SynchronousTestCase):
    def test_they_are_bounded_and_at_equal_distances(self) -> None:
        measurements = Measurements()
        for tick in range(1, 100_001):
            measurements.answered = tick
            measurements.sample(tick / 10)
        times = [seconds for seconds, _ in measurements.samples]
        self.assertLessEqual(len(times), MAX_SAMPLES)
        self.assertGreaterEqual(len(times), MAX_SAMPLES // 2 - 1)
        distances = {round(after - before, 6) for before, after in pairwise(times)}
        self.assertEqual(len(distances), 1)
