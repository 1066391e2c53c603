"""How often something took how long, in steps that are known beforehand: a Prometheus histogram's numbers."""

from __future__ import annotations

from bisect import bisect_left
from typing import Self

BOUNDS = (
    *(0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005),
    *(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
"""Seconds: each bucket has what took at most so long, and more than the one before; the last of all has no bound."""


class Histogram:
    """
    How often something took how long.

    @ivar buckets: how often, for each of L{BOUNDS}, and for what took longer.
    @ivar seconds: all of it.
    """

    __slots__ = ("buckets", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0

    def observe(self, seconds: float, times: int = 1) -> None:
        """Count what took so long, so many times."""
        self.buckets[bisect_left(BOUNDS, seconds)] += times
        self.seconds += seconds * times

    def __add__(self, other: Self) -> Self:
        both = type(self)()
        both.buckets = [one + more for one, more in zip(self.buckets, other.buckets, strict=True)]
        both.seconds = self.seconds + other.seconds
        return both
