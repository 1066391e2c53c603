"""A clock at which so many looks a second are taken that nobody notices: to time a reply is a twentieth of it."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

from twisted.internet.interfaces import IReactorTime

from echoreply.net.timer import Timer

LOOKS = 250
"""How often it is looked at, at most, within one C{WINDOW}."""

WINDOW = 0.1
"""Seconds."""


class SamplingClock:
    """
    Tells the time to whoever wants to know how long something took.

    @param clock: whose time the windows are of, such as the reactor.
    @ivar now: gives seconds since whenever.
    @ivar left: how often it may be looked at yet in this window.
    """

    __slots__ = ("_window", "left", "now")

    def __init__(self, clock: IReactorTime, now: Callable[[], float] = perf_counter) -> None:
        self.now = now
        self.left = LOOKS
        self._window = Timer(clock, WINDOW, self._open)

    def look(self) -> float:
        """Give the time. Whoever looks asks first whether there is a look left."""
        if self.left == LOOKS:
            self._window.start()
        self.left -= 1
        return self.now()

    def _open(self) -> None:
        self.left = LOOKS
