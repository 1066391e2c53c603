"""The result of a run, and its JSON file."""

from __future__ import annotations

import json
from typing import Any, Self

from attrs import asdict, frozen
from hdrh.histogram import HdrHistogram

from echoreply.measure.measurements import WrongReply

FORMAT = "echoreply-measure 1"
"""The name of the file format, and its version."""

PERCENTILES = (50.0, 90.0, 99.0, 99.9)

BUSY = 0.95
"""The share of a core from which the load generator counts as the bottleneck."""

BUSY_SECONDS = 0.5
"""Minimum seconds of a run for which that is judged."""


@frozen
class Latency:
    """
    Statistics of the latencies of correct replies, in microseconds.

    @ivar percentiles: latencies by percentile, such as 99.9.
    """

    minimum: float
    mean: float
    maximum: float
    percentiles: dict[float, float]

    def members(self) -> dict[str, float]:
        """Return the members of the JSON object."""
        return {
            "min": self.minimum,
            "mean": round(self.mean, 3),
            **{f"p{percentile:g}": value for percentile, value in self.percentiles.items()},
            "max": self.maximum,
        }


@frozen(eq=False)
class Result:
    """
    The result of a run.

    @ivar target: the address of the server, for the user.
    @ivar began: the time of the start, in ISO 8601.
    @ivar settings: the options of the run, by name.
    @ivar seconds: from the first message to the last correct reply, or to the end of sending if that was later.
    @ivar sent: the number of messages.
    @ivar answered: the number of correct replies.
    @ivar lost: the number of messages without a reply.
    @ivar wrong: the number of wrong replies.
    @ivar in_flight: the number of messages whose replies were not waited for, since the user ended the run.
    @ivar unsent: the number of messages that were due and could not be sent, since all slots were in use.
    @ivar cpu: the share of a core that the load generator used while it sent; 1 is a whole core.
    @ivar histogram: latencies of correct replies, in microseconds.
    @ivar throughput: pairs of the seconds since the start and the number of correct replies at that time.
    @ivar first_wrong: the first wrong reply.
    @ivar first_lost: the first message without a reply.
    """

    target: str
    began: str
    settings: dict[str, Any]
    seconds: float
    sent: int
    answered: int
    lost: int
    wrong: int
    in_flight: int
    unsent: int
    cpu: float
    histogram: HdrHistogram
    throughput: list[tuple[float, int]]
    first_wrong: WrongReply | None = None
    first_lost: bytes | None = None

    @property
    def all_correct(self) -> bool:
        """Whether no message was lost, and no reply was wrong."""
        return not self.lost and not self.wrong

    @property
    def rate(self) -> float:
        """Correct replies per second."""
        return self.answered / self.seconds if self.seconds else 0.0

    @property
    def busy(self) -> bool:
        """Whether the load generator was the bottleneck, so that the server may be faster than the result."""
        return self.cpu >= BUSY and self.seconds >= BUSY_SECONDS

    @property
    def latency(self) -> Latency | None:
        """Statistics of the latencies; C{None} without correct replies."""
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
        """Return the text of the JSON file: C{docs/measure.md}."""
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
            "in_flight": self.in_flight,
            "unsent": self.unsent,
            "replies_per_second": round(self.rate, 3),
            "latency_us": latency and latency.members(),
            "generator": {"cpu": round(self.cpu, 4), "bottleneck": self.busy},
            "first_wrong": wrong and {name: _text(value) for name, value in asdict(wrong).items()},
            "first_lost": None if lost is None else _text(lost),
            "throughput": self.throughput,
            "histogram": self.histogram.encode().decode("ascii"),
        }
        # One line for each member, for human readers.
        return (
            "{\n" + ",\n".join(f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in members.items()) + "\n}"
        )

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """
        Parse the text of a JSON file.

        @raise ValueError: the text is not such a file. The message completes a sentence whose subject is the file.
        """
        try:
            value = json.loads(text)
        except ValueError:
            raise ValueError("is not JSON") from None
        if not isinstance(value, dict) or value.get("format") != FORMAT:
            raise ValueError(f"does not have the format {FORMAT!r}")
        try:
            wrong = value["first_wrong"]
            return cls(
                target=str(value["target"]),
                began=str(value["began"]),
                settings=dict(value["settings"]),
                seconds=float(value["seconds"]),
                **{name: int(value[name]) for name in ("sent", "answered", "lost", "wrong", "in_flight", "unsent")},
                cpu=float(value["generator"]["cpu"]),
                histogram=HdrHistogram.decode(value["histogram"]),
                throughput=[(float(seconds), int(count)) for seconds, count in value["throughput"]],
                first_wrong=wrong
                and WrongReply(_bytes(wrong["sent"]), _bytes(wrong["received"]), str(wrong["reason"])),
                first_lost=None if value["first_lost"] is None else _bytes(value["first_lost"]),
            )
        except Exception as error:
            # HdrHistogram's decoder raises exceptions of many kinds.
            raise ValueError(f"has the format {FORMAT!r}, but is damaged: {error!r}") from None


def _text(value: bytes | str) -> str:
    """Return bytes as text for JSON: in Latin-1, one character for each byte."""
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _bytes(value: str) -> bytes:
    return value.encode("latin-1")
