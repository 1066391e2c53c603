"""A timer that is started over and over."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime


class Timer:
    """
    Calls C{expired} when C{seconds} have passed since it was last started, unless it was stopped.

    @param clock: where time comes from.
    """

    __slots__ = ("_call", "_clock", "_expired", "_seconds")

    def __init__(self, clock: IReactorTime, seconds: float, expired: Callable[[], object]) -> None:
        self._clock = clock
        self._seconds = seconds
        self._expired = expired
        self._call: IDelayedCall | None = None

    def start(self) -> None:
        """Begin to count, or begin again."""
        if self._call:
            self._call.reset(self._seconds)
        else:
            self._call = self._clock.callLater(self._seconds, self._expire)

    def stop(self) -> None:
        """Stop counting, if it was."""
        if self._call:
            self._call.cancel()
            self._call = None

    def _expire(self) -> None:
        self._call = None
        self._expired()
