"""
A clock that can be read only so often in each window of time.

Reading a clock for every message would take a twentieth of its CPU time. A sample of them shows their times too.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

from twisted.internet.interfaces import IReactorTime

from echoreply.net.timer import Timer

SAMPLES = 250
"""Readings in each window, at most."""

WINDOW = 0.1
"""Seconds."""


class SamplingClock:
    """
    A clock with a budget of L{SAMPLES} readings in each L{WINDOW}.

    @param clock: schedules the windows, such as the reactor.
    @ivar now: the clock that is read, in seconds. Calling it directly costs nothing of the budget.
    @ivar remaining: readings left in this window. Whoever calls L{sample} checks it first.
    """

    __slots__ = ("_window", "now", "remaining")

    def __init__(self, clock: IReactorTime, now: Callable[[], float] = perf_counter) -> None:
        self.now = now
        self.remaining = SAMPLES
        self._window = Timer(clock, WINDOW, self._refill)

    def sample(self) -> float:
        """Return the time, in seconds, and take one reading from the budget."""
        if self.remaining == SAMPLES:
            self._window.start()
        self.remaining -= 1
        return self.now()

    def _refill(self) -> None:
        self.remaining = SAMPLES
