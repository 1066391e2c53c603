"""The history of the line editor, kept in a file from one run to the next."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

MAX_LINES = 1000
"""Maximum lines that are loaded. A file with twice as many is truncated to this."""


def history_path(environment: Mapping[str, str]) -> Path:
    """
    Return the path of the history file, in the state directory of the XDG base directory specification.

    By that specification, a C{XDG_STATE_HOME} that is not an absolute path is ignored.
    """
    state = Path(environment.get("XDG_STATE_HOME", ""))
    if not state.is_absolute():
        state = Path(environment.get("HOME", "/"), ".local", "state")
    return state / "echoreply" / "history"


class History:
    """
    Loads the lines of a file, and appends new ones.

    Only its owner can read the file. Several clients may share it, since each only appends. If the file can't be used,
    one message is shown, and the history of this run is not saved.

    @param path: the path of the file; C{None} neither loads nor saves.
    @param failed: called with a message for the user.
    @ivar lines: the lines that were loaded, the oldest first.
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
        """Append a line to the file."""
        if not self._path:
            return
        try:
            self._append(self._path, line)
        except OSError as error:
            self._give_up(error)

    def _read(self, path: Path) -> list[str]:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # O_NONBLOCK, so that a FIFO does not block.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK, 0o600)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(0, "not a regular file")
            os.fchmod(descriptor, 0o600)
            kept = file.read().split(b"\n")
            if kept[-1]:
                # A text editor may have saved the last line without an LF.
                os.write(descriptor, b"\n")
            else:
                kept.pop()
        if len(kept) >= 2 * MAX_LINES:
            self._replace(path, kept[-MAX_LINES:])
        return [line.decode("utf-8", "surrogateescape") for line in kept[-MAX_LINES:]]

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
        self._failed(f"history is not saved: {self._path}: {reason}")
        self._path = None
