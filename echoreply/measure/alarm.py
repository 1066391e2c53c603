"""
An alarm clock.

An event loop's own timers ring up to a millisecond late, since that is the unit of epoll_wait(2) and its like. Were
replies' times counted from when their messages are due, that would be most of what is measured. On Linux a timer can
be a descriptor that is read when it is time: timerfd_create(2), right to some 0.05 ms.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorFDSet, IReactorTime, IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

_CLOCK_MONOTONIC = 1


class Alarm:
    """
    Calls C{ring} once, some time after it was set.

    @param clock: where time comes from.
    @ivar armed: whether it is set.
    """

    def __init__(self, clock: IReactorTime, ring: Callable[[], object]) -> None:
        self._clock = clock
        self._ring = ring
        self._call: IDelayedCall | None = None
        self.armed = False

    def set(self, seconds: float) -> None:
        """Ring in so many seconds, if it is not set already."""
        if not self.armed:
            self.armed = True
            self._call = self._clock.callLater(max(0, seconds), self._rings)

    def stop(self) -> None:
        """Ring no more."""
        if self._call and self.armed:
            self._call.cancel()
        self.armed = False

    def _rings(self) -> None:
        self.armed = False
        self._ring()


@implementer(IReadDescriptor)
class PreciseAlarm:
    """
    An L{Alarm} that rings in time.

    @raise OSError: this system has none.
    """

    def __init__(self, reactor: IReactorFDSet, ring: Callable[[], object]) -> None:
        self._reactor = reactor
        self._ring = ring
        self.armed = False
        if sys.platform != "linux":
            raise OSError("there is no timerfd_create")
        # Python has it from 3.13 only.
        self._library: Any = ctypes.CDLL(None, use_errno=True)
        self._descriptor: int = self._library.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        reactor.addReader(self)

    def set(self, seconds: float) -> None:
        """Ring in so many seconds, if it is not set already."""
        if not self.armed:
            self.armed = True
            # Zero would never ring.
            whole, nanoseconds = divmod(max(1, int(seconds * 1e9)), 1_000_000_000)
            self._library.timerfd_settime(self._descriptor, 0, struct.pack("@4l", 0, 0, whole, nanoseconds), None)

    def stop(self) -> None:
        """Ring no more."""
        if self._descriptor >= 0:
            self._reactor.removeReader(self)
            os.close(self._descriptor)
            self._descriptor = -1
        self.armed = False

    # What the reactor tells.

    def fileno(self) -> int:
        """Give its descriptor; -1 once it is stopped."""
        return self._descriptor

    def logPrefix(self) -> str:
        """Name it for a log."""
        return "alarm"

    def doRead(self) -> None:
        """Ring."""
        try:
            os.read(self._descriptor, 8)
        except BlockingIOError:
            return
        self.armed = False
        self._ring()

    def connectionLost(self, reason: Failure) -> None:
        """Do nothing: the reactor stops."""


def best_alarm(reactor: IReactorTime, ring: Callable[[], object]) -> Alarm | PreciseAlarm:
    """Give the best alarm that can be had."""
    if IReactorFDSet.providedBy(reactor):
        try:
            return PreciseAlarm(reactor, ring)
        except (OSError, AttributeError):
            pass
    return Alarm(reactor, ring)
