"""
A clock with a limited number of readings in each window of time, for timing a sample of the messages.

Reading a clock for every message would take a twentieth of its CPU time.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

from twisted.internet.interfaces import IReactorTime

from echoreply.net.timer import Timer

SAMPLES = 250
"""Maximum readings in each window."""

WINDOW = 0.1
"""Seconds in a window."""


class SamplingClock:
    """
    A clock with a budget of L{SAMPLES} readings in each L{WINDOW}.

    @param clock: schedules the windows, such as the reactor.
    @ivar now: the clock that is read, in seconds. Calling it directly does not use the budget.
    @ivar remaining: readings left in this window. Callers of C{sample} check it first.
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
