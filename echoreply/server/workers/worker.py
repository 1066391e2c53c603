"""
A worker process, one of several that serve the same ports.

Only L{the supervisor <echoreply.server.workers.supervisor>} runs it: C{python -m echoreply.server.workers.worker}.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from importlib import import_module
from itertools import count
from pathlib import Path
from time import time
from typing import cast

from twisted.internet.abstract import FileDescriptor
from twisted.internet.error import ConnectionDone, ReactorNotRunning
from twisted.internet.interfaces import IAddress, IReactorFDSet
from twisted.logger import globalLogBeginner
from twisted.python.failure import Failure

from echoreply.core.reasons import RefusalReason
from echoreply.net.endpoints import IServerReactor
from echoreply.net.errors import CannotStart
from echoreply.net.listener import Listener
from echoreply.net.sockets import AdoptedServerEndpoint
from echoreply.observe.connection_table import MAX_ROWS, ConnectionTable
from echoreply.observe.log import LogObserver
from echoreply.observe.loop_lag import LoopLag
from echoreply.observe.observer import ReplyObserver
from echoreply.observe.sampling import SamplingClock
from echoreply.observe.totals import Totals
from echoreply.server.accepting import connections_allowed
from echoreply.server.compose import reply_factory, tcp_bindings, tcp_listeners
from echoreply.server.engine import start_engine
from echoreply.server.limits import ConnectionLimits
from echoreply.server.options import Options
from echoreply.server.service import ReplyService
from echoreply.server.settings import Engine, Settings
from echoreply.server.signals import TwistdService
from echoreply.server.workers.ipc import (
    BOARD,
    CERTIFICATE,
    FORGET,
    HURRY,
    LIFELINE,
    LISTENERS,
    LOOK,
    REPORTS,
    SCRIPT,
    Sender,
    row_prefix,
)
from echoreply.server.workers.shared_limits import LimitsDatabase, SharedLimits
from echoreply.server.workers.shared_totals import SharedTotals

LONGEST_CERTIFICATE = 65536


class WorkerOptions(Options):
    """The server's options, and what a worker is told besides."""

    optParameters = [  # noqa: RUF012  # as Twisted declares it
        ["number", None, None, "which worker this is, from 1"],
        ["reactor", None, None, "the module whose reactor to run"],
        ["shared_limits", None, None, "the path of what the workers hold together, if that is limited"],
    ]


class WorkerLogObserver(LogObserver):
    """Logs connections and messages; the supervisor logs the rest, for all workers."""

    def listening(self, listener: Listener) -> None:
        """Do nothing."""

    def stopped(self, totals: Totals) -> None:
        """Log what has been counted and not been told yet."""
        self.settle()


class Lifeline(FileDescriptor):
    """
    The reading end of a pipe whose writing end is the supervisor's.

    @param heed: what is to be done at each byte that comes.
    @param ended: is called when the supervisor is no more, and when the reactor stops.
    """

    def __init__(
        self,
        reactor: IServerReactor,
        descriptor: int,
        heed: Mapping[bytes, Callable[[], object]],
        ended: Callable[[], object],
    ) -> None:
        super().__init__(cast(IReactorFDSet, reactor))
        self._descriptor = descriptor
        self._heed = heed
        self._ended = ended

    def fileno(self) -> int:
        return self._descriptor

    def doRead(self) -> Exception | None:
        byte = os.read(self._descriptor, 1)
        if not byte:
            return ConnectionDone()
        self._heed[byte]()
        return None

    def connectionLost(self, reason: Failure) -> None:
        super().connectionLost(reason)  # type: ignore[no-untyped-call]
        self._ended()


def _service(
    reactor: IServerReactor, settings: Settings, number: int, shared_limits: str, sender: Sender
) -> TwistdService:
    sampling_clock = SamplingClock(reactor) if settings.web else None
    own = ConnectionLimits(connections_allowed(reactor, settings.max_connections))
    log = WorkerLogObserver(reactor, settings.log_messages, part=(number, settings.workers))
    listeners = tcp_listeners(settings)
    board = SharedTotals(BOARD, [listener for _, listener in listeners])
    observers: list[ReplyObserver] = [own, board, sender, log]
    heed: dict[bytes, Callable[[], object]] = {}
    watchers = []
    if sampling_clock:
        table = ConnectionTable(sampling_clock.now, time, MAX_ROWS // settings.workers, row_prefix(number))
        observers.append(table)
        heed[LOOK] = lambda: sender.send_changes(table.take_changes())
        heed[FORGET] = table.reset
        watchers.append(LoopLag(reactor, sampling_clock.now, board.lagged))
    refusals = [own.refusal]
    if shared_limits:
        shared = SharedLimits(
            LimitsDatabase(Path(shared_limits)), number, settings.max_connections, settings.max_per_host
        )
        # Its place is free before anybody is told that a client has gone.
        observers.insert(0, shared)
        # It has taken a place when it says yes, so it comes last.
        refusals.append(shared.refusal)

    def refusal(peer: IAddress) -> RefusalReason | None:
        return next(filter(None, (ask(peer) for ask in refusals)), None)

    factory, reloads = reply_factory(reactor, settings, refusal, observers, _script, sampling_clock)
    descriptors = count(LISTENERS)

    def endpoint(_port: int) -> AdoptedServerEndpoint:
        return AdoptedServerEndpoint(reactor, next(descriptors))

    bindings = tcp_bindings(
        settings, factory, listeners, endpoint, lambda: os.pread(CERTIFICATE, LONGEST_CERTIFICATE, 0)
    )
    server = ReplyService(reactor, bindings, factory, settings.drain, [reload.attempt for reload in reloads])
    heed[HURRY] = server.hurry
    Lifeline(reactor, LIFELINE, heed, partial(_stop, reactor)).startReading()  # type: ignore[no-untyped-call]
    return TwistdService(reactor, server, watchers)


def _stop(reactor: IServerReactor) -> None:
    with suppress(ReactorNotRunning):  # It stops already.
        reactor.stop()


def _script(_path: str) -> str:
    """Give the script as the supervisor has last found it to be right, whatever is in its file by now."""
    return os.pread(SCRIPT, os.fstat(SCRIPT).st_size, 0).decode()


def _is_orphan() -> bool:
    """Tell whether the lifeline has ended. The parent's id may still be the same then."""
    os.set_blocking(LIFELINE, False)
    try:
        while os.read(LIFELINE, 1):
            pass
    except BlockingIOError:
        return False
    return True


def main(arguments: list[str]) -> None:
    """Serve until there is a signal, or no supervisor."""
    options = WorkerOptions()
    options.parseOptions(arguments)
    if options.engine is Engine.TWISTED:
        import_module(options["reactor"]).install()
    reactor = start_engine(options.engine)
    sender = Sender(os.fdopen(REPORTS, "wb"))
    globalLogBeginner.beginLoggingTo([sender], redirectStandardIO=False)
    shared_limits = options["shared_limits"] or ""
    try:
        service = _service(reactor, options.settings, int(options["number"]), shared_limits, sender)
    except CannotStart as error:
        # A file has become another since the supervisor looked at it.
        sys.exit(str(error))
    service.privilegedStartService()
    service.startService()
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    reactor.run()
    if shared_limits and _is_orphan():
        # The other workers have it open, and nobody else will ever ask for it.
        shutil.rmtree(Path(shared_limits).parent, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1:])
