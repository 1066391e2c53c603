"""Round-trip times of the interactive client: matching replies to the lines that were sent."""

from __future__ import annotations

from collections import deque

from attrs import frozen


@frozen
class Piece:
    """
    A line that was received, or the part of it that arrived in one read.

    @ivar data: the bytes, including the LF if it has arrived.
    @ivar begins: whether this is the beginning of a reply.
    @ivar ends: whether this is the end of a reply.
    @ivar seconds: the round-trip time of the line that this reply is matched to; C{None} if no line is unanswered, or
        if this continues a reply.
    """

    data: bytes
    begins: bool
    ends: bool
    seconds: float | None


class RoundTrips:
    """
    Matches replies to the lines of one connection, in order: the first reply is the first line's.

    A reply ends with an LF; its time is that of its first byte. A reply does not identify its line. So after a
    line without a reply, each reply is matched to the line before its own; and a second reply to one line is matched to
    the next line, or to none if all lines have been answered.

    @param unterminated: whether replies have no LF. Then the next line that is sent ends the reply.
    @param whole: whether each read is one reply, as a datagram is.
    """

    def __init__(self, *, unterminated: bool = False, whole: bool = False) -> None:
        self._unterminated = unterminated
        self._whole = whole
        self._sent: deque[float] = deque()
        self._inside = False

    @property
    def unanswered(self) -> int:
        """The number of lines without a reply so far."""
        return len(self._sent)

    def sent(self, now: float) -> None:
        """Record the time at which a line was sent."""
        self._sent.append(now)
        if self._unterminated:
            self._inside = False

    def received(self, data: bytes, now: float) -> list[Piece]:
        """Return what was received in one read as pieces of at most one line each, with their times."""
        return [self._piece(piece, now) for piece in ([data] if self._whole else lines(data))]

    def _piece(self, data: bytes, now: float) -> Piece:
        begins, ends = not self._inside, self._whole or data.endswith(b"\n")
        self._inside = not ends
        seconds = now - self._sent.popleft() if begins and self._sent else None
        return Piece(data, begins, ends, seconds)


def lines(data: bytes) -> list[bytes]:
    """Split bytes after each LF, and nowhere else."""
    *lines, rest = data.split(b"\n")
    return [line + b"\n" for line in lines] + ([rest] if rest else [])
