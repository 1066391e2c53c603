"""When messages are due."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from echoreply.measure.schedule import ConstantRate, Interval, Schedule, Unlimited


def taken(schedule: Schedule, now: float) -> list[float]:
    """Take all that is due."""
    dues = []
    while (due := schedule.take(now)) is not None:
        dues.append(due)
    return dues


class UnlimitedTests(SynchronousTestCase):
    def test_it_is_always_time_until_all_are_taken(self) -> None:
        schedule = Unlimited(3)
        schedule.start(5.0)
        self.assertEqual(taken(schedule, 7.0), [7.0, 7.0, 7.0])
        self.assertTrue(schedule.over)
        self.assertEqual((schedule.taken, schedule.untaken, schedule.next_due()), (3, 0, None))

    def test_once_closed_there_are_no_more(self) -> None:
        schedule = Unlimited()
        self.assertEqual(schedule.take(1.0), 1.0)
        self.assertFalse(schedule.over)
        schedule.close(1.0)
        self.assertTrue(schedule.over)
        self.assertIsNone(schedule.take(1.0))


class ConstantRateTests(SynchronousTestCase):
    def test_messages_are_due_at_equal_distances_however_late_they_are_taken(self) -> None:
        schedule = ConstantRate(4)
        schedule.start(10.0)
        self.assertEqual(taken(schedule, 10.0), [10.0])
        self.assertEqual(schedule.next_due(), 10.25)
        self.assertEqual(taken(schedule, 10.2), [])
        self.assertEqual(taken(schedule, 11.1), [10.25, 10.5, 10.75, 11.0])

    def test_it_ends_after_a_count(self) -> None:
        schedule = ConstantRate(10, count=2)
        schedule.start(0.0)
        self.assertEqual(len(taken(schedule, 100.0)), 2)
        self.assertTrue(schedule.over)
        self.assertIsNone(schedule.next_due())

    @given(st.floats(0.01, 1e6), st.integers(1, 10_000))
    def test_it_ends_after_a_duration(self, rate: float, messages: int) -> None:
        schedule = ConstantRate(rate, duration=messages / rate)
        schedule.start(0.0)
        self.assertEqual(len(taken(schedule, 1e12)), messages)

    def test_messages_that_were_due_and_not_taken_are_counted(self) -> None:
        schedule = ConstantRate(10, duration=1.0)
        schedule.start(0.0)
        for _ in range(3):
            schedule.take(0.5)
        schedule.close(1.0)
        self.assertEqual((schedule.taken, schedule.untaken), (3, 7))
        self.assertTrue(schedule.over)

    def test_closed_early_it_counts_only_due_messages_as_untaken(self) -> None:
        schedule = ConstantRate(1)
        schedule.start(0.0)
        taken(schedule, 2.5)
        schedule.close(2.5)
        self.assertEqual((schedule.taken, schedule.untaken), (3, 0))


class IntervalTests(SynchronousTestCase):
    def test_times_are_counted_from_when_messages_are_sent(self) -> None:
        schedule = Interval(1, 2)
        schedule.start(0.0)
        self.assertEqual(schedule.take(0.1), 0.1)
        self.assertIsNone(schedule.take(0.9))
        self.assertEqual(schedule.take(1.2), 1.2)
        self.assertTrue(schedule.over)
