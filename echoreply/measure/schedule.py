"""When messages are due. Times are seconds of any clock."""

from __future__ import annotations

from math import ceil
from sys import maxsize
from typing import Protocol


class Schedule(Protocol):
    """
    When messages are due.

    @ivar taken: how many have been taken.
    """

    taken: int

    def begin(self, now: float) -> None:
        """Begin now."""

    def take(self, now: float) -> float | None:
        """Take the next message, if there is one yet; give the time from which its reply's time is counted."""

    def next_due(self) -> float | None:
        """Say when the next will be due, if that is known, and there will be one."""

    def close(self, now: float) -> None:
        """Have no more messages due from now on."""

    @property
    def over(self) -> bool:
        """Whether there will be no more."""

    @property
    def untaken(self) -> int:
        """How many were due when it was closed, and have not been taken."""


class Flood:
    """
    Messages that are due as soon as there is room for them.

    @param count: how many there are; None is no limit.
    """

    untaken = 0

    def __init__(self, count: int | None = None) -> None:
        self.taken = 0
        self._count = maxsize if count is None else count

    def begin(self, now: float) -> None:
        """Do nothing: it is always time."""

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


class Steady:
    """
    Messages that are due at equal distances, whether there is room for them or not.

    A reply's time is counted from when its message was due. Were it counted from when it was sent, a server that
    stalls would be asked less just then, and would look better than it is: that is coordinated omission,
    U{as wrk2 explains it<https://github.com/giltene/wrk2>}.

    @param rate: how many a second.
    @param count: how many there are; None is no limit.
    @param duration: for how many seconds they are due; None is no limit.
    """

    def __init__(self, rate: float, count: int | None = None, duration: float | None = None) -> None:
        self.taken = 0
        self.untaken = 0
        self._rate = rate
        self._begun = 0.0
        self._count = maxsize if count is None else count
        if duration is not None:
            # Less what multiplying rounds.
            self._count = min(self._count, ceil(rate * duration - 1e-6))

    def begin(self, now: float) -> None:
        self._begun = now

    def take(self, now: float) -> float | None:
        due = self._begun + self.taken / self._rate
        if due > now or self.taken >= self._count:
            return None
        self.taken += 1
        return due

    def next_due(self) -> float | None:
        return None if self.over else self._begun + self.taken / self._rate

    def close(self, now: float) -> None:
        due = min(self._count, ceil((now - self._begun) * self._rate - 1e-6))
        self.untaken = max(0, due - self.taken)
        self._count = self.taken

    @property
    def over(self) -> bool:
        return self.taken >= self._count


class Spaced(Steady):
    """Messages at equal distances, whose replies' times are counted from when they are sent, as ping's are."""

    def take(self, now: float) -> float | None:
        return None if super().take(now) is None else now
