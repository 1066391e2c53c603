"""What keeps a server from starting."""

from __future__ import annotations


class CannotStart(Exception):  # noqa: N818
    """Something that a person has to put right. The text says what, for people, in a line."""


class CannotListen(CannotStart):
    """An address is taken, not ours to take, or none. The text says which and why, for people, in a line."""
