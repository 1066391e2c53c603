"""The report of a run for the user: lines of text, and a histogram."""

from __future__ import annotations

from math import ceil

from attrs import frozen

from echoreply.core.quoting import quote
from echoreply.measure.measurements import WrongReply
from echoreply.measure.result import Result

MAX_SHOWN = 256
"""Maximum bytes of a message that are shown."""

_LABELS = 34
"""Columns of a histogram before its bars."""

_STEPS = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
"""The lower bounds of a histogram's ranges, in each decade."""

_EIGHTHS = " ▏▎▍▌▋▊▉█"


@frozen
class Style:
    """
    The capabilities of a terminal.

    @ivar columns: the width in columns.
    @ivar blocks: whether its encoding has block elements, U+2588 and others.
    """

    columns: int = 80
    blocks: bool = True


def milliseconds(microseconds: float) -> str:
    """Return a time in milliseconds as text, with its significant digits."""
    value = microseconds / 1000
    return f"{value:.3f}" if value < 10 else f"{value:.2f}" if value < 100 else f"{value:,.0f}"


def reply_line(number: int, seconds: float, target: str) -> str:
    """Return the line for one reply, similar to ping's."""
    return f"reply {number} from {target}: {milliseconds(seconds * 1e6)} ms"


def wrong_line(reply: WrongReply) -> str:
    """Return the line for a wrong reply."""
    sent = f"sent {quote(reply.sent, MAX_SHOWN)}, " if reply.sent else ""
    return f"wrong reply ({reply.reason}): {sent}received {quote(reply.received, MAX_SHOWN)}"


def summary(result: Result) -> list[str]:
    """Return the lines of the summary: counts, throughput, and latencies."""
    lines = [
        f"{result.sent:,} sent, {result.answered:,} answered, {result.lost:,} lost, {result.wrong:,} wrong"
        + (f", {result.in_flight:,} in flight" if result.in_flight else "")
    ]
    if "interval" not in result.settings:
        lines.append(f"{result.rate:,.1f} replies per second, over {result.seconds:,.3f} s")
    if latency := result.latency:
        slow = {f"p{percentile:g}": value for percentile, value in latency.percentiles.items() if percentile > 50}
        for values in (
            {"min": latency.minimum, "median": latency.percentiles[50.0], "mean": latency.mean},
            {**slow, "max": latency.maximum},
        ):
            lines.append("ms: " + ", ".join(f"{name} {milliseconds(value)}" for name, value in values.items()))
    return lines


def problems(result: Result) -> list[str]:
    """Return a line for each kind of problem: the first wrong reply, the first lost one, and limits of the run."""
    lines = []
    if result.first_wrong:
        lines.append(f"first {wrong_line(result.first_wrong)}")
    if result.first_lost is not None:
        lines.append(f"first lost reply: sent {quote(result.first_lost, MAX_SHOWN)}, received nothing")
    if result.unsent:
        lines.append(
            f"the rate was not reached: {result.unsent:,} messages were due and could not be sent; "
            "raise --connections or --depth"
        )
    if result.busy:
        lines.append(
            f"the load generator used {result.cpu:.0%} of a core: it is the bottleneck, the server may be faster"
        )
    return lines


def histogram(result: Result, style: Style) -> list[str]:
    """Return a histogram of latencies, a line for each range."""
    counts = ranges(result)
    if not counts:
        return []
    most = max(count for _, _, count in counts)
    total = sum(count for _, _, count in counts)
    room = max(1, style.columns - _LABELS - 1)
    return [
        f"{milliseconds(low):>8} - {milliseconds(high):>8} ms {count / total:>9.3%}  {bar(count / most, room, style)}"
        for low, high, count in counts
    ]


def ranges(result: Result) -> list[tuple[float, float, int]]:
    """Return the ranges of the histogram in microseconds: from, to, and the number of replies, which may be 0."""
    edges = [10.0**decade * step for decade in range(10) for step in _STEPS]
    counts = [0] * len(edges)
    place = 0
    for item in result.histogram.get_recorded_iterator():
        while place + 1 < len(edges) and item.value_iterated_to >= edges[place + 1]:
            place += 1
        counts[place] += item.count_added_in_this_iter_step
    used = [place for place, count in enumerate(counts) if count]
    if not used:
        return []
    return [(edges[place], edges[place + 1], counts[place]) for place in range(used[0], used[-1] + 1)]


def bar(share: float, room: int, style: Style) -> str:
    """Return a bar for a share of the room, in eighths of a column, rounded up so that any share is visible."""
    if not style.blocks:
        return "#" * ceil(share * room)
    eighths = ceil(share * room * 8)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
