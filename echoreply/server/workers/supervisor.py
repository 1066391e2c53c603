"""
The supervisor of a server in several processes: it starts the workers, restarts those that end, and stops them.

A worker is C{python -m echoreply.server.workers.worker}, and inherits sockets and files as descriptors. The listening
sockets stay open in the supervisor, so that a restarted worker serves the clients in the queue of the one that died.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from math import ceil
from pathlib import Path
from time import time

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessExitedAlready
from twisted.internet.interfaces import IReactorProcess
from twisted.python.failure import Failure
from twisted.runner.procmon import ProcessMonitor

from echoreply.native.private_names import kill_calls, process_exited
from echoreply.net.binding import report_listen_errors
from echoreply.net.endpoints import IServerReactor
from echoreply.observe.connection_table import Changes
from echoreply.observe.event_logging import log_event
from echoreply.observe.events import WorkerStarted
from echoreply.observe.log import ServerLogObserver
from echoreply.observe.merged_table import MergedTable
from echoreply.observe.totals import Totals
from echoreply.server.reload import Reload
from echoreply.server.settings import Engine, Settings
from echoreply.server.workers.inheritance import Inheritance
from echoreply.server.workers.ipc import Command, Descriptor, row_id_prefix
from echoreply.server.workers.process import WorkerProtocol, end_event, signals_blocked
from echoreply.server.workers.shared_limits import LimitsDatabase
from echoreply.server.workers.shared_totals import WorkersTotals

KILL_SECONDS = 2
"""Seconds within which a worker has to end after the drain. It should take one second."""

MAX_RESTART_DELAY = 4
"""Maximum seconds before a worker that keeps ending early is restarted: clients wait in its queue."""


class IWorkersReactor(IServerReactor, IReactorProcess):
    """The interfaces that a supervisor needs of a reactor."""


class WorkersTable(MergedTable):
    """
    The L{Table <echoreply.observe.connection_table.Table>} of all workers. A change is in it one read later.

    @param send: sends a command to all workers.
    """

    def __init__(self, send: Callable[[Command], object]) -> None:
        super().__init__(time)
        self._send = send

    def take_changes(self) -> Changes:
        self._send(Command.SEND_CONNECTIONS)
        return super().take_changes()

    def reset(self) -> None:
        self._send(Command.RESET_CONNECTIONS)
        super().reset()


class Supervisor(ProcessMonitor):
    """
    Runs worker processes that serve clients, and restarts those that end.

    @param reactor: workers on Twisted's engine run a reactor of the same kind.
    @param settings: the settings of each worker.
    @param engine: the I/O engine of each worker.
    @ivar table: the connections of all workers.
    @ivar totals: the totals of all workers, once the service has started.
    """

    protocols: dict[str, WorkerProtocol]  # type: ignore[assignment]
    maxRestartDelay = MAX_RESTART_DELAY

    def __init__(self, reactor: IWorkersReactor, settings: Settings, engine: Engine) -> None:
        super().__init__(reactor)
        self._settings = settings
        self._engine = engine
        self._reactor_name = type(reactor).__module__
        self.killTime = ceil(settings.drain + KILL_SECONDS)
        self._inheritance = Inheritance(settings)
        self._directory: Path | None = None
        self._shared_limits: LimitsDatabase | None = None
        self._log = ServerLogObserver(lambda: sum(self.totals.totals().values(), Totals()))
        self.table = WorkersTable(self._send_to_all)
        self._not_serving_yet = set(range(1, settings.workers + 1))
        self._stopped: Deferred[None] | None = None
        self._started = False
        self._skips_drain = False

    def privilegedStartService(self) -> None:
        """
        Open the sockets, while the process may still bind any port.

        @raise CannotStart: an address is in use or not available, or a file can't be used.
        """
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        self._inheritance.open()

    def startService(self) -> None:
        """
        Open the sockets, unless C{privilegedStartService} has, and start the workers.

        @raise CannotStart: an address is in use or not available, a file can't be used, or no worker can be started.
        """
        if not self._inheritance.addresses:
            self._inheritance.open()
        self.totals = WorkersTotals(self._inheritance.listeners, self._settings.workers)
        if self._settings.max_connections or self._settings.max_per_host:
            self._directory = Path(tempfile.mkdtemp(prefix="echoreply-"))
            self._shared_limits = LimitsDatabase(self._shared_limits_path)
        for number in range(1, self._settings.workers + 1):
            self.addProcess(_name(number), self._command(number))
        try:
            super().startService()
        except OSError as error:
            self._inheritance.close_sockets()
            with report_listen_errors(" and ".join(address.where for address in self._inheritance.addresses)):
                raise ValueError(f"a worker can't be started: {error.strerror}: {error.filename!r}") from None
        self._started = True

    def stopService(self) -> Deferred[None]:  # type: ignore[override]
        """
        Stop all workers at the same time.

        @return: fires when no worker is left, about three seconds after the drain at the latest.
        """
        self._inheritance.close_sockets()
        super().stopService()
        if self._skips_drain:
            self.skip_drain()
        stopped: Deferred[None] = Deferred()
        self._stopped = stopped
        self._finish_stop()
        return stopped

    def skip_drain(self) -> None:
        """Make the workers abort all connections: at once if they are stopping, or else as soon as they stop."""
        self._skips_drain = True
        if self.running:
            return
        self._send_to_all(Command.SKIP_DRAIN)
        for deadline in kill_calls(self):
            if deadline.active() and deadline.getTime() > self._clock.seconds() + KILL_SECONDS:
                deadline.reset(KILL_SECONDS)

    @property
    def reloadable(self) -> bool:
        """Whether there are files to reload."""
        return self._inheritance.reads_certificates or bool(self._settings.script)

    def reload(self) -> None:
        """Make the workers reload their files. An invalid script is logged, and not passed to them."""
        script = self._settings.script
        usable = not script or Reload(f"script {script}", self._inheritance.read_script).attempt()
        if not usable and not self._inheritance.reads_certificates:
            return
        for worker in self.protocols.values():
            # A restarted worker reads the files anyway.
            with suppress(ProcessExitedAlready):
                worker.transport.signalProcess("HUP")

    def startProcess(self, name: str) -> None:
        """Start a worker as ProcessMonitor does, with descriptors to inherit."""
        number = int(name.removeprefix("worker "))
        worker = WorkerProtocol(
            number, self._worker_serves, partial(self.table.add, row_id_prefix(number)), self._worker_ended
        )
        self.protocols[name] = worker
        self.timeStarted[name] = self._clock.seconds()
        command = self._command(number)
        descriptors: dict[int, int | str] = {
            Descriptor.COMMANDS: "w",
            Descriptor.OUTPUT: "r",
            Descriptor.ERRORS: "r",
            Descriptor.TOTALS: self.totals.descriptors[number],
            Descriptor.REPORTS: "r",
            **self._inheritance.descriptors(number),
        }
        try:
            with signals_blocked():
                process = self._reactor.spawnProcess(worker, command[0], command, env=None, childFDs=descriptors)
        except OSError:
            if not self._started:
                raise
            self._worker_ended(number, Failure())
        else:
            log_event(WorkerStarted(worker=number, pid=process.pid))

    @property
    def _shared_limits_path(self) -> Path:
        assert self._directory
        return self._directory / "shared_limits"

    def _send_to_all(self, command: Command) -> None:
        for worker in self.protocols.values():
            worker.send(command)

    def _worker_serves(self, number: int) -> None:
        """Log the listening addresses once all workers accept clients."""
        if number not in self._not_serving_yet:
            return
        self._not_serving_yet.discard(number)
        if not self._not_serving_yet:
            for listener in self._inheritance.listeners:
                self._log.listening(listener)

    def _worker_ended(self, number: int, reason: Failure) -> None:
        """Store the totals of a worker that has ended, and restart it unless the service is stopping."""
        self.totals.worker_ended(number)
        self.table.close(row_id_prefix(number))
        if self.running or not reason.check(ProcessDone):
            log_event(end_event(number, reason, restarts=bool(self.running)))
        process_exited(self, _name(number))
        if self._shared_limits and self.running:
            self._shared_limits.reset(number)
        self._finish_stop()

    def _command(self, number: int) -> list[str]:
        # With -P, so that modules in the working directory are not imported.
        command = [sys.executable, "-P", "-m", "echoreply.server.workers.worker", f"--number={number}"]
        command.append(f"--reactor={self._reactor_name}")
        if self._shared_limits:
            command.append(f"--shared_limits={self._shared_limits_path}")
        # The last value of an option applies.
        return [*command, *self._settings.options(), f"--engine={self._engine.value}"]

    def _finish_stop(self) -> None:
        """Release everything once the service is stopping and the last worker has ended."""
        if self.protocols or not self._stopped:
            return
        stopped, self._stopped = self._stopped, None
        self.totals.close()
        self._inheritance.close_files()
        if self._shared_limits:
            self._shared_limits.close()
        if self._directory:
            shutil.rmtree(self._directory, ignore_errors=True)
        self._log.stopped()
        stopped.callback(None)


def _name(number: int) -> str:
    return f"worker {number}"
