"""How long to wait before the next attempt to connect."""

from __future__ import annotations

from random import Random

SHORTEST = 0.1
FIRST = 0.5
LONGEST = 30.0
"""Seconds: the least of any wait, the most of the first one, and the most of any."""


class Backoff:
    """
    Waits that grow.

    The most that a wait can be doubles from one to the next. How long it is, is left to chance, so that many clients of
    a server that was away do not come back at the same moment.

    @param random: where chance comes from.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self._most = FIRST

    def next(self) -> float:
        """Give the seconds to wait before the next attempt."""
        wait = self._random.uniform(SHORTEST, self._most)
        self._most = min(2 * self._most, LONGEST)
        return wait

    def reset(self) -> None:
        """Begin again with a short wait: there was a connection that held."""
        self._most = FIRST
