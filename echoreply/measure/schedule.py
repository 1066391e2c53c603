"""Schedules, which decide when messages are due. Times are seconds of the reactor's clock."""

from __future__ import annotations

from math import ceil
from sys import maxsize
from typing import Protocol


class Schedule(Protocol):
    """
    Decides when messages are due.

    @ivar taken: the number of messages that have been taken.
    """

    taken: int

    def start(self, now: float) -> None:
        """Start the schedule."""

    def take(self, now: float) -> float | None:
        """Take the next message if one is due; return the time from which its latency counts, or C{None}."""

    def next_due(self) -> float | None:
        """Return when the next message is due; C{None} if there is none, or if it is due as soon as it can be sent."""

    def close(self, now: float) -> None:
        """End the schedule: no more messages become due."""

    @property
    def over(self) -> bool:
        """Whether all messages have been taken."""

    @property
    def untaken(self) -> int:
        """The number of messages that were due and not taken when the schedule was closed."""


class Unlimited:
    """
    Messages that are due as soon as they can be sent.

    @param count: the number of messages; C{None} sets no limit.
    """

    untaken = 0

    def __init__(self, count: int | None = None) -> None:
        self.taken = 0
        self._count = maxsize if count is None else count

    def start(self, now: float) -> None:
        pass

    def take(self, now: float) -> float | None:
        if self.taken >= self._count:
            return None
        self.taken += 1
        return now

    def next_due(self) -> float | None:
        return None

    def close(self, now: float) -> None:
        self._count = self.taken

    @property
    def over(self) -> bool:
        return self.taken >= self._count


class ConstantRate:
    """
    Messages that are due at equal intervals, whether they can be sent then or not.

    Latency counts from the time at which a message was due. If it counted from sending, a server that stalls would get
    fewer messages meanwhile, and seem better than it is: coordinated omission, which
    U{wrk2 explains<https://github.com/giltene/wrk2>}.

    @param rate: messages a second.
    @param count: the number of messages; None sets no limit.
    @param duration: seconds during which messages are due; None sets no limit.
    """

    def __init__(self, rate: float, count: int | None = None, duration: float | None = None) -> None:
        self.taken = 0
        self.untaken = 0
        self._rate = rate
        self._started = 0.0
        self._count = maxsize if count is None else count
        if duration is not None:
            # Tolerates the rounding error of the product.
            self._count = min(self._count, ceil(rate * duration - 1e-6))

    def start(self, now: float) -> None:
        self._started = now

    def take(self, now: float) -> float | None:
        due = self._started + self.taken / self._rate
        if due > now or self.taken >= self._count:
            return None
        self.taken += 1
        return due

    def next_due(self) -> float | None:
        return None if self.over else self._started + self.taken / self._rate

    def close(self, now: float) -> None:
        due = min(self._count, ceil((now - self._started) * self._rate - 1e-6))
        self.untaken = max(0, due - self.taken)
        self._count = self.taken

    @property
    def over(self) -> bool:
        return self.taken >= self._count


class Interval(ConstantRate):
    """Messages at equal intervals, whose latency counts from sending, as with ping."""

    def take(self, now: float) -> float | None:
        return None if super().take(now) is None else now
