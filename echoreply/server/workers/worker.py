"""
A worker process, one of several that serve the same addresses.

Only L{the supervisor <echoreply.server.workers.supervisor>} runs it: C{python -m echoreply.server.workers.worker}.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import cast

from twisted.internet.error import ReactorNotRunning
from twisted.internet.interfaces import IReactorFDSet
from twisted.logger import globalLogBeginner

from echoreply.net.endpoints import IServerReactor
from echoreply.net.errors import CannotStart
from echoreply.server.bindings import listening_addresses
from echoreply.server.compose import ProcessParts, compose_process, process_limit
from echoreply.server.engine import start_engine
from echoreply.server.options import Options
from echoreply.server.settings import Engine, Settings
from echoreply.server.signals import TwistdService
from echoreply.server.workers.inheritance import inherited_certificate, inherited_script, inherited_sockets
from echoreply.server.workers.ipc import Command, CommandReader, Descriptor, ReportWriter, row_id_prefix
from echoreply.server.workers.shared_limits import LimitsDatabase, SharedLimits
from echoreply.server.workers.shared_totals import SharedTotals


class WorkerOptions(Options):
    """The server's options, and those that the supervisor adds."""

    optParameters = [  # noqa: RUF012  # as Twisted declares it
        ["number", None, None, "the number of this worker, from 1"],
        ["reactor", None, None, "the module of the reactor to run"],
        ["shared_limits", None, None, "the path of the database of shared limits, if there are limits"],
    ]


def _compose_worker(
    reactor: IServerReactor, settings: Settings, number: int, shared_limits: str, reports: ReportWriter
) -> TwistdService:
    addresses = list(listening_addresses(settings, inherited_certificate))
    totals = SharedTotals(Descriptor.TOTALS, [address.listener for address in addresses])
    database = LimitsDatabase(Path(shared_limits)) if shared_limits else None
    parts = ProcessParts(
        number=number,
        row_id_prefix=row_id_prefix(number),
        limit=process_limit(reactor, settings),
        shared_limits=[SharedLimits(database, number, settings.max_connections, settings.max_per_host)]
        if database
        else [],
        totals=totals,
        # The supervisor logs the addresses and the totals, once for all workers.
        observers=[reports],
        record_lag=totals.record_lag,
        addresses=addresses,
        inherited=inherited_sockets(len(addresses)),
        read_script=inherited_script,
    )
    server = compose_process(reactor, settings, parts)
    commands: dict[Command, Callable[[], object]] = {Command.SKIP_DRAIN: server.service.skip_drain}
    if (table := server.table) is not None:
        commands[Command.SEND_CONNECTIONS] = lambda: reports.write_changes(table.take_changes())
        commands[Command.RESET_CONNECTIONS] = table.reset
    reader = CommandReader(cast(IReactorFDSet, reactor), Descriptor.COMMANDS, commands, partial(_stop, reactor))
    reader.startReading()  # type: ignore[no-untyped-call]
    return server.top_service(reactor)


def _stop(reactor: IServerReactor) -> None:
    with suppress(ReactorNotRunning):  # The reactor is stopping already.
        reactor.stop()


def _is_orphan() -> bool:
    """Return whether the supervisor has ended: the pipe for commands is closed. The parent id may be unchanged."""
    os.set_blocking(Descriptor.COMMANDS, False)
    try:
        while os.read(Descriptor.COMMANDS, 1):
            pass
    except BlockingIOError:
        return False
    return True


def main(arguments: list[str]) -> None:
    """Serve until a signal, or the end of the supervisor."""
    options = WorkerOptions()
    options.parseOptions(arguments)
    if options.engine is Engine.TWISTED:
        import_module(options["reactor"]).install()
    reactor = start_engine(options.engine)
    reports = ReportWriter(os.fdopen(Descriptor.REPORTS, "wb"))
    globalLogBeginner.beginLoggingTo([reports], redirectStandardIO=False)
    shared_limits = options["shared_limits"] or ""
    try:
        service = _compose_worker(reactor, options.settings, int(options["number"]), shared_limits, reports)
    except CannotStart as error:
        # A file has changed since the supervisor checked it.
        sys.exit(str(error))
    service.privilegedStartService()
    service.startService()
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    reactor.run()
    if shared_limits and _is_orphan():
        # The supervisor no longer removes it. Other workers have it open.
        shutil.rmtree(Path(shared_limits).parent, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1:])
