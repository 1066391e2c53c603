"""The statistics of a server with workers."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any, cast

from twisted.trial.unittest import SynchronousTestCase

from echoreply.net.listener import Listener
from echoreply.observe.statistics import Process, ServerState
from echoreply.observe.totals import Histogram, Totals
from echoreply.server.workers.statistics import WorkersStatistics


class SupervisorDouble:
    """A supervisor of two workers, without processes."""

    def __init__(self) -> None:
        self.running = True
        self.listeners = {Listener(): Totals(), Listener(): Totals()}
        self.lag = {1: Histogram(), 2: Histogram()}
        self.protocols = {
            f"worker {number}": SimpleNamespace(
                number=number, serving=False, transport=SimpleNamespace(pid=100 + number)
            )
            for number in (2, 1)
        }
        self.totals = SimpleNamespace(totals=lambda: self.listeners, lags=lambda: self.lag)


class WorkersStatisticsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.supervisor = cast(Any, SupervisorDouble())
        self.statistics = WorkersStatistics(self.supervisor, 3)

    def test_the_state_follows_the_workers(self) -> None:
        states = [self.statistics.state()]
        self.supervisor.protocols["worker 2"].serving = True
        states.append(self.statistics.state())
        for totals, accepted in zip(self.supervisor.listeners.values(), (1, 2), strict=True):
            totals.accepted = accepted
        states.append(self.statistics.state())
        self.supervisor.running = False
        states.append(self.statistics.state())
        self.assertEqual(states, [ServerState.STARTING, ServerState.ACCEPTING, ServerState.FULL, ServerState.DRAINING])

    def test_without_a_limit_it_is_never_full(self) -> None:
        self.supervisor.protocols["worker 1"].serving = True
        next(iter(self.supervisor.listeners.values())).accepted = 1_000_000
        self.assertIs(WorkersStatistics(self.supervisor, 0).state(), ServerState.ACCEPTING)

    def test_totals_are_those_of_the_supervisor(self) -> None:
        self.assertIs(self.statistics.totals_by_listener(), self.supervisor.listeners)

    def test_the_supervisor_comes_first_then_the_workers_that_have_a_process(self) -> None:
        lag, own = self.supervisor.lag, Process(0, os.getpid(), self.statistics.lag)
        self.assertEqual(self.statistics.processes(), [own, Process(1, 101, lag[1]), Process(2, 102, lag[2])])
        self.supervisor.protocols["worker 1"].transport.pid = None
        self.assertEqual(self.statistics.processes(), [own, Process(2, 102, lag[2])])
