"""The picture of the results: the rates of the table as bars."""

from __future__ import annotations

from pathlib import Path

from benchmarks.report import Results

OURS, BASE, OTHER = "#1f6feb", "#57606a", "#afb8c1"


def draw(results: Results, target: Path) -> None:
    """Draw a group of bars for each row. This needs matplotlib."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    # Makes the files of equal results equal.
    pyplot.rcParams.update({"svg.hashsalt": "echoreply", "svg.fonttype": "none", "font.size": 9})
    groups = []
    for row in results.rows:
        rates = [(peer, results.median(row, peer, lambda run: run.rate)) for peer in results.peers_of(row)]
        if bars := [(peer, rate) for peer, rate in rates if rate]:
            groups.append((row, bars))
    if not groups:
        return
    heights = [len(bars) + 1.5 for _, bars in groups]
    figure, axes = pyplot.subplots(
        len(groups),
        squeeze=False,
        figsize=(9, 0.24 * sum(heights)),
        height_ratios=heights,
        layout="constrained",
        facecolor="white",
    )
    for (row, bars), axis in zip(groups, axes.flat, strict=True):
        base = results.base(row)
        colours = [
            OURS if peer.name.startswith("echoreply") else BASE if base and peer.name == base[0] else OTHER
            for peer, _ in bars
        ]
        drawn = axis.barh([peer.name for peer, _ in bars], [rate for _, rate in bars], color=colours, height=0.75)
        labels = [f"{rate:,.0f}" + (f"   {rate / base[1]:.2f}" if base else "") for _, rate in bars]
        axis.bar_label(drawn, labels, padding=4)
        of = "connections" if row.reconnect else "replies"
        axis.set_title(
            f"{row.title}: {of} a second{f', and ratio to {base[0]}' if base else ''}", loc="left", fontsize=9
        )
        axis.invert_yaxis()
        axis.margins(x=0.2)
        axis.set_xlim(left=0)
        axis.xaxis.set_visible(False)
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
    figure.savefig(target, metadata={"Date": None})
    pyplot.close(figure)
