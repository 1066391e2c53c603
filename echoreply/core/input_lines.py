"""
What is typed, made into what is sent.

Lines go in as the keyboard, a pipe or a file gives them, and come out as the server should get them. A line is looked
at only if it may be one that means something to the client. What is held back is the line that is not finished yet,
up to C{LONGEST_HELD} bytes: nobody types a longer one, and a file without newlines must not fill the memory.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from enum import Enum

LONGEST_HELD = 65536


class Eol(Enum):
    """What a line ends with when it is sent."""

    LF = "lf"
    CRLF = "crlf"
    NONE = "none"


def with_eol(text: bytes, eol: Eol) -> bytes:
    """Give a text that was typed with other ends of its lines."""
    if eol is Eol.CRLF:
        return text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    if eol is Eol.NONE:
        return text.replace(b"\r\n", b"").replace(b"\n", b"")
    return text


class InputLines:
    """
    The lines of one keyboard.

    @param exit_is_last: whether nothing is sent after C{exit}, as it is where a server can't close.
    @ivar quit: whether C{quit}, in any case, has been typed. It and what follows are not sent.
    @ivar exit: whether C{exit} has been sent, at which a server closes.
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
        """Whether nothing more will be sent, whatever is typed."""
        return self.quit or (self.exit and self._exit_is_last)

    def receive(self, data: bytes) -> bytes:
        """Take what was typed; give what is to be sent."""
        data = self._unfinished + data
        end = data.rfind(b"\n") + 1
        if len(data) - end > LONGEST_HELD:
            # But for a CR, which may be half of what ends the line.
            end = len(data) - data.endswith(b"\r")
        self._unfinished = data[end:]
        return self._send(data[:end])

    def finish(self) -> bytes:
        """Give what is left to be sent, when no more will be typed."""
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
        """Give where each line begins, and the line without its terminator; not the end of a line begun earlier."""
        start = text.find(b"\n") + 1 or len(text) if self._inside_line else 0
        for line in text[start:].split(b"\n"):
            yield start, line.strip(b"\r")
            start += len(line) + 1
