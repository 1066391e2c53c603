"""The tables of transitions in C{docs/states.md}."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "states.md"


def documented(section: str) -> dict[str, dict[str, str]]:
    """Return a section's table: for each state, the events that it allows, and the state that each leads to."""
    text = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    part = next(part for part in text if part.startswith(f"{section}\n"))
    rows = [
        [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        for line in part.splitlines()
        if line.startswith("| ")
    ]
    (_, *events), *states = rows
    return {state: {event: cell for event, cell in zip(events, cells, strict=True) if cell} for state, *cells in states}
