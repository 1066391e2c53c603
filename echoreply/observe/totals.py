"""The totals of a server, which can be added up: connections, messages, bytes, and a histogram of durations."""

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
"""The upper bounds of a histogram's buckets, in seconds, each inclusive. One more bucket, the last, has no bound."""


class Histogram:
    """
    A histogram of durations, in seconds.

    @ivar buckets: the number of durations in each bucket: one for each of L{BOUNDS}, and one for longer durations.
    @ivar seconds: the sum of all durations.
    """

    __slots__ = ("buckets", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0

    def observe(self, seconds: float, times: int = 1) -> None:
        """Count a duration, once or several times."""
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
    The totals of a server, or of one of its listeners, since the server was started.

    @ivar accepted: connections accepted.
    @ivar refusals: connections refused, by reason.
    @ivar failures: failures of a layer below the messages, such as TLS handshakes, by layer.
    @ivar endings: accepted connections that have ended, by reason.
    @ivar drops: datagrams not answered, by reason.
    @ivar messages: messages answered, datagrams included.
    @ivar received: bytes read.
    @ivar sent: bytes of replies handed to transports or, as datagrams, to the kernel.
    @ivar service: the service time of messages: from when they were complete until their replies were written. Empty
        without a sampling clock.
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
        """Accepted connections that have not ended."""
        return self.accepted - self.endings.total()

    def __add__(self, other: Self) -> Self:
        names = [field.name for field in fields(type(self))]
        return type(self)(**{name: getattr(self, name) + getattr(other, name) for name in names})
