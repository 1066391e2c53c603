"""
Several server processes on one port, and the service that starts them, again and again, and stops them.

Each worker is C{python -m echoreply.server.workers.worker}, and is handed what it needs as descriptors. The listening
sockets stay open here, too: clients who wait in the queue of a worker that died are served by the next one.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import chain
from math import ceil
from pathlib import Path
from time import time

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.interfaces import IProcessTransport, IReactorProcess
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure
from twisted.runner.procmon import ProcessMonitor

from echoreply.core.connection_info import Ports
from echoreply.core.files import read_text
from echoreply.native.private_names import kill_calls, process_exited
from echoreply.net.addresses import host_and_port
from echoreply.net.binding import listening_on
from echoreply.net.endpoints import IServerReactor
from echoreply.net.errors import CannotStart
from echoreply.net.sockets import listening_sockets
from echoreply.observe.connection_table import Changes
from echoreply.observe.event import log_event
from echoreply.observe.events import WorkerEnded, WorkerStarted
from echoreply.observe.log import LogObserver
from echoreply.observe.merged_table import MergedTable
from echoreply.observe.totals import Totals
from echoreply.server.compose import tcp_listeners
from echoreply.server.reload import Reload
from echoreply.server.rules import rules_of
from echoreply.server.settings import Engine, Settings
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
    Receiver,
    row_prefix,
)
from echoreply.server.workers.shared_limits import LimitsDatabase
from echoreply.server.workers.shared_totals import WorkersTotals

KILL_SECONDS = 2
"""Seconds after C{--drain} that a worker has to end, as a server by itself does within one."""

LONGEST_DELAY = 4
"""Seconds, at most, before a worker is started again that never lives for long; clients wait for it."""


class IWorkersReactor(IServerReactor, IReactorProcess):
    """What a service with worker processes needs of a reactor."""


class WorkerProtocol(ProcessProtocol):
    """Talks with one worker process."""

    transport: IProcessTransport

    def __init__(self, service: Workers, number: int) -> None:
        self._service = service
        self.number = number
        self._receiver = Receiver(number, self._serves, partial(service.table.add, row_prefix(number)))
        self.serves = False

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """Log what the worker says."""
        if childFD == REPORTS:
            self._receiver.sent(data)
        else:
            self._receiver.stray(data)

    def processEnded(self, reason: Failure) -> None:
        """Tell the service, now that all is read."""
        self._receiver.end()
        self._service.ended(self.number, reason)

    def hurry(self) -> None:
        """Ask the worker to wait for no client, also if it has yet to be asked to stop."""
        self.tell(HURRY)

    def tell(self, byte: bytes) -> None:
        """Have the worker heed something that L{echoreply.server.workers.ipc} knows."""
        # One that has ended is followed by another, whom nobody has told anything.
        with suppress(ProcessExitedAlready, KeyError):
            self.transport.writeToChild(LIFELINE, byte)

    def _serves(self) -> None:
        self.serves = True
        self._service.serves(self.number)


class WorkersTable(MergedTable):
    """
    The L{Table <echoreply.observe.connection_table.Table>} of all workers, known a second after it is asked for.

    @param tell: tells all workers something.
    """

    def __init__(self, tell: Callable[[bytes], object]) -> None:
        super().__init__(time)
        self._tell = tell

    def take_changes(self) -> Changes:
        """Give what has changed between the last looks but one, and ask for more."""
        self._tell(LOOK)
        return super().take_changes()

    def reset(self) -> None:
        """Begin anew, and have the workers do so."""
        self._tell(FORGET)
        super().reset()


class Workers(ProcessMonitor):
    """
    Serves with worker processes, and starts those again that end.

    @param reactor: workers on Twisted's engine run one of the same kind.
    @param settings: what each of them is told.
    @param engine: what moves their bytes.
    @ivar table: the connections of all of them.
    @ivar boards: what they have counted, once the service has started.
    """

    protocols: dict[str, WorkerProtocol]  # type: ignore[assignment]
    maxRestartDelay = LONGEST_DELAY

    def __init__(self, reactor: IWorkersReactor, settings: Settings, engine: Engine) -> None:
        super().__init__(reactor)
        self._settings = settings
        self._engine = engine
        self._reactor_name = type(reactor).__module__
        self.killTime = ceil(settings.drain + KILL_SECONDS)
        self._listeners = tcp_listeners(settings)
        self._sockets: list[tuple[socket.socket, ...]] = []
        self._certificate: int | None = None
        self._script: int | None = None
        self._directory: Path | None = None
        self._shared_limits: LimitsDatabase | None = None
        self._observer = LogObserver(reactor, 0)
        self.table = WorkersTable(self.tell)
        self._serving: set[int] | None = set()
        self._stopped: Deferred[None] | None = None
        self._started = False
        self._hurried = False

    def privilegedStartService(self) -> None:
        """
        Listen, while the process may still take any port.

        @raise CannotListen: if the address is taken, or not ours to take.
        """
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        self._listen()

    def startService(self) -> None:
        """
        Listen, unless that has been done, and start the workers.

        @raise CannotListen: if the address is taken, or not ours to take, or if there can be no workers.
        """
        if not self._sockets:
            self._listen()
        self.boards = WorkersTotals([listener for _, listener in self._listeners], self._settings.workers)
        if self._settings.max_connections or self._settings.max_per_host:
            self._directory = Path(tempfile.mkdtemp(prefix="echoreply-"))
            self._shared_limits = LimitsDatabase(self._shared_limits_path)
        for number in range(1, self._settings.workers + 1):
            self.addProcess(_name(number), self._command(number))
        try:
            super().startService()
        except OSError as error:
            with listening_on(self._where):
                raise ValueError(f"a worker can't be started: {error.strerror}: {error.filename!r}") from None
        self._started = True

    def stopService(self) -> Deferred[None]:  # type: ignore[override]
        """
        Stop the workers, all at once.

        @return: fires when none is left, at the latest some three seconds after C{drain} seconds.
        """
        # Theirs are the last now, and with the last a listening socket closes.
        for listening in chain(*self._sockets):
            listening.close()
        super().stopService()
        if self._hurried:
            self.hurry()
        stopped: Deferred[None] = Deferred()
        self._stopped = stopped
        self._look_whether_stopped()
        return stopped

    def hurry(self) -> None:
        """Wait for no client: now, if it is stopping, or when it will."""
        self._hurried = True
        if self.running:
            return
        for protocol in self.protocols.values():
            protocol.hurry()
        for deadline in kill_calls(self):
            if deadline.active() and deadline.getTime() > self._clock.seconds() + KILL_SECONDS:
                deadline.reset(KILL_SECONDS)

    @property
    def reloadable(self) -> bool:
        """Whether there are files that can be read again."""
        return self._settings.tls is not None or bool(self._settings.script)

    def reload(self) -> None:
        """Have the workers read them again, if they can be used."""
        script = self._settings.script
        usable = not script or Reload(f"script {script}", self._keep_script).attempt()
        if not usable and self._settings.tls is None:
            return
        for protocol in self.protocols.values():
            # One that is just being started again reads them anyway.
            with suppress(ProcessExitedAlready):
                protocol.transport.signalProcess("HUP")

    def tell(self, byte: bytes) -> None:
        """Have all workers heed something that L{echoreply.server.workers.ipc} knows."""
        for protocol in self.protocols.values():
            protocol.tell(byte)

    def startProcess(self, name: str) -> None:
        """Start a worker. As a C{ProcessMonitor} does, but with descriptors."""
        number = int(name.removeprefix("worker "))
        protocol = WorkerProtocol(self, number)
        self.protocols[name] = protocol
        self.timeStarted[name] = self._clock.seconds()
        command = self._command(number)
        descriptors: dict[int, int | str] = {
            LIFELINE: "w",
            1: "r",
            2: "r",
            BOARD: self.boards.descriptors[number],
            REPORTS: "r",
        }
        if self._certificate is not None:
            descriptors[CERTIFICATE] = self._certificate
        if self._script is not None:
            descriptors[SCRIPT] = self._script
        for descriptor, listening in enumerate(self._sockets[number - 1], LISTENERS):
            descriptors[descriptor] = listening.fileno()
        try:
            with _without_signals():
                process = self._reactor.spawnProcess(protocol, command[0], command, env=None, childFDs=descriptors)
        except OSError:
            if not self._started:
                raise
            self.ended(number, Failure())
        else:
            log_event(WorkerStarted(worker=number, pid=process.pid))

    def serves(self, number: int) -> None:
        """Take note that a worker serves; when all do for the first time, that is told. For its protocol to call."""
        if self._serving is None:
            return
        self._serving.add(number)
        if len(self._serving) == self._settings.workers:
            self._serving = None
            for _, listener in self._listeners:
                self._observer.listening(listener)

    def ended(self, number: int, reason: Failure) -> None:
        """Take note that a worker has ended, and start it again, or not if we stop. For its protocol to call."""
        name = _name(number)
        self.boards.ended(number)
        self.table.close(row_prefix(number))
        if self.running or not reason.check(ProcessDone):
            log_event(_worker_ended(number, reason, restarts=bool(self.running)))
        process_exited(self, name)
        if self._shared_limits and self.running:
            self._shared_limits.forget(number)
        self._look_whether_stopped()

    @property
    def _shared_limits_path(self) -> Path:
        assert self._directory
        return self._directory / "shared_limits"

    @property
    def _where(self) -> str:
        return " and ".join(host_and_port(self._settings.interface or "*", port) for port, _ in self._listeners)

    def _listen(self) -> None:
        settings = self._settings
        if settings.script:
            try:
                self._keep_script()
            except ValueError as error:
                raise CannotStart(str(error)) from None
        shared = []
        for port, listener in self._listeners:
            with listening_on(host_and_port(settings.interface or "*", port)):
                if listener.layers:
                    self._look_at_certificates()
                sockets = listening_sockets(settings.interface, port, settings.workers)
            kind = IPv6Address if sockets[0].family == socket.AF_INET6 else IPv4Address
            listener.host = kind("TCP", *sockets[0].getsockname())
            shared.append(sockets)
        self._sockets = list(zip(*shared, strict=True))

    def _look_at_certificates(self) -> None:
        """Find out whether the workers can use the files for TLS, and make a certificate for them if there is none."""
        from echoreply.server.certificates import self_signed_certificate, told

        settings = self._settings
        made = b"" if settings.cert else self_signed_certificate(settings.interface)
        told(settings.cert, settings.key, settings.client_ca, settings.alpn, lambda: made)()
        if made:
            self._certificate = _unnamed_file(made)

    def _keep_script(self) -> None:
        """
        Read the script, and keep it for the workers, also for those that are started when its file is wrong.

        @raise ValueError: it can't be read, or is not right.
        """
        text = read_text(self._settings.script)
        rules_of(self._settings, Ports(), read=lambda _path: text)
        if self._script is None:
            self._script = _unnamed_file(b"")
        # Those that run have it open, too.
        os.ftruncate(self._script, 0)
        os.pwrite(self._script, text.encode(), 0)

    def _command(self, number: int) -> list[str]:
        # With -P, since what lies in the working directory is not our code.
        command = [sys.executable, "-P", "-m", "echoreply.server.workers.worker", f"--number={number}"]
        command.append(f"--reactor={self._reactor_name}")
        if self._shared_limits:
            command.append(f"--shared_limits={self._shared_limits_path}")
        # The last word counts.
        return [*command, *self._settings.options(), f"--engine={self._engine.value}"]

    def _look_whether_stopped(self) -> None:
        if self.protocols or not self._stopped:
            return
        stopped, self._stopped = self._stopped, None
        self.boards.close()
        for descriptor in (self._certificate, self._script):
            if descriptor is not None:
                os.close(descriptor)
        if self._shared_limits:
            self._shared_limits.close()
        if self._directory:
            shutil.rmtree(self._directory, ignore_errors=True)
        self._observer.stopped(sum(self.boards.totals().values(), Totals()))
        stopped.callback(None)


def _unnamed_file(data: bytes) -> int:
    """Give the descriptor of a file that nobody else can find."""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        return os.dup(file.fileno())


def _name(number: int) -> str:
    return f"worker {number}"


def _worker_ended(number: int, reason: Failure, *, restarts: bool) -> WorkerEnded:
    ended = partial(WorkerEnded, worker=number, restarts=restarts)
    error = reason.value
    if isinstance(error, ProcessTerminated) and error.signal:
        return ended(signal=signal.Signals(error.signal).name)
    if isinstance(error, ProcessTerminated | ProcessDone):
        return ended(status=error.exitCode or 0)
    return ended(why=reason.getErrorMessage())


@contextmanager
def _without_signals() -> Iterator[None]:
    """
    Hold signals back, also in a process that is started meanwhile, as signal(7) has it.

    SIGINT for good: Ctrl-C reaches the whole group on a terminal, and the workers are stopped by their supervisor.
    SIGHUP until a worker knows what it means.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGHUP])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
