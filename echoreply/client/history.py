"""What was typed, kept from one run to the next."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

LONGEST_KEPT = 1000
"""Lines that a run begins with, at most. The file is cut to as many when it has twice that."""


def history_path(environment: Mapping[str, str]) -> Path:
    """
    Say where the history is kept: in the state directory of the XDG base directory specification.

    As it says, C{XDG_STATE_HOME} counts as unset if it is no absolute path.
    """
    state = Path(environment.get("XDG_STATE_HOME", ""))
    if not state.is_absolute():
        state = Path(environment.get("HOME", "/"), ".local", "state")
    return state / "echoreply" / "history"


class History:
    """
    The lines of a file, the oldest first.

    It is for its owner only, and holds each line as it was typed. Two clients may share it: each adds to its end. When
    it can't be used, it is said once, and lines are kept for this run only.

    @param path: the file's; None keeps nothing.
    @param failed: is called with words for people.
    @ivar lines: those that were there at the beginning.
    """

    def __init__(self, path: Path | None, failed: Callable[[str], object]) -> None:
        self._path = path
        self._failed = failed
        self.lines: list[str] = []
        if path:
            try:
                self.lines = self._read(path)
            except OSError as error:
                self._give_up(error)

    def add(self, line: str) -> None:
        """Keep a line."""
        if not self._path:
            return
        try:
            self._append(self._path, line)
        except OSError as error:
            self._give_up(error)

    def _read(self, path: Path) -> list[str]:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Not to wait for a writer, should it be a pipe.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK, 0o600)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(0, "it is not a file")
            os.fchmod(descriptor, 0o600)
            kept = file.read().split(b"\n")
            if kept[-1]:
                # An editor may have left the last line without its end, which the next one needs.
                os.write(descriptor, b"\n")
            else:
                kept.pop()
        if len(kept) >= 2 * LONGEST_KEPT:
            self._replace(path, kept[-LONGEST_KEPT:])
        return [line.decode("utf-8", "surrogateescape") for line in kept[-LONGEST_KEPT:]]

    @staticmethod
    def _append(path: Path, line: str) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, line.encode("utf-8", "surrogateescape") + b"\n")
        finally:
            os.close(descriptor)

    @staticmethod
    def _replace(path: Path, lines: list[bytes]) -> None:
        shorter = path.with_name(f"{path.name}.{os.getpid()}")
        descriptor = os.open(shorter, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(b"".join(line + b"\n" for line in lines))
        shorter.replace(path)

    def _give_up(self, error: OSError) -> None:
        reason = os.strerror(error.errno).lower() if error.errno else str(error.args[1])
        self._failed(f"no history is kept: {self._path}: {reason}")
        self._path = None
