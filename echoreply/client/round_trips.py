"""How long replies take."""

from __future__ import annotations

from collections import deque

from attrs import frozen


@frozen
class Piece:
    """
    A line that was received, or as much of it as came at once.

    @ivar data: its bytes, with the LF if it has come.
    @ivar begins: whether a reply begins with it.
    @ivar ends: whether that reply ends with it.
    @ivar seconds: from sending the line that it is taken for the reply of; None if there was no such line, or if this
        goes on with a reply that began earlier.
    """

    data: bytes
    begins: bool
    ends: bool
    seconds: float | None


class RoundTrips:
    """
    Matches replies to the lines of one connection, in order: the first reply is the first line's.

    A reply is what is received up to an LF, and has arrived when its first byte has. Nothing in it tells whose it is.
    So if a server leaves a line without a reply, the next reply is taken for that line's; if it sends several for a
    line, those that are too many are taken for the next lines', or for nobody's if no line waits.

    @param unterminated: whether replies have no LF. Then sending the next line ends the reply to the one before.
    @param whole: whether what is received at once is one reply, as a datagram is.
    """

    def __init__(self, *, unterminated: bool = False, whole: bool = False) -> None:
        self._unterminated = unterminated
        self._whole = whole
        self._sent: deque[float] = deque()
        self._inside = False

    @property
    def owed(self) -> int:
        """How many lines have had no reply yet."""
        return len(self._sent)

    def sent(self, now: float) -> None:
        """Take note that a line was sent."""
        self._sent.append(now)
        if self._unterminated:
            self._inside = False

    def received(self, data: bytes, now: float) -> list[Piece]:
        """Take what was received at once; give it in pieces, of which each has one line at most."""
        return [self._piece(piece, now) for piece in ([data] if self._whole else lines(data))]

    def _piece(self, data: bytes, now: float) -> Piece:
        begins, ends = not self._inside, self._whole or data.endswith(b"\n")
        self._inside = not ends
        seconds = now - self._sent.popleft() if begins and self._sent else None
        return Piece(data, begins, ends, seconds)


def lines(data: bytes) -> list[bytes]:
    """Cut after each LF, and nowhere else."""
    *lines, rest = data.split(b"\n")
    return [line + b"\n" for line in lines] + ([rest] if rest else [])
