"""
Where a message ends: the bytes of one connection, cut into messages.

What a framer must do, and at what cost:

- take a read of any size and give the messages that it completes, in order: O(length of the read), with nothing
  done in Python for a single message, since a read of 64 KiB may hold 65,536 of them;
- keep what is unfinished, and give it as a message when the caller says that no more will come: amortized O(1) a byte;
- notice a message that is longer than the limit before it is complete, so that memory is bounded by the limit, the
  longest terminator and one read.

So messages travel as L{Block}s, whole runs of them in the bytes that they came in, and are looked at one by one only
where somebody has to.
"""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from attrs import define

LONGEST_TERMINATOR = 1024
"""CR bytes before an LF that are taken for the terminator's."""


class Framing(Enum):
    """Where a message ends."""

    AUTO = "auto"
    """At LF; before a connection's first LF also at a silence."""
    LINE = "line"
    """At LF, or at the end of the input."""
    READ = "read"
    """Where a read ends."""


@define  # Freezing would make it three times as slow to make one, and every read makes one.
class Block:
    """
    One or more whole messages, as they came.

    If C{count} is more than 1, every message in C{data} ends with its only LF. A single message may end without one,
    and under L{Framing.READ} have others within.
    """

    data: bytes
    count: int

    def messages(self, at_most: int | None = None) -> list[bytes]:
        """Give the messages, the first C{at_most} of them, with their terminators but for a final LF."""
        if self.count == 1:
            return [self.data.removesuffix(b"\n")][:at_most]
        most = self.count if at_most is None else min(at_most, self.count)
        return self.data.split(b"\n", most)[:most]


def too_long(message: bytes | bytearray, limit: int, checked: int = 0) -> bool:
    """
    Tell whether a message, without its LF, is longer than C{limit} bytes.

    CR bytes at the end are its terminator's and do not count, up to C{LONGEST_TERMINATOR} of them.

    @param checked: how many leading bytes are known to be no reason to say yes.
    """
    return len(message) > limit and (
        len(message) > limit + LONGEST_TERMINATOR or bool(message[max(limit, checked) :].strip(b"\r"))
    )


class Framer(Protocol):
    """What the framers have in common."""

    overflow: bool
    """The message that is being received is longer than the limit. What follows it is dropped."""

    speaks_in_lines: bool
    """Whether an LF has been seen, so that no silence ends a message any more."""

    def receive(self, data: bytes) -> Block | None:
        """Take what was read; give the messages that it completes, if any."""

    def finish(self) -> Block | None:
        """Give what is left as a message, if anything is."""

    @property
    def unfinished(self) -> bool:
        """Whether part of a message has been received."""


class LineFramer:
    """A L{Framer} whose messages end at LF."""

    __slots__ = ("_limit", "_rest", "overflow", "speaks_in_lines")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        # Most connections never have anything unfinished, and need no buffer of their own.
        self._rest: bytes | bytearray = b""
        self.speaks_in_lines = False
        self.overflow = False

    @property
    def unfinished(self) -> bool:
        return bool(self._rest)

    def receive(self, data: bytes) -> Block | None:
        if self.overflow:
            return None
        block = None
        end = data.rfind(b"\n") + 1
        if end:
            self.speaks_in_lines = True
            lines = data[:end]
            data = data[end:]
            if self._rest:
                lines = b"".join((self._rest, lines))
                self._rest = b""
            block = Block(lines, lines.count(b"\n"))
        if data:
            checked = len(self._rest)
            if not checked:
                self._rest = bytearray()
            self._rest += data
            self.overflow = too_long(self._rest, self._limit, checked)
        return block

    def finish(self) -> Block | None:
        if self.overflow or not self._rest:
            return None
        block = Block(bytes(self._rest), 1)
        self._rest = b""
        return block


class ReadFramer:
    """A L{Framer} for which every read is a message."""

    speaks_in_lines = False
    unfinished = False
    overflow = False

    def receive(self, data: bytes) -> Block | None:
        return Block(data, 1)

    def finish(self) -> Block | None:
        return None
