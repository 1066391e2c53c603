"""
The client's input: converts what is typed, piped or read from a file to what is sent.

C{quit} ends the input; C{exit} is sent, and the server closes. Line endings and case are changed as options say. The
last line is held back until it is complete, but no more than C{MAX_HELD} bytes of it, so that a file without newlines
does not fill the memory.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from enum import Enum

MAX_HELD = 65536
"""Maximum bytes of an incomplete line that are held back."""


class Eol(Enum):
    """The line ending with which lines are sent."""

    LF = "lf"
    CRLF = "crlf"
    NONE = "none"


def with_eol(text: bytes, eol: Eol) -> bytes:
    """Return a text with its line endings replaced."""
    if eol is Eol.CRLF:
        return text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    if eol is Eol.NONE:
        return text.replace(b"\r\n", b"").replace(b"\n", b"")
    return text


class InputLines:
    """
    Converts the input of one connection.

    @param eol: the line ending with which lines are sent.
    @param lower: whether to convert the input to lower case.
    @param exit_is_last: whether C{exit} ends the input, as over UDP, where the server can't close.
    @ivar quit: whether the line C{quit}, in upper or lower case, was read. Neither it nor what follows is sent.
    @ivar exit: whether the line C{exit} was read. It is sent.
    """

    def __init__(self, eol: Eol = Eol.LF, *, lower: bool = False, exit_is_last: bool = False) -> None:
        self._eol = eol
        self._exit_is_last = exit_is_last
        self._lower = codecs.getincrementaldecoder("utf-8")("surrogateescape") if lower else None
        self._unfinished = b""
        self._inside_line = False
        self.quit = False
        self.exit = False

    @property
    def over(self) -> bool:
        """Whether the input has ended: whatever follows is not sent."""
        return self.quit or (self.exit and self._exit_is_last)

    def receive(self, data: bytes) -> bytes:
        """Return what to send for the next bytes of the input."""
        data = self._unfinished + data
        end = data.rfind(b"\n") + 1
        if len(data) - end > MAX_HELD:
            # A final CR is held back: it may be the first half of a line ending.
            end = len(data) - data.endswith(b"\r")
        self._unfinished = data[end:]
        return self._send(data[:end])

    def finish(self) -> bytes:
        """Return what to send at the end of the input: the last line, if it has no LF."""
        rest, self._unfinished = self._unfinished, b""
        return self._send(rest, final=True)

    def _send(self, text: bytes, *, final: bool = False) -> bytes:
        if self.over:
            return b""
        if b"quit" in text.lower():
            text = self._until_quit(text)
        if self._lower:
            text = self._lower.decode(text, final or self.quit).lower().encode("utf-8", "surrogateescape")
        if b"exit" in text:
            text = self._until_exit(text)
        if text:
            self._inside_line = not text.endswith(b"\n")
        return with_eol(text, self._eol)

    def _until_quit(self, text: bytes) -> bytes:
        for start, line in self._lines(text):
            if line.lower() == b"quit":
                self.quit = True
                return text[:start]
        return text

    def _until_exit(self, text: bytes) -> bytes:
        for start, line in self._lines(text):
            if line == b"exit":
                self.exit = True
                return text[: text.find(b"\n", start) + 1 or None] if self._exit_is_last else text
        return text

    def _lines(self, text: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield the offset and the text of each line, without its terminator; but not the rest of an earlier line."""
        start = text.find(b"\n") + 1 or len(text) if self._inside_line else 0
        for line in text[start:].split(b"\n"):
            yield start, line.strip(b"\r")
            start += len(line) + 1
