"""What there has been of connections, messages and bytes: sums, which can be added."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import Self

from attrs import Factory, define, fields

from echoreply.core.reasons import DropReason, EndReason, RefusalReason
from echoreply.net.listener import Layer

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


@define
class Totals:
    """
    What an operator asks first.

    @ivar accepted: connections that were taken.
    @ivar refusals: how many were not, by reason.
    @ivar failures: how many clients and the server did not understand each other, by the layer.
    @ivar endings: how many connections of those accepted have ended, by reason.
    @ivar drops: how many datagrams were not answered, by reason.
    @ivar messages: how many were answered.
    @ivar received: bytes that were read.
    @ivar sent: bytes of replies that were handed to transports or, as datagrams, to the kernel.
    @ivar service: how long messages took, from when they were complete until their reply was written. Empty if nobody
        has looked.
    """

    accepted: int = 0
    refusals: Counter[RefusalReason] = Factory(Counter)
    failures: Counter[Layer] = Factory(Counter)
    endings: Counter[EndReason] = Factory(Counter)
    drops: Counter[DropReason] = Factory(Counter)
    messages: int = 0
    received: int = 0
    sent: int = 0
    service: Histogram = Factory(Histogram)

    @property
    def open(self) -> int:
        """How many connections have been accepted and have not ended."""
        return self.accepted - self.endings.total()

    def __add__(self, other: Self) -> Self:
        names = [field.name for field in fields(type(self))]
        return type(self)(**{name: getattr(self, name) + getattr(other, name) for name in names})
