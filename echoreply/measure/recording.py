"""
What came of the messages: counts, times, and the first reply that was wrong.

While messages are on their way, times are counted in a dict, which costs a tenth of what HdrHistogram takes to record
one. At the end they go into its histogram, with nothing lost that it would have kept.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any, Self

from attrs import asdict, frozen
from hdrh.histogram import HdrHistogram

FORMAT = "echoreply-measure 1"
"""Names the format of a file, and its version."""

LONGEST_TIME = 3_600_000_000
"""Microseconds that a histogram takes, at most: an hour."""

DIGITS = 3
"""Significant digits that a histogram keeps."""

PERCENTILES = (50.0, 90.0, 99.0, 99.9)

BUSY = 0.95
"""The share of a core that is about all of it."""

BUSY_SECONDS = 0.5
"""A shorter run says nothing of that."""

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


@frozen
class Latency:
    """
    How long right replies took, in microseconds.

    @ivar percentiles: by percentile, such as 99.9.
    """

    minimum: float
    mean: float
    maximum: float
    percentiles: dict[float, float]

    def members(self) -> dict[str, float]:
        """Give it as a file has it."""
        return {
            "min": self.minimum,
            "mean": round(self.mean, 3),
            **{f"p{percentile:g}": value for percentile, value in self.percentiles.items()},
            "max": self.maximum,
        }


@frozen(eq=False)
class Result:
    """
    What a run gave.

    @ivar target: says where the server is, for people.
    @ivar began: when, as ISO 8601 has it.
    @ivar settings: what was asked for, by the names of options; for people, and for other programs.
    @ivar seconds: from the first message to the last right reply, or to the end of asking if that was later.
    @ivar sent: messages.
    @ivar answered: replies that came, and were right.
    @ivar lost: messages to which nothing came.
    @ivar wrong: replies that were not right.
    @ivar on_their_way: messages whose replies were not waited for, since a person ended the run.
    @ivar unsent: messages that were due and could not be sent, since their server was too slow.
    @ivar cpu: how much of a core was used to measure; 1 is all of it.
    @ivar histogram: times of right replies, in microseconds.
    @ivar throughput: seconds since the beginning, and how many right replies had come.
    @ivar first_wrong: the first reply that was wrong.
    @ivar first_lost: the first message that was lost.
    """

    target: str
    began: str
    settings: dict[str, Any]
    seconds: float
    sent: int
    answered: int
    lost: int
    wrong: int
    on_their_way: int
    unsent: int
    cpu: float
    histogram: HdrHistogram
    throughput: list[tuple[float, int]]
    first_wrong: Wrong | None = None
    first_lost: bytes | None = None

    @property
    def right(self) -> bool:
        """Whether every reply that was waited for came, and was right."""
        return not self.lost and not self.wrong

    @property
    def rate(self) -> float:
        """Right replies a second."""
        return self.answered / self.seconds if self.seconds else 0.0

    @property
    def busy(self) -> bool:
        """Whether measuring took about all of a core, so that the server may be faster than this says."""
        return self.cpu >= BUSY and self.seconds >= BUSY_SECONDS

    @property
    def latency(self) -> Latency | None:
        """How long replies took, if there were any."""
        histogram = self.histogram
        if not histogram.total_count:
            return None
        return Latency(
            histogram.get_min_value(),
            histogram.get_mean_value(),
            histogram.get_max_value(),
            {percentile: histogram.get_value_at_percentile(percentile) for percentile in PERCENTILES},
        )

    def to_json(self) -> str:
        """Give it as a text in JSON, in the format of C{docs/measure.md}."""
        latency, wrong, lost = self.latency, self.first_wrong, self.first_lost
        members = {
            "format": FORMAT,
            "target": self.target,
            "began": self.began,
            "settings": self.settings,
            "seconds": round(self.seconds, 6),
            "sent": self.sent,
            "answered": self.answered,
            "lost": self.lost,
            "wrong": self.wrong,
            "on_their_way": self.on_their_way,
            "unsent": self.unsent,
            "replies_per_second": round(self.rate, 3),
            "latency_us": latency and latency.members(),
            "generator": {"cpu": round(self.cpu, 4), "bottleneck": self.busy},
            "first_wrong": wrong and {name: _text(value) for name, value in asdict(wrong).items()},
            "first_lost": None if lost is None else _text(lost),
            "throughput": self.throughput,
            "histogram": self.histogram.encode().decode("ascii"),
        }
        # A line each, which can be read, though the last two are long.
        return (
            "{\n" + ",\n".join(f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in members.items()) + "\n}"
        )

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """
        Take what L{to_json} gave.

        @raise ValueError: it is something else. The text says what is wrong, for people.
        """
        try:
            value = json.loads(text)
        except ValueError:
            raise ValueError("is no JSON") from None
        if not isinstance(value, dict) or value.get("format") != FORMAT:
            raise ValueError(f"is not of the format {FORMAT!r}")
        try:
            wrong = value["first_wrong"]
            return cls(
                target=str(value["target"]),
                began=str(value["began"]),
                settings=dict(value["settings"]),
                seconds=float(value["seconds"]),
                **{name: int(value[name]) for name in ("sent", "answered", "lost", "wrong", "on_their_way", "unsent")},
                cpu=float(value["generator"]["cpu"]),
                histogram=HdrHistogram.decode(value["histogram"]),
                throughput=[(float(seconds), int(count)) for seconds, count in value["throughput"]],
                first_wrong=wrong and Wrong(_bytes(wrong["asked"]), _bytes(wrong["came"]), str(wrong["why"])),
                first_lost=None if value["first_lost"] is None else _bytes(value["first_lost"]),
            )
        except Exception as error:
            # HdrHistogram's decoder raises whatever it stumbles over.
            raise ValueError(f"has {FORMAT!r} for its format, and is damaged: {error!r}") from None


def _text(value: bytes | str) -> str:
    """Give bytes as a text that JSON can hold: as Latin-1 has it, a character a byte."""
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _bytes(value: str) -> bytes:
    return value.encode("latin-1")
