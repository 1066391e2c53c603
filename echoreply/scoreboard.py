"""
What a worker process has counted, in memory that it shares with its supervisor.

So it is known what a worker did that was killed, but for a reply that it was just sending. The supervisor reads it when
the worker has ended.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections import Counter

from twisted.internet.interfaces import IAddress

from echoreply.framing import Block
from echoreply.observer import Connection, Counts, NoObserver
from echoreply.reasons import CloseReason

_REASONS = list(CloseReason)
_ACCEPTED, _MESSAGES, _RECEIVED, _SENT, _REFUSED = range(5)
_ENDED = _REFUSED + len(_REASONS)
_CELLS = _ENDED + len(_REASONS)


def new_scoreboard() -> int:
    """Give the descriptor of memory for a scoreboard, to be passed to a process."""
    with tempfile.TemporaryFile() as file:
        file.truncate(8 * _CELLS)
        return os.dup(file.fileno())


class Scoreboard(NoObserver):
    """
    Counts as L{Counts} does, for another process to see.

    @param descriptor: what L{new_scoreboard} gave.
    """

    def __init__(self, descriptor: int) -> None:
        self._cells = memoryview(mmap.mmap(descriptor, 8 * _CELLS)).cast("q")
        self._seen: dict[Connection, tuple[int, int, int]] = {}

    def refused(self, peer: IAddress, reason: CloseReason) -> None:
        """Count it."""
        self._cells[_REFUSED + _REASONS.index(reason)] += 1

    def opened(self, connection: Connection) -> None:
        """Count it."""
        self._cells[_ACCEPTED] += 1
        self._seen[connection] = (0, 0, 0)

    def answered(self, connection: Connection, messages: Block) -> None:
        """Count what is new."""
        self._look(connection)

    def closed(self, connection: Connection, reason: CloseReason) -> None:
        """Count it, and what is new."""
        self._look(connection)
        del self._seen[connection]
        self._cells[_ENDED + _REASONS.index(reason)] += 1

    def move_to(self, counts: Counts) -> None:
        """Add all to the counts, and begin anew: the worker has ended, and with it the connections that were open."""
        cells = self._cells.tolist()
        endings = Counter(dict(zip(_REASONS, cells[_ENDED:], strict=True)))
        endings[CloseReason.WORKER] += cells[_ACCEPTED] - endings.total()
        counts.add(
            accepted=cells[_ACCEPTED],
            refusals=Counter(dict(zip(_REASONS, cells[_REFUSED:_ENDED], strict=True))),
            endings=endings,
            messages=cells[_MESSAGES],
            received=cells[_RECEIVED],
            sent=cells[_SENT],
        )
        for cell in range(_CELLS):
            self._cells[cell] = 0

    def _look(self, connection: Connection) -> None:
        cells = self._cells
        were = self._seen[connection]
        now = self._seen[connection] = (connection.messages, connection.received, connection.sent)
        cells[_MESSAGES] += now[0] - were[0]
        cells[_RECEIVED] += now[1] - were[1]
        cells[_SENT] += now[2] - were[2]
