"""Event loop lag: the time that due events have to wait because the loop is busy."""

from __future__ import annotations

from collections.abc import Callable

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from echoreply.net.timer import Timer

INTERVAL = 0.1
"""Seconds between two measurements."""


class LoopLag(Service):
    """
    Measures the lag of an event loop ten times a second, by how late a timer fires.

    @param clock: the reactor whose loop is measured.
    @param now: a monotonic clock, in seconds.
    @param record: called with each lag, in seconds.
    """

    def __init__(self, clock: IReactorTime, now: Callable[[], float], record: Callable[[float], object]) -> None:
        self._timer = Timer(clock, INTERVAL, self._measure)
        self._now = now
        self._record = record
        self._due = 0.0

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        self._start_timer()

    def stopService(self) -> Deferred[None] | None:
        self._timer.stop()
        return super().stopService()  # type: ignore[no-untyped-call, no-any-return]

    def _start_timer(self) -> None:
        self._due = self._now() + INTERVAL
        self._timer.start()

    def _measure(self) -> None:
        # A timer can fire early, by up to the clock's resolution.
        self._record(max(self._now() - self._due, 0.0))
        self._start_timer()
