"""The lines that the user has entered and no connection has taken yet, and whether more will follow."""

from __future__ import annotations

from collections import deque


class WaitingLines:
    """
    Queues lines in the order in which they were entered.

    @ivar ended: whether the input has ended, so that no line will be added.
    """

    def __init__(self) -> None:
        self._lines: deque[bytes] = deque()
        self.ended = False

    def __len__(self) -> int:
        return len(self._lines)

    def __str__(self) -> str:
        return counted(len(self._lines))

    def add(self, line: bytes) -> None:
        """Queue a line."""
        self._lines.append(line)

    def next(self) -> bytes:
        """Remove and return the oldest line."""
        return self._lines.popleft()


def counted(lines: int) -> str:
    """Return a number of lines in words, such as C{2 lines}."""
    return "1 line" if lines == 1 else f"{lines} lines"
