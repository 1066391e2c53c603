"""
The totals of worker processes, in memory that each of them shares with the supervisor.

The supervisor can read them at any time, even after a worker was killed: then at most the last reply is missing.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Any

from twisted.internet.interfaces import IAddress

from echoreply.core.framing import Block
from echoreply.core.reasons import DropReason, EndReason, RefusalReason
from echoreply.net.listener import Layer, Listener
from echoreply.observe.observer import Connection, Peer, ReplyObserver
from echoreply.observe.totals import BOUNDS, Histogram, Totals

CELL_BYTES = 8


class Layout:
    """
    The layout of a record, whose cells are 64-bit integers.

    @param fields: the record's fields in order. C{int} has one cell; an enum has one for each member, for counts by
        reason; L{Histogram} has one for the sum in nanoseconds, and one for each bucket.
    @ivar size: the number of cells.
    @ivar cells: the index of each cell, by its field and, for an enum, the member.
    """

    def __init__(self, **fields: type[int | Enum | Histogram]) -> None:
        self.cells: dict[tuple[str, Enum | None], int] = {}
        self.size = 0
        self._fields = fields
        for name, kind in fields.items():
            if issubclass(kind, Enum):
                self.cells |= {(name, member): self.size + index for index, member in enumerate(kind)}
                self.size += len(kind)
            else:
                self.cells[name, None] = self.size
                self.size += 1 if kind is int else 1 + len(BOUNDS) + 1

    def read(self, cells: Sequence[int]) -> dict[str, Any]:
        """
        Return the fields of a record.

        @param cells: the record's cells.
        """
        return {name: self._read_field(name, kind, cells) for name, kind in self._fields.items()}

    def _read_field(self, name: str, kind: type[int | Enum | Histogram], cells: Sequence[int]) -> object:
        if issubclass(kind, Enum):
            return +Counter({member: cells[self.cells[name, member]] for member in kind})
        first = self.cells[name, None]
        if kind is int:
            return cells[first]
        histogram = Histogram()
        histogram.seconds = cells[first] / 1e9
        histogram.buckets = list(cells[first + 1 : first + 1 + len(BOUNDS) + 1])
        return histogram


# Cells are read in this order while a worker writes. Ended connections are read before accepted ones: otherwise more
# connections could seem to have ended than were accepted.
LISTENER = Layout(
    endings=EndReason,
    accepted=int,
    messages=int,
    received=int,
    sent=int,
    refusals=RefusalReason,
    failures=Layer,
    drops=DropReason,
    service=Histogram,
)
"""The counts of a listener: the fields of L{Totals}."""

PROCESS = Layout(lag=Histogram)
"""The counts of a process, which precede those of its listeners."""

# Looked up once, since they are used for each message.
_MESSAGES, _RECEIVED, _SENT = (LISTENER.cells[name, None] for name in ("messages", "received", "sent"))
_SERVICE = LISTENER.cells["service", None]
_LAG = PROCESS.cells["lag", None]


def _cell_count(listeners: int) -> int:
    return PROCESS.size + listeners * LISTENER.size


def new_shared_totals(listeners: int) -> int:
    """
    Return the descriptor of new memory for a L{SharedTotals}, which a worker inherits.

    @param listeners: the number of listeners.
    """
    with tempfile.TemporaryFile() as file:
        file.truncate(CELL_BYTES * _cell_count(listeners))
        return os.dup(file.fileno())


class SharedTotals(ReplyObserver):
    """
    The totals of each listener of a worker, in shared memory.

    @param descriptor: the memory's descriptor, as from L{new_shared_totals}.
    @param listeners: the worker's listeners, in the same order in the worker and in the supervisor.
    """

    def __init__(self, descriptor: int, listeners: Sequence[Listener]) -> None:
        self._size = _cell_count(len(listeners))
        self._cells = memoryview(mmap.mmap(descriptor, CELL_BYTES * self._size)).cast("q")
        self._first = {listener: PROCESS.size + LISTENER.size * index for index, listener in enumerate(listeners)}
        self._counted: dict[Connection, tuple[int, int, int]] = {}

    # Called in the worker.

    def refused(self, listener: Listener, peer: IAddress, reason: RefusalReason) -> None:
        self._count(listener, "refusals", reason)

    def failed(self, listener: Listener, peer: IAddress, layer: Layer, why: str) -> None:
        self._count(listener, "failures", layer)

    def opened(self, connection: Connection) -> None:
        self._count(connection.listener, "accepted")
        self._counted[connection] = (0, 0, 0)

    def answered(self, connection: Connection, messages: Block) -> None:
        self._count_new(connection)

    def timed(self, listener: Listener, messages: int, seconds: float) -> None:
        self._observe(self._first[listener] + _SERVICE, seconds, messages)

    def closed(self, connection: Connection, reason: EndReason) -> None:
        self._count_new(connection)
        del self._counted[connection]
        self._count(connection.listener, "endings", reason)

    def answered_datagram(self, listener: Listener, peer: Peer, message: bytes, sent: int) -> None:
        cells, first = self._cells, self._first[listener]
        cells[first + _MESSAGES] += 1
        cells[first + _RECEIVED] += len(message)
        cells[first + _SENT] += sent

    def dropped(self, listener: Listener, peer: Peer, message: bytes, reason: DropReason) -> None:
        self._cells[self._first[listener] + _RECEIVED] += len(message)
        self._count(listener, "drops", reason)

    def record_lag(self, seconds: float) -> None:
        """Count a lag of the event loop, in seconds."""
        self._observe(_LAG, seconds, 1)

    def _count(self, listener: Listener, field: str, member: Enum | None = None) -> None:
        self._cells[self._first[listener] + LISTENER.cells[field, member]] += 1

    def _count_new(self, connection: Connection) -> None:
        """Add the change of a connection's totals since the last call."""
        before = self._counted[connection]
        now = self._counted[connection] = (connection.messages, connection.received, connection.sent)
        cells, first = self._cells, self._first[connection.listener]
        cells[first + _MESSAGES] += now[0] - before[0]
        cells[first + _RECEIVED] += now[1] - before[1]
        cells[first + _SENT] += now[2] - before[2]

    def _observe(self, histogram: int, seconds: float, times: int) -> None:
        self._cells[histogram] += int(seconds * 1e9) * times
        self._cells[histogram + 1 + bisect_left(BOUNDS, seconds)] += times

    # Called in the supervisor.

    def totals(self) -> dict[Listener, Totals]:
        """Return the totals of each listener."""
        cells = self._cells.tolist()
        return {
            listener: Totals(**LISTENER.read(cells[first : first + LISTENER.size]))
            for listener, first in self._first.items()
        }

    def lag(self) -> Histogram:
        """Return the lag of the worker's event loop."""
        lag: Histogram = PROCESS.read(self._cells[: PROCESS.size].tolist())["lag"]
        return lag

    def take(self) -> dict[Listener, Totals]:
        """Return the totals of a worker that has ended, with its open connections as ended, and reset them to 0."""
        totals = self.totals()
        for counted in totals.values():
            counted.endings[EndReason.WORKER] += counted.open
        for cell in range(self._size):
            self._cells[cell] = 0
        return totals


