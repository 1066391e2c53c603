"""Errors that keep a server from starting."""

from __future__ import annotations


class CannotStart(Exception):  # noqa: N818
    """A start-up error that the user can correct. Its text is one line, for people."""

    # twistd has 100 bytes for the error of a daemon, with the name of its class. Built-in classes have no module there.
    __module__ = "builtins"


class CannotListen(CannotStart):
    """An address is in use, not available, or invalid. The text has the address and the reason, in one line."""

    __module__ = "builtins"
