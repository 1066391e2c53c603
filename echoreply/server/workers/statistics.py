"""What the supervisor of worker processes knows of them: the statistics of a server in several processes."""

from __future__ import annotations

import os

from echoreply.net.listener import Listener
from echoreply.observe.statistics import Process, ServerState
from echoreply.observe.totals import Histogram, Totals
from echoreply.server.workers.supervisor import Workers


class WorkersStatistics:
    """
    The L{Statistics <echoreply.observe.statistics.Statistics>} of a server with workers, once it has started.

    @param most: connections that all workers together may have; 0 is no limit.
    @ivar lag: by how much our own event loop was late; for a L{LoopLag <echoreply.observe.loop_lag.LoopLag>} to tell.
    """

    def __init__(self, workers: Workers, most: int) -> None:
        self._workers = workers
        self._most = most
        self.lag = Histogram()

    def state(self) -> ServerState:
        """Tell what awaits a client."""
        if not self._workers.running:
            return ServerState.DRAINING
        if not any(protocol.serves for protocol in self._workers.protocols.values()):
            return ServerState.STARTING
        full = 0 < self._most <= sum(totals.open for totals in self.totals_by_listener().values())
        return ServerState.FULL if full else ServerState.ACCEPTING

    def totals_by_listener(self) -> dict[Listener, Totals]:
        """Give what there has been until now, by where clients come in."""
        return self._workers.boards.totals()

    def processes(self) -> list[Process]:
        """Give our own process, and those of the workers."""
        lags = self._workers.boards.lags()
        pids = {protocol.number: protocol.transport.pid for protocol in self._workers.protocols.values()}
        workers = [Process(number, pid, lags[number]) for number, pid in sorted(pids.items()) if pid]
        return [Process(0, os.getpid(), self.lag), *workers]
