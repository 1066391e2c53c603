"""
What came of the messages: counts, times, and the first reply that was wrong.

While messages are on their way, times are counted in a dict, which costs a tenth of what HdrHistogram takes to record
one. At the end they go into its histogram, with nothing lost that it would have kept.
"""

from __future__ import annotations

from collections import defaultdict

from attrs import frozen
from hdrh.histogram import HdrHistogram

LONGEST_TIME = 3_600_000_000
"""Microseconds that a histogram takes, at most: an hour."""

DIGITS = 3
"""Significant digits that a histogram keeps."""


MOST_SAMPLES = 600
"""Points of throughput over time that are kept: twice as far apart whenever there are more."""


def coarse(microseconds: int) -> int:
    """Round down as far as a histogram of three digits does, so that few different times are counted."""
    if microseconds < 1 << 14:
        return microseconds
    if microseconds < 1 << 20:
        return microseconds & -(1 << 4)
    return min(microseconds & -(1 << 10), LONGEST_TIME)


@frozen
class Wrong:
    """
    A reply that is not what was asked for.

    @ivar asked: the message; empty if there was none.
    @ivar came: the reply; empty if there was none.
    @ivar why: says for people what is wrong.
    """

    asked: bytes
    came: bytes
    why: str


class Recording:
    """
    What is counted while messages are on their way.

    @ivar answered: replies that came, and were right.
    @ivar wrong: replies that were not.
    @ivar times: how many right replies took so many microseconds, L{coarse}.
    @ivar last: when the last right reply came, by the clock that the times are of.
    @ivar first_wrong: the first reply that was wrong.
    @ivar samples: throughput over time: seconds since the beginning, and how many replies had come.
    """

    __slots__ = ("_every", "_looks", "answered", "first_wrong", "last", "samples", "times", "wrong")

    def __init__(self) -> None:
        self.answered = 0
        self.wrong = 0
        self.times: defaultdict[int, int] = defaultdict(int)
        self.last = 0.0
        self.first_wrong: Wrong | None = None
        self.samples: list[tuple[float, int]] = []
        self._looks = 0
        self._every = 1

    def take_wrong(self, wrong: Wrong) -> None:
        """Count a wrong reply."""
        self.wrong += 1
        self.first_wrong = self.first_wrong or wrong

    def sample(self, seconds: float) -> None:
        """Note how many replies have come so many seconds after the beginning."""
        self._looks += 1
        if self._looks % self._every:
            return
        self.samples.append((round(seconds, 6), self.answered))
        if len(self.samples) > MOST_SAMPLES:
            del self.samples[::2]
            self._every *= 2

    def histogram(self) -> HdrHistogram:
        """Give the times as a histogram, in microseconds."""
        histogram = new_histogram()
        for microseconds, count in self.times.items():
            histogram.record_value(max(1, microseconds), count)
        return histogram


def new_histogram() -> HdrHistogram:
    """Give an empty histogram, of microseconds."""
    return HdrHistogram(1, LONGEST_TIME, DIGITS)
