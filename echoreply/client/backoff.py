"""Delays between attempts to connect: exponential backoff with jitter."""

from __future__ import annotations

from random import Random

MIN_WAIT = 0.1
FIRST_WAIT = 0.5
MAX_WAIT = 30.0
"""Seconds: the lower bound of all delays, the upper bound of the first one, and the upper bound of all."""

STABLE_AFTER = 5.0
"""Seconds after which a connection counts as stable: when it is lost, delays start short again."""


class Backoff:
    """
    Chooses delays whose upper bound doubles from one to the next.

    The delay itself is random, so that the clients of a server that was down do not all reconnect at the same time.

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
        """Start again with short delays if the lost connection was stable. C{lifetime} is in seconds."""
        if lifetime >= STABLE_AFTER:
            self._bound = FIRST_WAIT
