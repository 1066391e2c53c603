"""The statistics that monitoring reads from a server: its state, its totals and its processes."""

from __future__ import annotations

import os
from collections.abc import Callable
from enum import Enum
from typing import Protocol

from attrs import frozen

from echoreply.net.listener import Listener
from echoreply.observe.totals import Histogram, Totals
from echoreply.observe.totals_observer import TotalsObserver


class ServerState(Enum):
    """The state of the server: whether a client that connects now would be served."""

    STARTING = "starting"
    """The server does not listen yet, or no worker serves."""
    ACCEPTING = "accepting"
    FULL = "full"
    """The client is refused: there are too many connections."""
    DRAINING = "draining"
    """The server is stopping: it accepts no clients, and sends the replies that it owes."""


@frozen
class Process:
    """
    A process of the server: the only one, the supervisor of the workers, or a worker.

    @ivar worker: the worker's number, from 1; 0 for the supervisor and for the only process.
    @ivar lag: the lag of the process's event loop.
    """

    worker: int
    pid: int
    lag: Histogram


class Statistics(Protocol):
    """The statistics of a server, for monitoring."""

    def state(self) -> ServerState:
        """Return the server's state."""

    def totals_by_listener(self) -> dict[Listener, Totals]:
        """Return the totals of each listener since the server was started. No sum in them ever decreases."""

    def processes(self) -> list[Process]:
        """Return the processes that run now."""


class ProcessStatistics(TotalsObserver):
    """
    The L{Statistics} of a server in one process. It has to observe the server.

    @param full: returns whether the server refuses a client that connects now.
    @ivar lag: the lag of the event loop. Filled by a L{LoopLag <echoreply.observe.loop_lag.LoopLag>}.
    """

    def __init__(self, full: Callable[[], bool]) -> None:
        super().__init__()
        self._full = full
        self._state = ServerState.STARTING
        self.lag = Histogram()

    def state(self) -> ServerState:
        """Return the server's state."""
        full = self._state is ServerState.ACCEPTING and self._full()
        return ServerState.FULL if full else self._state

    def processes(self) -> list[Process]:
        """Return this process."""
        return [Process(0, os.getpid(), self.lag)]

    def listening(self, listener: Listener) -> None:
        super().listening(listener)
        self._state = ServerState.ACCEPTING

    def stopping(self) -> None:
        self._state = ServerState.DRAINING
