"""The statistics of a server in several processes, for metrics, the live page and health checks."""

from __future__ import annotations

import os

from echoreply.net.listener import Listener
from echoreply.observe.statistics import Process, ServerState
from echoreply.observe.totals import Histogram, Totals
from echoreply.server.workers.supervisor import Supervisor


class WorkersStatistics:
    """
    The L{Statistics <echoreply.observe.statistics.Statistics>} of a server with workers, once it has started.

    @param max_connections: maximum connections of all workers together; 0 is no limit.
    @ivar lag: the lag of the supervisor's event loop. Filled by a L{LoopLag <echoreply.observe.loop_lag.LoopLag>}.
    """

    def __init__(self, supervisor: Supervisor, max_connections: int) -> None:
        self._supervisor = supervisor
        self._max_connections = max_connections
        self.lag = Histogram()

    def state(self) -> ServerState:
        if not self._supervisor.running:
            return ServerState.DRAINING
        if not any(worker.serving for worker in self._supervisor.protocols.values()):
            return ServerState.STARTING
        full = 0 < self._max_connections <= sum(totals.open for totals in self.totals_by_listener().values())
        return ServerState.FULL if full else ServerState.ACCEPTING

    def totals_by_listener(self) -> dict[Listener, Totals]:
        return self._supervisor.totals.totals()

    def processes(self) -> list[Process]:
        lags = self._supervisor.totals.lags()
        pids = {worker.number: worker.transport.pid for worker in self._supervisor.protocols.values()}
        workers = [Process(number, pid, lags[number]) for number, pid in sorted(pids.items()) if pid]
        return [Process(0, os.getpid(), self.lag), *workers]
