"""Enums whose members have a label for machines, which stays the same, and a text for people, which may change."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar


class Labelled(Enum):
    """An enum whose members have a C{label} for JSON, metrics and the page's feed; C{value} is the text for people."""

    _value_: str

    @property
    def label(self) -> str:
        """The name for machines: by default that of the member in lower case."""
        return self.name.lower()


_Member = TypeVar("_Member", bound=Labelled)


def by_label(counts: Mapping[_Member, int]) -> dict[str, int]:
    """Return counts of members by the members' labels."""
    return {member.label: count for member, count in counts.items()}
