"""A timer that can be restarted and stopped at little cost."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime


class Timer:
    """
    Calls C{expired} C{seconds} after its last start, unless it is stopped before.

    @param clock: schedules the call, such as the reactor.
    """

    __slots__ = ("_call", "_clock", "_expired", "_seconds")

    def __init__(self, clock: IReactorTime, seconds: float, expired: Callable[[], object]) -> None:
        self._clock = clock
        self._seconds = seconds
        self._expired = expired
        self._call: IDelayedCall | None = None

    def start(self) -> None:
        """Start the timer, or restart it if it is running."""
        if self._call:
            self._call.reset(self._seconds)
        else:
            self._call = self._clock.callLater(self._seconds, self._expire)

    def stop(self) -> None:
        """Stop the timer if it is running."""
        if self._call:
            self._call.cancel()
            self._call = None

    def _expire(self) -> None:
        self._call = None
        self._expired()
