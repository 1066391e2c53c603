"""The supervisor's side of one worker process: its commands, its reports, and its end."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.interfaces import IProcessTransport
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from echoreply.observe.connection_table import Changes
from echoreply.observe.events import WorkerEnded
from echoreply.server.workers.ipc import Command, Descriptor, ReportReader


class WorkerProtocol(ProcessProtocol):
    """
    Sends commands to a worker process, and reads its reports.

    @ivar number: the worker's number, from 1.
    @param serving: called with the number when the worker accepts clients.
    @param changed: called with the changes of the worker's table of connections.
    @param ended: called with the number and the reason when the process has ended and its output has been read.
    @ivar serving: whether the worker accepts clients.
    """

    transport: IProcessTransport

    def __init__(
        self,
        number: int,
        serving: Callable[[int], object],
        changed: Callable[[Changes], object],
        ended: Callable[[int, Failure], object],
    ) -> None:
        self.number = number
        self.serving = False
        self._report_serving = serving
        self._ended = ended
        self._reader = ReportReader(number, self._serves, changed)

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        if childFD == Descriptor.REPORTS:
            self._reader.received(data)
        else:
            self._reader.received_output(data)

    def processEnded(self, reason: Failure) -> None:
        self._reader.end()
        self._ended(self.number, reason)

    def send(self, command: Command) -> None:
        """Send a command, unless the process has ended: a restarted worker does not need it."""
        with suppress(ProcessExitedAlready, KeyError):
            self.transport.writeToChild(Descriptor.COMMANDS, command.value)

    def _serves(self) -> None:
        self.serving = True
        self._report_serving(self.number)


def end_event(number: int, reason: Failure, *, restarts: bool) -> WorkerEnded:
    """Return the log event for the end of a process."""
    ended = partial(WorkerEnded, worker=number, restarts=restarts)
    error = reason.value
    if isinstance(error, ProcessTerminated) and error.signal:
        return ended(signal=signal.Signals(error.signal).name)
    if isinstance(error, ProcessTerminated | ProcessDone):
        return ended(status=error.exitCode or 0)
    return ended(why=reason.getErrorMessage())


@contextmanager
def signals_blocked() -> Iterator[None]:
    """
    Block signals, also in processes that are started meanwhile: signal(7).

    In a worker, SIGINT stays blocked: Ctrl-C reaches all processes of a terminal's group, and the supervisor stops the
    workers. SIGHUP stays blocked until the worker can handle it.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGHUP])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
