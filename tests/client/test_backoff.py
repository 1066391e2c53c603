"""Waits between attempts to connect."""

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from echoreply.client.backoff import FIRST_WAIT, MAX_WAIT, MIN_WAIT, STABLE_AFTER, Backoff


class Most(Random):
    """Returns the upper bound of each wait."""

    def uniform(self, a: float, b: float) -> float:
        return b


class BackoffTests(SynchronousTestCase):
    def test_the_most_that_a_wait_can_be_doubles_up_to_half_a_minute(self) -> None:
        backoff = Backoff(Most())
        self.assertEqual([backoff.next() for _ in range(9)], [0.5, 1, 2, 4, 8, 16, 30, 30, 30])

    def test_every_wait_is_chance_within_bounds(self) -> None:
        seen = set()
        for seed in range(100):
            backoff = Backoff(Random(seed))
            most = FIRST_WAIT
            for _ in range(10):
                wait = backoff.next()
                self.assertTrue(MIN_WAIT <= wait <= most)
                most = min(2 * most, MAX_WAIT)
            seen.add(wait)
        self.assertEqual(len(seen), 100)
        self.assertTrue(min(seen) < MAX_WAIT / 4 and max(seen) > MAX_WAIT * 3 / 4)

    def test_after_a_stable_connection_waits_start_short_again(self) -> None:
        backoff = Backoff(Most())
        for _ in range(5):
            backoff.next()
        backoff.connection_lost(STABLE_AFTER - 0.1)
        self.assertEqual(backoff.next(), 16)
        backoff.connection_lost(STABLE_AFTER)
        self.assertEqual(backoff.next(), FIRST_WAIT)
