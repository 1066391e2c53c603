"""By how much an event loop is late: how long whoever has something to do waits for others to be done."""

from __future__ import annotations

from collections.abc import Callable

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from echoreply.net.timer import Timer

INTERVAL = 0.1
"""Seconds between looks."""


class LoopLag(Service):
    """
    Looks ten times a second whether it is called when it should be.

    @param clock: the reactor whose loop it is.
    @param now: gives seconds since whenever.
    @param lagged: is told each time by how many seconds it was called too late.
    """

    def __init__(self, clock: IReactorTime, now: Callable[[], float], lagged: Callable[[float], object]) -> None:
        self._timer = Timer(clock, INTERVAL, self._called)
        self._now = now
        self._lagged = lagged
        self._due = 0.0

    def startService(self) -> None:
        """Look from now on."""
        super().startService()  # type: ignore[no-untyped-call]
        self._wait()

    def stopService(self) -> Deferred[None] | None:
        """Look no longer."""
        self._timer.stop()
        return super().stopService()  # type: ignore[no-untyped-call, no-any-return]

    def _wait(self) -> None:
        self._due = self._now() + INTERVAL
        self._timer.start()

    def _called(self) -> None:
        # A timer may be early by the clock's resolution.
        self._lagged(max(self._now() - self._due, 0.0))
        self._wait()
