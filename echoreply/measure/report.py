"""What is measured, in words: lines of text for people."""

from __future__ import annotations

from math import ceil

from attrs import frozen

from echoreply.core.quoting import quote
from echoreply.measure.recording import Wrong
from echoreply.measure.result import Result

LONGEST_SHOWN = 256
"""Bytes of a message that are shown."""

_LABELS = 34
"""Columns of a histogram beside its bars."""

_STEPS = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
"""Where a histogram's lines begin, in each decade."""

_EIGHTHS = " ▏▎▍▌▋▊▉█"


@frozen
class Style:
    """
    How a terminal shows text.

    @ivar columns: its width.
    @ivar blocks: whether it can show block elements, U+2588 and the like.
    """

    columns: int = 80
    blocks: bool = True


def milliseconds(microseconds: float) -> str:
    """Write a time, with the digits that mean something."""
    value = microseconds / 1000
    return f"{value:.3f}" if value < 10 else f"{value:.2f}" if value < 100 else f"{value:,.0f}"


def reply_line(number: int, seconds: float, where: str) -> str:
    """Tell of one reply, as ping does."""
    return f"reply {number} from {where}: {milliseconds(seconds * 1e6)} ms"


def wrong_line(wrong: Wrong) -> str:
    """Tell of a reply that is wrong."""
    asked = f"asked {quote(wrong.asked, LONGEST_SHOWN)}, " if wrong.asked else ""
    return f"wrong, {wrong.why}: {asked}came {quote(wrong.came, LONGEST_SHOWN)}"


def summary(result: Result) -> list[str]:
    """Tell what came of all messages."""
    lines = [
        f"{result.sent:,} sent, {result.answered:,} answered, {result.lost:,} lost, {result.wrong:,} wrong"
        + (f", {result.on_their_way:,} on their way" if result.on_their_way else "")
    ]
    if "interval" not in result.settings:
        lines.append(f"{result.rate:,.1f} replies a second, for {result.seconds:,.3f} s")
    if latency := result.latency:
        slow = {f"p{percentile:g}": value for percentile, value in latency.percentiles.items() if percentile > 50}
        for times in (
            {"min": latency.minimum, "median": latency.percentiles[50.0], "mean": latency.mean},
            {**slow, "max": latency.maximum},
        ):
            lines.append("ms: " + ", ".join(f"{name} {milliseconds(value)}" for name, value in times.items()))
    return lines


def faults(result: Result) -> list[str]:
    """Tell what was wrong, and what the numbers do not say."""
    lines = []
    if result.first_wrong:
        lines.append(f"the first reply that is {wrong_line(result.first_wrong)}")
    if result.first_lost is not None:
        lines.append(f"the first message lost: asked {quote(result.first_lost, LONGEST_SHOWN)}, nothing came")
    if result.unsent:
        lines.append(
            f"the rate was not held: {result.unsent:,} messages that were due could not be sent, "
            "with so few --connections and such a --depth"
        )
    if result.busy:
        lines.append(
            f"this generator used {result.cpu:.0%} of a core: it is the bottleneck, and the server may be faster"
        )
    return lines


def histogram(result: Result, style: Style) -> list[str]:
    """Draw how many replies took how long, a line for each range of times."""
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
    """Count replies by ranges of microseconds: from, up to, how many; with those between that have none."""
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
    """Draw a bar that is as long as its share of the room; what there is any of is seen."""
    if not style.blocks:
        return "#" * ceil(share * room)
    eighths = ceil(share * room * 8)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
