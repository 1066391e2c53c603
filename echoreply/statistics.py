"""What a server can be asked by those who watch it: metrics, a page, health checks."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable
from enum import Enum
from typing import Protocol

from attrs import frozen
from twisted.internet.interfaces import IAddress

from echoreply.histogram import Histogram
from echoreply.observer import Connection, Counts, Listener, NoObserver, Peer
from echoreply.reasons import CloseReason, DropReason
from echoreply.totals import Totals


class Condition(Enum):
    """What awaits a client who connects now."""

    STARTING = "starting"
    ACCEPTING = "accepting"
    FULL = "full"
    """It is told that there are too many."""
    DRAINING = "draining"
    """Nothing: the server stops."""


@frozen
class Process:
    """
    One process that serves, or that supervises those who do.

    @ivar worker: its number, from 1; 0 if there are no workers, and for their supervisor.
    @ivar lag: by how much its event loop was late.
    """

    worker: int
    pid: int
    lag: Histogram


class Statistics(Protocol):
    """What a server knows of itself."""

    def condition(self) -> Condition:
        """Tell what awaits a client."""

    def totals(self) -> dict[Listener, Totals]:
        """Give what there has been until now, by where clients come in. No number in it ever goes down."""

    def processes(self) -> list[Process]:
        """Give the processes that run now."""


class Ledger(NoObserver):
    """
    The L{Statistics} of a server in one process. It has to observe the server, to know.

    @param full: tells whether a client who connects now is one too many.
    @ivar lag: by how much the event loop was late; for a L{LoopLag <echoreply.lag.LoopLag>} to tell.
    """

    def __init__(self, full: Callable[[], bool]) -> None:
        self._full = full
        self._condition = Condition.STARTING
        self._counts: defaultdict[Listener, Counts] = defaultdict(Counts)
        self.lag = Histogram()

    def condition(self) -> Condition:
        """Tell what awaits a client."""
        full = self._condition is Condition.ACCEPTING and self._full()
        return Condition.FULL if full else self._condition

    def totals(self) -> dict[Listener, Totals]:
        """Give what there has been until now."""
        return {listener: counts.totals() for listener, counts in self._counts.items()}

    def processes(self) -> list[Process]:
        """Give this one."""
        return [Process(0, os.getpid(), self.lag)]

    # What observers are told.

    def listening(self, listener: Listener) -> None:
        """Take note of it, also if nobody comes."""
        self._condition = Condition.ACCEPTING
        self._counts[listener].listening(listener)

    def stopping(self) -> None:
        """Take note of it."""
        self._condition = Condition.DRAINING

    def failed(self, listener: Listener, peer: IAddress, layer: str, why: str) -> None:
        """Count it."""
        self._counts[listener].failed(listener, peer, layer, why)

    def refused(self, listener: Listener, peer: IAddress, reason: CloseReason) -> None:
        """Count it."""
        self._counts[listener].refused(listener, peer, reason)

    def opened(self, connection: Connection) -> None:
        """Count it."""
        self._counts[connection.listener].opened(connection)

    def timed(self, listener: Listener, messages: int, seconds: float) -> None:
        """Count it."""
        self._counts[listener].timed(listener, messages, seconds)

    def closed(self, connection: Connection, reason: CloseReason) -> None:
        """Count it."""
        self._counts[connection.listener].closed(connection, reason)

    def answered_datagram(self, listener: Listener, peer: Peer, message: bytes, sent: int) -> None:
        """Count it."""
        self._counts[listener].answered_datagram(listener, peer, message, sent)

    def dropped(self, listener: Listener, peer: Peer, message: bytes, reason: DropReason) -> None:
        """Count it."""
        self._counts[listener].dropped(listener, peer, message, reason)
