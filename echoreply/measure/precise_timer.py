"""
Timers more precise than the reactor's, for sending messages when they are due.

The timers of an event loop are up to a millisecond late, the unit of epoll_wait(2) and similar calls. Latency counts
from when messages are due, so that would be most of the measured latency. Linux has timers that are file descriptors,
timerfd_create(2), and precise to about 0.05 ms.
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


class ReactorTimer:
    """
    A one-shot timer of the reactor.

    @param callback: called when the time is up.
    @ivar armed: whether the timer is set.
    """

    def __init__(self, clock: IReactorTime, callback: Callable[[], object]) -> None:
        self._clock = clock
        self._callback = callback
        self._call: IDelayedCall | None = None
        self.armed = False

    def set(self, seconds: float) -> None:
        """Start the timer, unless it is running already."""
        if not self.armed:
            self.armed = True
            self._call = self._clock.callLater(max(0, seconds), self._expired)

    def stop(self) -> None:
        """Cancel the timer."""
        if self._call and self.armed:
            self._call.cancel()
        self.armed = False

    def _expired(self) -> None:
        self.armed = False
        self._callback()


@implementer(IReadDescriptor)
class TimerfdTimer:
    """
    A one-shot timer of Linux, with the interface of L{ReactorTimer}.

    @param callback: called when the time is up.
    @raise OSError: the system has no such timers, or none is left.
    """

    def __init__(self, reactor: IReactorFDSet, callback: Callable[[], object]) -> None:
        self._reactor = reactor
        self._callback = callback
        self.armed = False
        if sys.platform != "linux":
            raise OSError("timerfd_create exists on Linux only")
        # Python's os module has timerfd_create from 3.13.
        self._library: Any = ctypes.CDLL(None, use_errno=True)
        self._descriptor: int = self._library.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        reactor.addReader(self)

    def set(self, seconds: float) -> None:
        """Start the timer, unless it is running already."""
        if not self.armed:
            self.armed = True
            # Zero would disarm it.
            whole, nanoseconds = divmod(max(1, int(seconds * 1e9)), 1_000_000_000)
            self._library.timerfd_settime(self._descriptor, 0, struct.pack("@4l", 0, 0, whole, nanoseconds), None)

    def stop(self) -> None:
        """Cancel the timer."""
        if self._descriptor >= 0:
            self._reactor.removeReader(self)
            os.close(self._descriptor)
            self._descriptor = -1
        self.armed = False

    # Called by the reactor.

    def fileno(self) -> int:
        return self._descriptor

    def logPrefix(self) -> str:
        return "timer"

    def doRead(self) -> None:
        try:
            os.read(self._descriptor, 8)
        except BlockingIOError:
            return
        self.armed = False
        self._callback()

    def connectionLost(self, reason: Failure) -> None:
        pass


def precise_timer(reactor: IReactorTime, callback: Callable[[], object]) -> ReactorTimer | TimerfdTimer:
    """Return the most precise timer that the system has."""
    if IReactorFDSet.providedBy(reactor):
        try:
            return TimerfdTimer(reactor, callback)
        except (OSError, AttributeError):
            pass
    return ReactorTimer(reactor, callback)
