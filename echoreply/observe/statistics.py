"""What a server can be asked by those who watch it: metrics, a page, health checks."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable
from enum import Enum
from typing import Protocol

from attrs import frozen
from twisted.internet.interfaces import IAddress

from echoreply.core.reasons import DropReason, EndReason, RefusalReason
from echoreply.net.listener import Layer, Listener
from echoreply.observe.observer import Connection, Peer, ReplyObserver
from echoreply.observe.totals import Histogram, Totals


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


class ProcessStatistics(ReplyObserver):
    """
    The L{Statistics} of a server in one process. It has to observe the server, to know.

    @param full: tells whether a client who connects now is one too many.
    @ivar lag: by how much the event loop was late; for a L{LoopLag <echoreply.observe.loop_lag.LoopLag>} to tell.
    """

    def __init__(self, full: Callable[[], bool]) -> None:
        self._full = full
        self._condition = Condition.STARTING
        self._counts: defaultdict[Listener, TotalsObserver] = defaultdict(TotalsObserver)
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

    def failed(self, listener: Listener, peer: IAddress, layer: Layer, why: str) -> None:
        """Count it."""
        self._counts[listener].failed(listener, peer, layer, why)

    def refused(self, listener: Listener, peer: IAddress, reason: RefusalReason) -> None:
        """Count it."""
        self._counts[listener].refused(listener, peer, reason)

    def opened(self, connection: Connection) -> None:
        """Count it."""
        self._counts[connection.listener].opened(connection)

    def timed(self, listener: Listener, messages: int, seconds: float) -> None:
        """Count it."""
        self._counts[listener].timed(listener, messages, seconds)

    def closed(self, connection: Connection, reason: EndReason) -> None:
        """Count it."""
        self._counts[connection.listener].closed(connection, reason)

    def answered_datagram(self, listener: Listener, peer: Peer, message: bytes, sent: int) -> None:
        """Count it."""
        self._counts[listener].answered_datagram(listener, peer, message, sent)

    def dropped(self, listener: Listener, peer: Peer, message: bytes, reason: DropReason) -> None:
        """Count it."""
        self._counts[listener].dropped(listener, peer, message, reason)


class TotalsObserver(ReplyObserver):
    """
    TotalsObserver. It adds up when it is asked, so a message on a connection costs nothing.

    @ivar open: the connections that have been accepted and have not ended, in this order.
    """

    def __init__(self) -> None:
        # As a set that is in order, which Python has as the keys of a dictionary.
        self.open: dict[Connection, None] = {}
        self._past = Totals()

    def totals(self) -> Totals:
        """Give what there has been until now."""
        present = Totals(
            messages=sum(connection.messages for connection in self.open),
            received=sum(connection.received for connection in self.open),
            sent=sum(connection.sent for connection in self.open),
        )
        return self._past + present

    def refused(self, listener: Listener, peer: IAddress, reason: RefusalReason) -> None:
        """Count it."""
        self._past.refusals[reason] += 1

    def failed(self, listener: Listener, peer: IAddress, layer: Layer, why: str) -> None:
        """Count it."""
        self._past.failures[layer] += 1

    def opened(self, connection: Connection) -> None:
        """Count it."""
        self._past.accepted += 1
        self.open[connection] = None

    def closed(self, connection: Connection, reason: EndReason) -> None:
        """Count it, and keep its totals."""
        past = self._past
        del self.open[connection]
        past.endings[reason] += 1
        past.messages += connection.messages
        past.received += connection.received
        past.sent += connection.sent

    def answered_datagram(self, listener: Listener, peer: Peer, message: bytes, sent: int) -> None:
        """Count it."""
        self._past.messages += 1
        self._past.received += len(message)
        self._past.sent += sent

    def timed(self, listener: Listener, messages: int, seconds: float) -> None:
        """Count it."""
        self._past.service.observe(seconds, messages)

    def dropped(self, listener: Listener, peer: Peer, message: bytes, reason: DropReason) -> None:
        """Count it."""
        self._past.drops[reason] += 1
        self._past.received += len(message)
