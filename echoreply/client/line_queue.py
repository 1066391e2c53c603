"""The queue of lines that the user has entered and that could not be sent yet."""

from __future__ import annotations

from collections import deque


class LineQueue:
    """
    A queue of lines, in the order in which they were entered.

    @ivar ended: whether the input has ended, so that no line will be added.
    """

    def __init__(self) -> None:
        self._lines: deque[bytes] = deque()
        self.ended = False

    def __len__(self) -> int:
        return len(self._lines)

    def add(self, line: bytes) -> None:
        """Queue a line."""
        self._lines.append(line)

    def next(self) -> bytes:
        """Remove and return the oldest line."""
        return self._lines.popleft()


def counted(lines: int, attribute: str = "") -> str:
    """Return a number of lines as text, such as C{2 lines} or C{1 queued line}."""
    return f"{lines} {attribute}{' ' if attribute else ''}{'line' if lines == 1 else 'lines'}"
