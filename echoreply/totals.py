"""What there has been of connections, messages and bytes: sums, which can be added."""

from __future__ import annotations

from collections import Counter
from typing import Self

from attrs import Factory, define, fields

from echoreply.histogram import Histogram
from echoreply.reasons import CloseReason, DropReason


@define
class Totals:
    """
    What an operator asks first.

    @ivar accepted: connections that were taken.
    @ivar refusals: how many were not, by reason.
    @ivar failures: how many clients and the server did not understand each other, by the layer, such as C{TLS}.
    @ivar endings: how many connections of those accepted have ended, by reason.
    @ivar drops: how many datagrams were not answered, by reason.
    @ivar messages: how many were answered.
    @ivar received: bytes that were read.
    @ivar sent: bytes of replies that were handed to transports or, as datagrams, to the kernel.
    @ivar service: how long messages took, from when they were complete until their reply was written. Empty if nobody
        has looked.
    """

    accepted: int = 0
    refusals: Counter[CloseReason] = Factory(Counter)
    failures: Counter[str] = Factory(Counter)
    endings: Counter[CloseReason] = Factory(Counter)
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
