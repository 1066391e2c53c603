"""How long the client waits before it connects again: times that grow, with jitter."""

from __future__ import annotations

from random import Random

MIN_WAIT = 0.1
FIRST_WAIT = 0.5
MAX_WAIT = 30.0
"""Seconds: the lower bound of every wait, the upper bound of the first wait, and the upper bound of any wait."""

STABLE_AFTER = 5.0
"""Seconds after which a connection counts as stable: when it is lost, waits start short again."""


class Backoff:
    """
    Chooses waits whose upper bound doubles from one to the next.

    The wait itself is random, so that many clients of a server that was down do not come back at the same moment.

    @param random: the source of randomness.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self._bound = FIRST_WAIT

    def next(self) -> float:
        """Return the seconds to wait before the next attempt."""
        wait = self._random.uniform(MIN_WAIT, self._bound)
        self._bound = min(2 * self._bound, MAX_WAIT)
        return wait

    def connection_lost(self, lifetime: float) -> None:
        """Start again with short waits if the connection that was lost had lasted long enough."""
        if lifetime >= STABLE_AFTER:
            self._bound = FIRST_WAIT
