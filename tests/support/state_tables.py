"""Reads the tables of transitions in docs/states.md."""

from __future__ import annotations

from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs/states.md"


def documented_table(section: str, title: str = "") -> dict[str, dict[str, str | None]]:
    """
    Return a table of transitions: for each state and event, by their words, the state that follows, if one does.

    @param section: the heading of the object's section, such as C{TLSTransport}.
    @param title: the heading above the table within it, if the section has several tables.
    """
    _, heading, text = DOCUMENT.read_text(encoding="utf-8").partition(f"\n## {section}\n")
    assert heading, f"{DOCUMENT} has no section {section}"
    text = text.partition("\n## ")[0]
    if title:
        _, heading, text = text.partition(f"\n### {title}\n")
        assert heading, f"{section} has no part {title}"
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.partition("\n\n- ")[0].splitlines()]
    (_, *events), _, *states = [row for row in rows if len(row) > 1]
    return {
        state.strip("*"): {event: None if cell == "–" else cell for event, cell in zip(events, cells, strict=True)}
        for state, *cells in states
    }
