"""A terminal emulator for a program, so that a test sees the screen as a user does."""

from __future__ import annotations

import fcntl
import struct
import termios
from collections.abc import Callable
from contextlib import AbstractContextManager

import pyte

from tests.support.processes import Terminal


class Emulator(AbstractContextManager["Emulator"]):
    """
    A program on a terminal of 80 columns and 24 rows.

    @ivar terminal: the pseudo-terminal.
    """

    def __init__(self, *command: str) -> None:
        self.terminal = Terminal(*command)
        self._screen = pyte.HistoryScreen(80, 24, history=10_000, ratio=0.5)
        self._stream = pyte.ByteStream(self._screen)
        self._seen = 0

    def __exit__(self, *_: object) -> None:
        self.terminal.__exit__(*_)

    def type(self, keys: str) -> None:
        self.terminal.type(keys.encode())

    def resize(self, columns: int, rows: int) -> None:
        """Resize the terminal, and notify the program as a window does."""
        self._screen.resize(rows, columns)
        fcntl.ioctl(self.terminal.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def rows(self) -> list[str]:
        """Return the rows on the screen after those that have scrolled off, without empty rows."""
        return [row.rstrip() for row in self._full_rows() if row.strip()]

    def _full_rows(self) -> list[str]:
        gone = ["".join(line[x].data for x in range(self._screen.columns)) for line in self._screen.history.top]
        return [*gone, *self._screen.display]

    def cursor(self) -> tuple[str, int]:
        """Return the row that the cursor is on, and its column."""
        return self._screen.display[self._screen.cursor.y].rstrip(), self._screen.cursor.x

    def colour_of(self, text: str) -> str:
        """Return the colour of the row that begins with a text."""
        y = next(y for y, row in enumerate(self._screen.display) if row.startswith(text))
        return str(self._screen.buffer[y][0].fg)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until the screen meets a condition."""

        def met(text: bytes) -> bool:
            self._stream.feed(text[self._seen :])
            self._seen = len(text)
            return condition()

        try:
            self.terminal.screen.wait_until(met)
        except AssertionError:
            last = self.terminal.screen.so_far()[-300:]
            said = "\n".join(["the screen has", *self.rows(), repr(self.cursor()), repr(last)])
            raise AssertionError(said) from None

    def wait_for_rows(self, *rows: str) -> None:
        """Wait until these are the last rows."""
        self.wait_until(lambda: self.rows()[-len(rows) :] == list(rows))

    def wait_for(self, part: str) -> None:
        """Wait until a text is shown, possibly across rows."""
        self.wait_until(lambda: part in "".join(self._full_rows()))

    def wait(self) -> int:
        """Wait until the program ends; check that the terminal and the screen are as before, and return the status."""
        status = self.terminal.wait()
        self.wait_until(self._is_as_it_was)
        return status

    def _is_as_it_was(self) -> bool:
        written = self.terminal.screen.so_far()
        on_and_off = [(b"\x1b[?%dh" % mode, b"\x1b[?%dl" % mode) for mode in (1, 1000, 1049, 2004)]
        modes_left = all(written.rfind(on) <= written.rfind(off) for on, off in on_and_off)
        return modes_left and self._screen.cursor.x == 0 and not self._screen.cursor.hidden
