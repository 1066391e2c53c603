"""A chart of one result or two, as SVG: latency by percentile, and throughput over time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import log10
from pathlib import Path

from echoreply.measure.result import Result

NINES = (0.0, 90.0, 99.0, 99.9, 99.99, 99.999, 99.9999)
"""The percentiles that have a label."""

COLOURS = ("#1f6feb", "#bc4c00")

POINTS = 400
"""Maximum points of a line, which keeps files small."""


def draw(results: Sequence[tuple[str, Result]], target: Path) -> None:
    """
    Write a chart. This needs matplotlib.

    @param results: the results, each with its label.
    @raise OSError: the file can't be written.
    """
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    # Makes the files of equal results equal.
    pyplot.rcParams.update({"svg.hashsalt": "echoreply", "svg.fonttype": "none", "font.size": 9})
    figure, (latencies, rates) = pyplot.subplots(
        2, figsize=(8, 6), height_ratios=(3, 2), layout="constrained", facecolor="white"
    )
    for (name, result), colour in zip(results, COLOURS, strict=False):
        nines, milliseconds = percentiles(result)
        latencies.plot(nines, milliseconds, color=colour, label=name, linewidth=1.5)
        seconds, throughput = over_time(result)
        rates.plot(seconds, throughput, color=colour, label=name, linewidth=1.2, drawstyle="steps-pre")
    last = max(max(percentiles(result)[0], default=1.0) for _, result in results)
    named = [percentile for percentile in NINES if nine(percentile) <= max(last, 1.0) + 0.1]
    latencies.set_xticks([nine(percentile) for percentile in named], [f"{percentile:g} %" for percentile in named])
    if any(result.answered for _, result in results):
        latencies.set_yscale("log")
    latencies.yaxis.set_major_formatter("{x:g}")
    latencies.set_title("latency in ms, by percentile", loc="left", fontsize=9)
    rates.set_title("throughput in replies per second, over time in s", loc="left", fontsize=9)
    rates.set_ylim(bottom=0)
    rates.yaxis.set_major_formatter("{x:,.0f}")
    for axis in (latencies, rates):
        axis.grid(visible=True, color="#d0d7de", linewidth=0.6)
        axis.spines[["top", "right"]].set_visible(False)
        axis.margins(x=0.01)
    latencies.legend(frameon=False, loc="upper left")
    figure.savefig(target, format="svg", metadata={"Date": None})
    pyplot.close(figure)


def nine(percentile: float) -> float:
    """Return the place of a percentile on the axis, where each further nine is one unit: 0, 90, 99 % are 0, 1, 2."""
    return -log10(1 - percentile / 100)


def percentiles(result: Result) -> tuple[list[float], list[float]]:
    """Return the line of latencies: places of percentiles by L{nine}, and milliseconds."""
    total = result.histogram.total_count
    places, milliseconds = [], []
    if total:
        last = nine(100 * (1 - 1 / total)) if total > 1 else 0.0
        for point in range(POINTS + 1):
            place = last * point / POINTS
            places.append(place)
            value = result.histogram.get_value_at_percentile(100 * (1 - 10**-place))
            milliseconds.append(min(value, result.histogram.get_max_value()) / 1000)
    return places, milliseconds


def over_time(result: Result) -> tuple[list[float], list[float]]:
    """Return the line of throughput: seconds since the start, and replies per second since the point before."""
    step = max(1, len(result.throughput) // POINTS)
    points = [(0.0, 0), *result.throughput[::step]]
    pairs = [(a, b) for a, b in pairwise(points) if b[0] > a[0]]
    return [b[0] for _, b in pairs], [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairs]
