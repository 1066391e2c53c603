"""A worker process, one of several servers on a port: C{python -m echoreply.worker}, for L{echoreply.workers} only."""

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

from echoreply.admission import Admission
from echoreply.assembly import reply_factory, tcp_listeners, tcp_roads
from echoreply.daemon import TwistdService
from echoreply.descriptors import connections_allowed
from echoreply.endpoint import IServerReactor
from echoreply.engine import Engine, start_engine
from echoreply.lag import LoopLag
from echoreply.listeners import AdoptedServerEndpoint
from echoreply.log import LogObserver
from echoreply.observer import IReplyObserver, Listener
from echoreply.options import Options
from echoreply.reasons import CloseReason
from echoreply.relay import Sender
from echoreply.roster import MOST_ROWS, Roster
from echoreply.scoreboard import Scoreboard
from echoreply.service import ReplyService
from echoreply.settings import Settings
from echoreply.starting import CannotStart
from echoreply.stopwatch import Stopwatch
from echoreply.tally import SharedAdmission, Tally
from echoreply.totals import Totals
from echoreply.wiring import BOARD, CERTIFICATE, FORGET, HURRY, LIFELINE, LISTENERS, LOOK, REPORTS, SCRIPT, row_prefix

LONGEST_CERTIFICATE = 65536


class WorkerOptions(Options):
    """The server's options, and what a worker is told besides."""

    optParameters = [  # noqa: RUF012  # as Twisted declares it
        ["number", None, None, "which worker this is, from 1"],
        ["reactor", None, None, "the module whose reactor to run"],
        ["tally", None, None, "the path of what the workers hold together, if that is limited"],
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


def _service(reactor: IServerReactor, settings: Settings, number: int, tally: str, sender: Sender) -> TwistdService:
    stopwatch = Stopwatch(reactor) if settings.web else None
    own = Admission(connections_allowed(reactor, settings.max_connections))
    log = WorkerLogObserver(reactor, settings.log_messages, part=(number, settings.workers))
    listeners = tcp_listeners(settings)
    board = Scoreboard(BOARD, [listener for _, listener in listeners])
    observers: list[IReplyObserver] = [own, board, sender, log]
    heed: dict[bytes, Callable[[], object]] = {}
    watchers = []
    if stopwatch:
        roster = Roster(stopwatch.now, time, MOST_ROWS // settings.workers, row_prefix(number))
        observers.append(roster)
        heed[LOOK] = lambda: sender.send_changes(roster.look())
        heed[FORGET] = roster.forget
        watchers.append(LoopLag(reactor, stopwatch.now, board.lagged))
    refusals = [own.refusal]
    if tally:
        shared = SharedAdmission(Tally(Path(tally)), number, settings.max_connections, settings.max_per_host)
        # Its place is free before anybody is told that a client has gone.
        observers.insert(0, shared)
        # It has taken a place when it says yes, so it comes last.
        refusals.append(shared.refusal)

    def refusal(peer: IAddress) -> CloseReason | None:
        return next(filter(None, (ask(peer) for ask in refusals)), None)

    factory, renewals = reply_factory(reactor, settings, refusal, observers, _script, stopwatch)
    descriptors = count(LISTENERS)

    def endpoint(_port: int) -> AdoptedServerEndpoint:
        return AdoptedServerEndpoint(reactor, next(descriptors))

    roads = tcp_roads(settings, factory, listeners, endpoint, lambda: os.pread(CERTIFICATE, LONGEST_CERTIFICATE, 0))
    server = ReplyService(reactor, roads, factory, settings.drain, renewals)
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
    options.parseOptions(arguments)  # type: ignore[no-untyped-call]
    if options.engine is Engine.TWISTED:
        import_module(options["reactor"]).install()
    reactor = start_engine(options.engine)
    sender = Sender(os.fdopen(REPORTS, "wb"))
    globalLogBeginner.beginLoggingTo([sender], redirectStandardIO=False)
    tally = options["tally"] or ""
    try:
        service = _service(reactor, options.settings, int(options["number"]), tally, sender)
    except CannotStart as error:
        # A file has become another since the supervisor looked at it.
        sys.exit(str(error))
    service.privilegedStartService()
    service.startService()
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    reactor.run()
    if tally and _is_orphan():
        # The other workers have it open, and nobody else will ever ask for it.
        shutil.rmtree(Path(tally).parent, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1:])