class WorkersTotals:
    """
    The totals of all workers together, including those that have ended. The supervisor has this object.

    @param listeners: the listeners of each worker.
    @param workers: the number of workers; they are numbered from 1.
    @ivar descriptors: the descriptor of each worker's L{SharedTotals}.
    """

    def __init__(self, listeners: Iterable[Listener], workers: int) -> None:
        self._past = {listener: Totals() for listener in listeners}
        self.descriptors = {number: new_shared_totals(len(self._past)) for number in range(1, workers + 1)}
        self._present = {
            number: SharedTotals(descriptor, list(self._past)) for number, descriptor in self.descriptors.items()
        }

    def totals(self) -> dict[Listener, Totals]:
        """Return the totals of each listener."""
        counts = [self._past, *(present.totals() for present in self._present.values())]
        return {listener: sum((each[listener] for each in counts), Totals()) for listener in self._past}

    def lags(self) -> dict[int, Histogram]:
        """Return the lag of each worker's event loop since the start of that worker, by the worker's number."""
        return {number: present.lag() for number, present in self._present.items()}

    def worker_ended(self, worker: int) -> None:
        """Keep the totals of a worker that has ended, and reset its memory for the next one."""
        for listener, totals in self._present[worker].take().items():
            self._past[listener] += totals

    def close(self) -> None:
        """Release the shared memory, and keep the totals."""
        for worker, descriptor in self.descriptors.items():
            self.worker_ended(worker)
            os.close(descriptor)
