"""Taken out of echoreply.measure.recording."""

from __future__ import annotations

import json
from typing import Any, Self

from attrs import asdict, frozen
from hdrh.histogram import HdrHistogram

from echoreply.measure.recording import Wrong

FORMAT = "echoreply-measure 1"
"""Names the format of a file, and its version."""


PERCENTILES = (50.0, 90.0, 99.0, 99.9)


BUSY = 0.95
"""The share of a core that is about all of it."""


BUSY_SECONDS = 0.5
"""A shorter run says nothing of that."""


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
