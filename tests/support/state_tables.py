"""The tables of transitions in C{docs/states.md}, and those of the code in the same form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "states.md"

Table = dict[str, dict[str, str]]
"""For each state, the events that it allows, and the state that each leads to."""


def documented(section: str, title: str = "") -> Table:
    """
    Return a table of the page.

    @param section: the heading of the object's section, such as C{TLSTransport}.
    @param title: the heading above the table within it, if the section has several tables.
    """
    text = _part(_part(PAGE.read_text(encoding="utf-8"), "##", section), "###", title)
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| ")
    ]
    (_, *events), *states = [row for row in rows if set(row[0]) != {"-"}]
    return {state: {event: cell for event, cell in zip(events, cells, strict=True) if cell} for state, *cells in states}


def in_words(table: Mapping[Any, Mapping[Any, Any]]) -> Table:
    """Return a table of the code as the page has it."""
    return {
        words(state): {words(event): words(following) for event, following in row.items()}
        for state, row in table.items()
    }


def words(name: Enum | str) -> str:
    """Return a state's or an event's name as the page has it."""
    return (name.name if isinstance(name, Enum) and not isinstance(name, str) else name).lower().replace("_", " ")


def _part(text: str, marks: str, heading: str) -> str:
    """Return what stands below a heading, up to the next one of its level."""
    if not heading:
        return text
    parts = re.split(rf"^{marks} ", text, flags=re.MULTILINE)
    return next(part for part in parts if part.startswith(f"{heading}\n"))
