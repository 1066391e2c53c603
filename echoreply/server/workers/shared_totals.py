"""
What a worker process has counted, in memory that it shares with its supervisor.

The supervisor looks at it whenever it likes, and when the worker has ended. So it is known what a worker did that was
killed, but for a reply that it was just sending.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

from twisted.internet.interfaces import IAddress

from echoreply.core.framing import Block
from echoreply.core.reasons import EndReason, RefusalReason
from echoreply.net.listener import Layer, Listener
from echoreply.observe.observer import Connection, ReplyObserver
from echoreply.observe.totals import BOUNDS, Histogram, Totals

_END_REASONS = list(EndReason)
_REFUSAL_REASONS = list(RefusalReason)
_LAYERS = [Layer.PROXY, Layer.TLS]

# The cells of a histogram: its nanoseconds, then its buckets.
_HISTOGRAM = 1 + len(BOUNDS) + 1

# The cells of a listener. They are read in this order while they are written, so what has ended is read before what was
# accepted: otherwise, more could seem to have ended.
_ENDED = 0
_ACCEPTED, _MESSAGES, _RECEIVED, _SENT, _REFUSED = range(len(_END_REASONS), len(_END_REASONS) + 5)
_FAILED = _REFUSED + len(_REFUSAL_REASONS)
_SERVICE = _FAILED + len(_LAYERS)
_LISTENER = _SERVICE + _HISTOGRAM


def _cells(listeners: int) -> int:
    """Give how many cells a board has: those of the process, which are a histogram, then those of its listeners."""
    return _HISTOGRAM + listeners * _LISTENER


def new_shared_totals(listeners: int) -> int:
    """
    Give the descriptor of memory for a scoreboard, to be passed to a process.

    @param listeners: how many there are.
    """
    with tempfile.TemporaryFile() as file:
        file.truncate(8 * _cells(listeners))
        return os.dup(file.fileno())


class SharedTotals(ReplyObserver):
    """
    Counts by listener, as a L{TotalsObserver <echoreply.observe.totals_observer.TotalsObserver>}, for another process.

    @param descriptor: what L{new_shared_totals} gave.
    @param listeners: the worker's; the same, in the same order, on both sides.
    """

    def __init__(self, descriptor: int, listeners: Sequence[Listener]) -> None:
        self._size = _cells(len(listeners))
        self._cells = memoryview(mmap.mmap(descriptor, 8 * self._size)).cast("q")
        self._first = {listener: _HISTOGRAM + _LISTENER * index for index, listener in enumerate(listeners)}
        self._seen: dict[Connection, tuple[int, int, int]] = {}

    # The worker's side.

    def refused(self, listener: Listener, peer: IAddress, reason: RefusalReason) -> None:
        """Count it."""
        self._cells[self._first[listener] + _REFUSED + _REFUSAL_REASONS.index(reason)] += 1

    def failed(self, listener: Listener, peer: IAddress, layer: Layer, why: str) -> None:
        """Count it."""
        self._cells[self._first[listener] + _FAILED + _LAYERS.index(layer)] += 1

    def opened(self, connection: Connection) -> None:
        """Count it."""
        self._cells[self._first[connection.listener] + _ACCEPTED] += 1
        self._seen[connection] = (0, 0, 0)

    def answered(self, connection: Connection, messages: Block) -> None:
        """Count what is new."""
        self._look(connection)

    def timed(self, listener: Listener, messages: int, seconds: float) -> None:
        """Count it."""
        self._observe(self._first[listener] + _SERVICE, seconds, messages)

    def closed(self, connection: Connection, reason: EndReason) -> None:
        """Count it, and what is new."""
        self._look(connection)
        del self._seen[connection]
        self._cells[self._first[connection.listener] + _ENDED + _END_REASONS.index(reason)] += 1

    def lagged(self, seconds: float) -> None:
        """Count by how much the event loop was late."""
        self._observe(0, seconds, 1)

    def _look(self, connection: Connection) -> None:
        cells = self._cells
        first = self._first[connection.listener]
        were = self._seen[connection]
        now = self._seen[connection] = (connection.messages, connection.received, connection.sent)
        cells[first + _MESSAGES] += now[0] - were[0]
        cells[first + _RECEIVED] += now[1] - were[1]
        cells[first + _SENT] += now[2] - were[2]

    def _observe(self, histogram: int, seconds: float, times: int) -> None:
        self._cells[histogram] += int(seconds * 1e9) * times
        self._cells[histogram + 1 + bisect_left(BOUNDS, seconds)] += times

    # The supervisor's side.

    def totals(self) -> dict[Listener, Totals]:
        """Give what the worker has counted until now."""
        cells = self._cells.tolist()
        return {listener: _totals(cells[first : first + _LISTENER]) for listener, first in self._first.items()}

    def lag(self) -> Histogram:
        """Give by how much the worker's event loop was late."""
        return _histogram(self._cells[:_HISTOGRAM].tolist())

    def take(self) -> dict[Listener, Totals]:
        """Give what the worker had counted that has ended, and with it the connections that were open; begin anew."""
        totals = self.totals()
        for counted in totals.values():
            counted.endings[EndReason.WORKER] += counted.open
        for cell in range(self._size):
            self._cells[cell] = 0
        return totals


def _totals(cells: list[int]) -> Totals:
    return Totals(
        accepted=cells[_ACCEPTED],
        refusals=+Counter(dict(zip(_REFUSAL_REASONS, cells[_REFUSED:_FAILED], strict=True))),
        endings=+Counter(dict(zip(_END_REASONS, cells[_ENDED:_ACCEPTED], strict=True))),
        failures=+Counter(dict(zip(_LAYERS, cells[_FAILED:_SERVICE], strict=True))),
        messages=cells[_MESSAGES],
        received=cells[_RECEIVED],
        sent=cells[_SENT],
        service=_histogram(cells[_SERVICE:]),
    )


def _histogram(cells: list[int]) -> Histogram:
    histogram = Histogram()
    histogram.seconds = cells[0] / 1e9
    histogram.buckets = cells[1:_HISTOGRAM]
    return histogram


class WorkersTotals:
    """
    What all workers together have counted, those included that are no more. The supervisor has it.

    @param listeners: where clients come in, at each worker.
    @param workers: how many there are; they have numbers from 1.
    """

    def __init__(self, listeners: Sequence[Listener], workers: int) -> None:
        self.descriptors = {number: new_shared_totals(len(listeners)) for number in range(1, workers + 1)}
        self._boards = {number: SharedTotals(board, listeners) for number, board in self.descriptors.items()}
        self._past = {listener: Totals() for listener in listeners}

    def totals(self) -> dict[Listener, Totals]:
        """Give what there has been until now."""
        boards = [self._past, *(board.totals() for board in self._boards.values())]
        return {listener: sum((board[listener] for board in boards), Totals()) for listener in self._past}

    def lags(self) -> dict[int, Histogram]:
        """Give by how much the event loop of each worker was late, since that has started."""
        return {number: board.lag() for number, board in self._boards.items()}

    def ended(self, worker: int) -> None:
        """Take note that a worker has ended."""
        for listener, totals in self._boards[worker].take().items():
            self._past[listener] += totals

    def close(self) -> None:
        """Let go of the memory. Nothing is counted any more, but what was is still known."""
        for worker, descriptor in self.descriptors.items():
            self.ended(worker)
            os.close(descriptor)
