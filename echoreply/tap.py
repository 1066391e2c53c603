"""C{twistd echoreply}: the server's options, and its service made from them."""

from __future__ import annotations

import sys
from functools import partial
from io import TextIOWrapper
from time import perf_counter, time
from typing import cast

from twisted.application.service import IService

from echoreply.net.endpoints import IServerReactor
from echoreply.net.file_limits import MOST_LOOKING
from echoreply.observe.connection_table import ConnectionTable, Table
from echoreply.observe.event import log_event
from echoreply.observe.events import EngineChosen
from echoreply.observe.log import LogObserver
from echoreply.observe.log_format import json_observer
from echoreply.observe.loop_lag import LoopLag
from echoreply.observe.observer import ReplyObserver
from echoreply.observe.sampling import SamplingClock
from echoreply.observe.statistics import ProcessStatistics, Statistics
from echoreply.observe.totals import Histogram
from echoreply.server.accepting import connections_allowed
from echoreply.server.compose import bindings, reply_factory
from echoreply.server.engine import start_engine
from echoreply.server.limits import ConnectionLimits
from echoreply.server.options import Options
from echoreply.server.service import ReplyService
from echoreply.server.settings import Engine, LogFormat
from echoreply.server.signals import TwistdService, report_start_errors

__all__ = ["Options", "makeService"]


def makeService(options: Options, reactor: IServerReactor | None = None) -> IService:
    """Make the server."""
    settings = options.settings
    several = settings.workers > 1
    if reactor is None:
        # Who supervises processes has to hear of their ends, of which uvloop's event loop lets nobody else hear.
        reactor = start_engine(Engine.TWISTED if several else options.engine)
    log_event(EngineChosen(engine=options.engine.value))
    if isinstance(sys.stdout, TextIOWrapper):
        # A log line with a character that the terminal's encoding lacks would be lost.
        sys.stdout.reconfigure(errors="backslashreplace")
    log_observer = None
    if settings.log_format is LogFormat.JSON and options.parent:
        log_observer = partial(json_observer, options.parent)
    if several:
        # It imports the reactor.
        from echoreply.server.workers.statistics import WorkersStatistics
        from echoreply.server.workers.supervisor import IWorkersReactor, Workers

        workers = Workers(cast(IWorkersReactor, reactor), settings, options.engine)
        statistics = WorkersStatistics(workers, settings.max_connections)
        with report_start_errors():
            watchers = _watchers(reactor, options, statistics, workers.table, statistics.lag)
        return TwistdService(reactor, workers, watchers, log_observer)
    room = connections_allowed(reactor, settings.max_connections, others=MOST_LOOKING if settings.web else 0)
    limits = ConnectionLimits(room, settings.max_per_host)
    observers: list[ReplyObserver] = [limits, LogObserver(reactor, settings.log_messages)]
    process, table = ProcessStatistics(limits.full), ConnectionTable(perf_counter, time)
    if settings.web:
        observers += [process, table]
    with report_start_errors():
        watchers = _watchers(reactor, options, process, table, process.lag)
        sampling_clock = SamplingClock(reactor) if settings.web else None
        factory, reloads = reply_factory(reactor, settings, limits.refusal, observers, sampling_clock=sampling_clock)
        service = ReplyService(
            reactor,
            bindings(reactor, settings, factory),
            factory,
            settings.drain,
            [reload.attempt for reload in reloads],
        )
    return TwistdService(reactor, service, watchers, log_observer)


def _watchers(
    reactor: IServerReactor, options: Options, statistics: Statistics, table: Table, lag: Histogram
) -> list[IService]:
    """
    Make what shows the server to whoever wants to look, if that is wanted.

    @param lag: is told by how much the event loop was late.
    @raise CannotListen: it is to listen where it can't.
    """
    settings = options.settings
    if not settings.web:
        return []
    # As in rulebook.
    from echoreply.web.service import WebService

    return [
        LoopLag(reactor, perf_counter, lag.observe),
        WebService(reactor, settings.web, statistics, table, options.engine.value, settings.workers),
    ]
