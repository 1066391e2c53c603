"""The composition root: it assembles a server from its settings, for twistd and for worker processes."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from time import perf_counter, time
from typing import cast

from attrs import evolve, frozen
from twisted.application.service import IService
from twisted.internet.interfaces import IAddress
from twisted.logger import ILogObserver

from echoreply.core.connection_info import PortNumbers
from echoreply.core.reasons import RefusalReason
from echoreply.net.addresses import host_of, plain_address
from echoreply.net.endpoints import IServerReactor
from echoreply.net.errors import CannotStart
from echoreply.net.file_limits import MAX_WEB_CONNECTIONS
from echoreply.net.files import read_text
from echoreply.net.listener import Listener
from echoreply.observe.connection_table import MAX_ROWS, ConnectionTable, Table
from echoreply.observe.event_logging import log_event
from echoreply.observe.events import ScriptFault
from echoreply.observe.log import LogObserver, ServerLogObserver
from echoreply.observe.loop_lag import LoopLag
from echoreply.observe.observer import ReplyObserver
from echoreply.observe.sampling import SamplingClock
from echoreply.observe.statistics import ProcessStatistics, Statistics
from echoreply.protocol import ReplyFactory
from echoreply.server.accepting import raise_connection_limit
from echoreply.server.bindings import ListeningAddress, bind, listening_addresses
from echoreply.server.limits import ConnectionLimits, Limit, first_refusal
from echoreply.server.reload import Reload
from echoreply.server.reply_rules import rules_of
from echoreply.server.service import ReplyService
from echoreply.server.settings import Engine, Settings
from echoreply.server.signals import SignalledService, TwistdService


@frozen
class Server:
    """
    A server that has been composed but not started.

    @ivar service: the server itself.
    @ivar watchers: services that start after it, and stop once it has stopped.
    @ivar table: the connections of this process or, in a supervisor, of all workers; C{None} without the monitoring
        site.
    """

    service: SignalledService
    watchers: Sequence[IService] = ()
    table: Table | None = None

    def top_service(
        self, reactor: IServerReactor, log_observer: Callable[[], ILogObserver] | None = None
    ) -> TwistdService:
        """
        Return the top service of the process.

        @param log_observer: as for L{TwistdService}.
        """
        return TwistdService(reactor, self.service, self.watchers, log_observer)


@frozen(kw_only=True)
class ProcessParts:
    """
    The parts of a server that differ between a single process and a worker.

    @ivar number: the number of this process among the C{--workers}, from 1.
    @ivar row_id_prefix: the prefix of the ids of its rows in the table of connections.
    @ivar limit: the limits of this process.
    @ivar shared_limits: limits of all workers together, if any. They are asked after C{limit}, since they count each
        client that they do not refuse.
    @ivar totals: adds up the totals.
    @ivar observers: the observers that only this kind of process has. They are notified last.
    @ivar record_lag: called with the lag of the event loop, in seconds.
    @ivar addresses: the addresses to listen on.
    @ivar inherited: an open socket for each address; empty if this process opens them.
    @ivar read_script: returns the text of the script.
    """

    number: int = 1
    row_id_prefix: str = ""
    limit: ConnectionLimits
    shared_limits: Sequence[Limit] = ()
    totals: ReplyObserver
    observers: Sequence[ReplyObserver]
    record_lag: Callable[[float], object]
    addresses: Iterable[ListeningAddress]
    inherited: Sequence[socket.socket] = ()
    read_script: Callable[[str], str] = read_text


def compose(reactor: IServerReactor, settings: Settings, engine: Engine) -> Server:
    """
    Compose the server that twistd runs: in this process, or as the supervisor of workers.

    @raise CannotStart: a file can't be used, or an endpoint's description is wrong.
    """
    return (_compose_single if settings.workers == 1 else _compose_supervisor)(reactor, settings, engine)


def compose_process(reactor: IServerReactor, settings: Settings, parts: ProcessParts) -> Server:
    """
    Compose the server in a process that serves clients: a single process, or a worker.

    @raise CannotStart: a file can't be used, or an endpoint's description is wrong.
    """
    limits = [parts.limit, *parts.shared_limits]
    log = LogObserver(reactor, settings.log_messages, part=(parts.number, settings.workers))
    table = None
    if settings.web:
        table = ConnectionTable(perf_counter, time, MAX_ROWS // settings.workers, parts.row_id_prefix)
    factory, reloads = reply_factory(
        reactor,
        settings,
        partial(first_refusal, limits),
        # Limits come first, so that a place is free before any other observer is notified that a client has gone.
        [*reversed(limits), parts.totals, log, *([table] if table is not None else []), *parts.observers],
        parts.read_script,
        SamplingClock(reactor) if settings.web else None,
    )
    service = ReplyService(
        reactor,
        bind(reactor, settings, factory, parts.addresses, parts.inherited),
        factory,
        settings.drain,
        [reload.attempt for reload in reloads],
    )
    watchers = [LoopLag(reactor, perf_counter, parts.record_lag)] if settings.web else []
    return Server(service, watchers, table)


def process_limit(reactor: IServerReactor, settings: Settings, reserved: int = 0) -> ConnectionLimits:
    """
    Return the connection limits of this process, within its limit on open files.

    @param reserved: descriptors for other connections.
    """
    max_connections = raise_connection_limit(reactor, settings.max_connections, reserved)
    return ConnectionLimits(max_connections, settings.max_per_host)


def _compose_single(reactor: IServerReactor, settings: Settings, engine: Engine) -> Server:
    limit = process_limit(reactor, settings, MAX_WEB_CONNECTIONS if settings.web else 0)
    statistics = ProcessStatistics(limit.full)
    parts = ProcessParts(
        limit=limit,
        totals=statistics,
        observers=[ServerLogObserver(statistics.totals)],
        record_lag=statistics.lag.observe,
        addresses=listening_addresses(settings),
    )
    return _with_web(compose_process(reactor, settings, parts), reactor, settings, engine, statistics)


def _compose_supervisor(reactor: IServerReactor, settings: Settings, engine: Engine) -> Server:
    # Imported lazily: it imports the reactor.
    from echoreply.server.workers.statistics import WorkersStatistics
    from echoreply.server.workers.supervisor import IWorkersReactor, Supervisor

    supervisor = Supervisor(cast(IWorkersReactor, reactor), settings, engine)
    statistics = WorkersStatistics(supervisor, settings.max_connections)
    watchers = [LoopLag(reactor, perf_counter, statistics.lag.observe)] if settings.web else []
    server = Server(supervisor, watchers, supervisor.table if settings.web else None)
    return _with_web(server, reactor, settings, engine, statistics)


def _with_web(
    server: Server, reactor: IServerReactor, settings: Settings, engine: Engine, statistics: Statistics
) -> Server:
    """Return the server with the monitoring site, if the settings have one."""
    if not settings.web or server.table is None:
        return server
    # Imported lazily: most servers have no monitoring site.
    from echoreply.web.service import WebService

    web = WebService(reactor, settings.web, statistics, server.table, engine.value, settings.workers)
    return evolve(server, watchers=[*server.watchers, web])


def reply_factory(
    reactor: IServerReactor,
    settings: Settings,
    refusal: Callable[[IAddress], RefusalReason | None],
    observers: Iterable[ReplyObserver],
    read: Callable[[str], str] = read_text,
    sampling_clock: SamplingClock | None = None,
) -> tuple[ReplyFactory, list[Reload]]:
    """
    Return the factory of all connections of this process.

    @param refusal: as for L{ReplyFactory}; so is C{sampling_clock}.
    @param read: returns the text of a file.
    @return: the factory, and the reloads of the files that it uses.
    @raise CannotStart: the script can't be used.
    """
    access = settings.access
    ports = PortNumbersObserver()
    rules = partial(rules_of, settings, ports.ports, reactor.seconds, _report_script_fault, read)
    try:
        factory = ReplyFactory(
            reactor,
            rules(),
            pause=settings.pause,
            idle_timeout=settings.idle_timeout,
            permits=lambda peer: access.permits(host_of(peer)),
            refusal=refusal,
            observers=[ports, *observers],
            sampling_clock=sampling_clock,
        )
    except ValueError as error:
        raise CannotStart(str(error)) from None

    def read_again() -> None:
        factory.rules = rules()

    return factory, [Reload(f"script {settings.script}", read_again)] if settings.script else []


def _report_script_fault(fault: str) -> None:
    log_event(ScriptFault(fault=fault.encode(errors="backslashreplace")))


class PortNumbersObserver(ReplyObserver):
    """
    Collects the numbers of the ports that the server listens on, for reply scripts.

    @ivar ports: the numbers so far: the first of each transport.
    """

    def __init__(self) -> None:
        self.ports = PortNumbers()

    def listening(self, listener: Listener) -> None:
        if not listener.host:
            return
        port = plain_address(listener.host).port
        if port and getattr(self.ports, listener.transport) is None:
            setattr(self.ports, listener.transport, port)
