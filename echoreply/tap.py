"""C{twistd echoreply}: the server's options, and its service made from them."""

from __future__ import annotations

import sys
from functools import partial
from io import TextIOWrapper
from time import perf_counter, time
from typing import cast

from twisted.application.service import IService

from echoreply.admission import Admission
from echoreply.assembly import reply_factory, roads
from echoreply.daemon import TwistdService, told_in_a_line
from echoreply.descriptors import MOST_LOOKING, connections_allowed
from echoreply.endpoint import IServerReactor
from echoreply.engine import Engine, start_engine
from echoreply.events import EngineChosen, tell
from echoreply.histogram import Histogram
from echoreply.lag import LoopLag
from echoreply.log import LogObserver
from echoreply.logformat import LogFormat, json_observer
from echoreply.observer import IReplyObserver
from echoreply.options import Options
from echoreply.roster import Roster, Table
from echoreply.service import ReplyService
from echoreply.statistics import Ledger, Statistics
from echoreply.stopwatch import Stopwatch

__all__ = ["Options", "makeService"]


def makeService(options: Options, reactor: IServerReactor | None = None) -> IService:
    """Make the server."""
    settings = options.settings
    several = settings.workers > 1
    if reactor is None:
        # Who supervises processes has to hear of their ends, of which uvloop's event loop lets nobody else hear.
        reactor = start_engine(Engine.TWISTED if several else options.engine)
    tell(EngineChosen(engine=options.engine.value))
    if isinstance(sys.stdout, TextIOWrapper):
        # A log line with a character that the terminal's encoding lacks would be lost.
        sys.stdout.reconfigure(errors="backslashreplace")
    log_observer = None
    if settings.log_format is LogFormat.JSON and options.parent:
        log_observer = partial(json_observer, options.parent)
    if several:
        # It imports the reactor.
        from echoreply.workers import IWorkersReactor, Workers
        from echoreply.workers_statistics import WorkersStatistics

        workers = Workers(cast(IWorkersReactor, reactor), settings, options.engine)
        statistics = WorkersStatistics(workers, settings.max_connections)
        with told_in_a_line():
            watchers = _watchers(reactor, options, statistics, workers.table, statistics.lag)
        return TwistdService(reactor, workers, watchers, log_observer)
    room = connections_allowed(reactor, settings.max_connections, others=MOST_LOOKING if settings.web else 0)
    admission = Admission(room, settings.max_per_host)
    observers: list[IReplyObserver] = [admission, LogObserver(reactor, settings.log_messages)]
    ledger, roster = Ledger(admission.full), Roster(perf_counter, time)
    if settings.web:
        observers += [ledger, roster]
    with told_in_a_line():
        watchers = _watchers(reactor, options, ledger, roster, ledger.lag)
        stopwatch = Stopwatch(reactor) if settings.web else None
        factory, renewals = reply_factory(reactor, settings, admission.refusal, observers, stopwatch=stopwatch)
        service = ReplyService(reactor, roads(reactor, settings, factory), factory, settings.drain, renewals)
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
