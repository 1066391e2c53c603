"""The supervisor's side of a worker process."""

from __future__ import annotations

import io
import signal
from typing import Any
from unittest import skipUnless

from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from echoreply.net.listener import Listener
from echoreply.server.workers.ipc import Command, Descriptor, ReportWriter
from echoreply.server.workers.process import WorkerProtocol, end_event, signals_blocked


class Transport:
    def __init__(self) -> None:
        self.written: list[tuple[int, bytes]] = []
        self.error: Exception | None = None

    def writeToChild(self, descriptor: int, data: bytes) -> None:
        if self.error:
            raise self.error
        self.written.append((descriptor, data))


class WorkerProtocolTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.served: list[int] = []
        self.ended: list[int] = []
        self.worker = WorkerProtocol(
            3, self.served.append, lambda _changes: None, lambda number, _reason: self.ended.append(number)
        )
        self.transport: Any = Transport()
        assert isinstance(self.worker, ProcessProtocol)
        self.worker.makeConnection(self.transport)

    def test_a_worker_that_reports_so_serves(self) -> None:
        report = io.BytesIO()
        ReportWriter(report).listening(Listener())
        self.assertFalse(self.worker.serving)
        self.worker.childDataReceived(Descriptor.REPORTS, report.getvalue())
        self.assertEqual((self.worker.serving, self.served), (True, [3]))

    def test_its_output_is_logged_also_an_unfinished_line_at_its_end(self) -> None:
        with capturedLogs() as logs:
            self.worker.childDataReceived(Descriptor.ERRORS, b"one\ntw")
            self.worker.childDataReceived(Descriptor.OUTPUT, b"o")
            self.worker.processEnded(Failure(ProcessDone(0)))
        self.assertEqual([formatEvent(event) for event in logs], ["worker 3: one", "worker 3: two"])
        self.assertEqual(self.ended, [3])

    def test_a_command_to_a_worker_that_has_ended_is_dropped(self) -> None:
        self.worker.send(Command.SEND_CONNECTIONS)
        for error in (ProcessExitedAlready(), KeyError(0)):
            self.transport.error = error
            self.worker.send(Command.SKIP_DRAIN)
        self.assertEqual(self.transport.written, [(Descriptor.COMMANDS, Command.SEND_CONNECTIONS.value)])


class EndTests(SynchronousTestCase):
    def test_the_event_has_the_status_the_signal_or_the_reason(self) -> None:
        for reason, text in (
            (ProcessDone(0), "worker 1 ended with status 0"),
            (ProcessTerminated(exitCode=3), "worker 1 ended with status 3"),
            (ProcessTerminated(signal=signal.SIGKILL), "worker 1 was killed by SIGKILL"),
            (OSError("no memory"), "worker 1 could not be started: no memory"),
        ):
            self.assertEqual(str(end_event(1, Failure(reason), restarts=False)), text)
            self.assertEqual(str(end_event(1, Failure(reason), restarts=True)), f"{text}, and is started again")


@skipUnless(hasattr(signal, "pthread_sigmask"), "signals can't be blocked")
class SignalTests(SynchronousTestCase):
    def blocked(self) -> set[int]:
        return set(signal.pthread_sigmask(signal.SIG_BLOCK, []))

    def test_signals_are_blocked_meanwhile_and_not_afterwards(self) -> None:
        before = self.blocked()
        with self.assertRaises(ZeroDivisionError), signals_blocked():
            self.assertEqual(self.blocked(), before | {signal.SIGINT, signal.SIGHUP})
            raise ZeroDivisionError
        self.assertEqual(self.blocked(), before)
