"""
The measurements of a run: counts, latencies, throughput over time, and the first wrong reply.

Latencies are counted in a dict, which takes a tenth of the time that HdrHistogram needs to record one. At the end they
are moved to a histogram of HdrHistogram. They are rounded no more than it would round them.
"""

from __future__ import annotations

from collections import defaultdict

from attrs import frozen
from hdrh.histogram import HdrHistogram

MAX_LATENCY = 3_600_000_000
"""Maximum latency in a histogram, in microseconds: an hour."""

DIGITS = 3
"""Significant digits that a histogram keeps."""

MAX_SAMPLES = 600
"""Maximum samples of throughput. When there are more, every second one is dropped."""


def coarse(microseconds: int) -> int:
    """Round a latency down to the resolution of the histogram, to limit the number of different values."""
    if microseconds < 1 << 14:
        return microseconds
    if microseconds < 1 << 20:
        return microseconds & -(1 << 4)
    return min(microseconds & -(1 << 10), MAX_LATENCY)


@frozen
class WrongReply:
    """
    A reply that is not the expected one.

    @ivar sent: the message; empty if there was none.
    @ivar received: the reply.
    @ivar reason: what is wrong, for the user: C{differs}, C{out of order}, C{duplicate} or C{unsolicited}.
    """

    sent: bytes
    received: bytes
    reason: str


class Measurements:
    """
    The measurements of one run, which its connections add to.

    @ivar answered: the number of correct replies.
    @ivar wrong: the number of wrong replies.
    @ivar latencies: the number of correct replies by latency in microseconds, rounded by L{coarse}.
    @ivar last_reply: when the last correct reply arrived, by the reactor's clock.
    @ivar first_wrong: the first wrong reply.
    @ivar samples: throughput over time, as pairs of the seconds since the start and C{answered} at that time.
    """

    __slots__ = ("_every", "_ticks", "answered", "first_wrong", "last_reply", "latencies", "samples", "wrong")

    def __init__(self) -> None:
        self.answered = 0
        self.wrong = 0
        self.latencies: defaultdict[int, int] = defaultdict(int)
        self.last_reply = 0.0
        self.first_wrong: WrongReply | None = None
        self.samples: list[tuple[float, int]] = []
        self._ticks = 0
        self._every = 1

    def record_wrong(self, reply: WrongReply) -> None:
        """Count a wrong reply, and keep the first."""
        self.wrong += 1
        self.first_wrong = self.first_wrong or reply

    def sample(self, seconds: float) -> None:
        """Add a sample of throughput, C{seconds} after the start."""
        self._ticks += 1
        if self._ticks % self._every:
            return
        self.samples.append((round(seconds, 6), self.answered))
        if len(self.samples) > MAX_SAMPLES:
            del self.samples[::2]
            self._every *= 2

    def histogram(self) -> HdrHistogram:
        """Return the latencies as a histogram, in microseconds."""
        histogram = new_histogram()
        for microseconds, count in self.latencies.items():
            histogram.record_value(max(1, microseconds), count)
        return histogram


def new_histogram() -> HdrHistogram:
    """Return an empty histogram for microseconds."""
    return HdrHistogram(1, MAX_LATENCY, DIGITS)
