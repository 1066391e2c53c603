"""Errors that keep a server from starting."""

from __future__ import annotations


class CannotStart(Exception):  # noqa: N818
    """A start-up error that the user can correct. Its text is one line, for people."""


class CannotListen(CannotStart):
    """An address is in use, not available, or invalid. The text has the address and the reason, in one line."""
