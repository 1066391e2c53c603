"""The supervisor, which starts, restarts and stops workers."""

import re
import signal
from typing import Any, cast

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import ILogObserver, LogEvent, eventAsText, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from echoreply.net.errors import CannotListen
from echoreply.net.listener import Listener
from echoreply.server.settings import Engine, Settings
from echoreply.server.workers.ipc import Command, Descriptor, ReportWriter
from echoreply.server.workers.supervisor import KILL_SECONDS, MAX_RESTART_DELAY, Supervisor


@define
class FakeProcess:
    protocol: ProcessProtocol
    command: list[str]
    pid: int
    signals: list[str] = field(factory=list)
    written: list[tuple[int, bytes]] = field(factory=list)
    ended: bool = False

    def signalProcess(self, name: str) -> None:
        if self.ended:
            raise ProcessExitedAlready
        self.signals.append(name)

    def writeToChild(self, descriptor: int, data: bytes) -> None:
        self.written.append((descriptor, data))

    def end(self, reason: Exception | None = None) -> None:
        self.ended = True
        self.protocol.processEnded(Failure(reason or ProcessDone(0)))

    def serve(self) -> None:
        writer = ReportWriter(self)  # type: ignore[arg-type]
        writer.listening(Listener())

    def write(self, data: bytes) -> None:
        self.protocol.childDataReceived(Descriptor.REPORTS, data)

    def flush(self) -> None:
        pass


class Reactor(MemoryReactorClock):
    """A reactor in memory that pretends to start processes."""

    def __init__(self) -> None:
        super().__init__()
        self.processes: list[FakeProcess] = []
        self.failing: OSError | None = None

    def spawnProcess(self, protocol: ProcessProtocol, executable: str, args: Any, **_: object) -> FakeProcess:  # noqa: ANN401
        if self.failing:
            raise self.failing
        process = FakeProcess(protocol, args, 100 + len(self.processes))
        self.processes.append(process)
        protocol.makeConnection(process)
        return process


class WorkersTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor: Any = Reactor()
        self.events: list[LogEvent] = []
        observer = cast(ILogObserver, self.events.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    @property
    def log(self) -> list[str]:
        return [eventAsText(event, includeTimestamp=False, includeSystem=False) for event in self.events]

    def start(self, **options: Any) -> Supervisor:  # noqa: ANN401
        service = Supervisor(
            self.reactor, Settings(port=0, interface="127.0.0.1", workers=2, drain=10, **options), Engine.TWISTED
        )
        service.startService()
        self.addCleanup(self.stop, service)
        return service

    def stop(self, service: Supervisor) -> None:
        if service.running:
            service.stopService()
        for process in self.reactor.processes:
            if not process.ended:
                process.end()

    def test_each_worker_gets_its_number_and_the_settings(self) -> None:
        self.start(prefix=b"\xff")
        for number, process in enumerate(self.reactor.processes, 1):
            self.assertIn(f"--number={number}", process.command)
            self.assertIn(f"--reactor={__name__}", process.command)
            self.assertIn("--workers=2", process.command)
            self.assertIn("--prefix=\udcff", process.command)
            self.assertNotIn("--shared_limits", str(process.command))

    def test_sighup_is_passed_to_workers_with_tls(self) -> None:
        self.assertFalse(self.start().reloadable)
        service = self.start(tls=0)
        self.assertTrue(service.reloadable)
        ended, *others = self.reactor.processes[2:]
        ended.ended = True
        service.reload()
        self.assertEqual([process.signals for process in (ended, *others)], [[], ["HUP"]])
        ended.ended = False

    def test_listening_is_logged_once_when_all_workers_serve(self) -> None:
        self.start()
        first, second = self.reactor.processes
        first.serve()
        first.end()
        self.reactor.advance(1)
        self.reactor.processes[-1].serve()
        self.assertNotIn("listening", str(self.log))
        second.serve()
        second.end()
        self.reactor.advance(1)
        self.reactor.processes[-1].serve()
        self.assertEqual(len(re.findall(r"listening on 127\.0\.0\.1:\d+", str(self.log))), 1)

    def test_a_worker_that_ends_is_restarted_immediately_or_later_if_it_ends_early(self) -> None:
        self.start()
        self.reactor.advance(10)
        self.reactor.processes[0].end(ProcessTerminated(signal=signal.SIGKILL))
        self.assertEqual(self.log[-1], "worker 1 was killed by SIGKILL, and is started again")
        self.reactor.advance(0)
        self.assertEqual(self.log[-1], "worker 1 started, process 102")
        for _ in range(5):
            self.reactor.processes[-1].end(ProcessTerminated(exitCode=1))
            self.assertEqual(self.log[-1], "worker 1 ended with status 1, and is started again")
            count = len(self.reactor.processes)
            self.reactor.pump([MAX_RESTART_DELAY / 4] * 4)
            self.assertEqual(len(self.reactor.processes), count + 1)

    def test_starting_a_worker_is_retried_while_the_server_runs(self) -> None:
        self.start()
        self.reactor.advance(10)
        self.reactor.failing = OSError(11, "Resource temporarily unavailable")
        self.reactor.processes[0].end(ProcessTerminated(signal=signal.SIGSEGV))
        self.reactor.advance(0)
        self.assertIn("worker 1 could not be started: ", self.log[-1])
        self.reactor.failing = None
        self.reactor.advance(MAX_RESTART_DELAY)
        self.assertEqual(len(self.reactor.processes), 3)

    def test_a_worker_that_can_not_be_started_prevents_the_start(self) -> None:
        self.reactor.failing = OSError(13, "Permission denied", "/python")
        with self.assertRaises(CannotListen) as caught:
            self.start()
        self.assertIn("a worker can't be started: Permission denied: '/python'", str(caught.exception))

    def test_stopping_ends_all_workers_and_waits_for_them(self) -> None:
        service = self.start()
        stopped: Deferred[None] = service.stopService()
        for process in self.reactor.processes:
            self.assertNoResult(stopped)
            self.assertEqual((process.signals, process.written), (["TERM"], []))
            process.end()
        self.successResultOf(stopped)
        self.assertTrue(self.log[-1].startswith("stopped: accepted 0, open 0, ended 0, refused 0, "))
        self.reactor.advance(100)
        self.assertEqual(len(self.reactor.processes), 2)

    def test_stopping_cancels_the_restart_of_a_worker(self) -> None:
        service = self.start()
        first, second = self.reactor.processes
        first.end(ProcessTerminated(exitCode=1))
        stopped = service.stopService()
        second.end()
        self.successResultOf(stopped)
        self.reactor.advance(100)
        self.assertEqual(len(self.reactor.processes), 2)

    def test_a_worker_that_does_not_stop_is_killed(self) -> None:
        service = self.start()
        stopped = service.stopService()
        first, second = self.reactor.processes
        first.end()
        self.reactor.advance(10 + KILL_SECONDS)
        self.assertEqual((first.signals, second.signals), (["TERM"], ["TERM", "KILL"]))
        second.end(ProcessTerminated(signal=signal.SIGKILL))
        self.assertIn("worker 2 was killed by SIGKILL", self.log)
        self.successResultOf(stopped)

    def test_skipping_the_drain_is_sent_to_all_workers_which_are_soon_killed(self) -> None:
        service = self.start()
        service.stopService()
        service.skip_drain()
        for process in self.reactor.processes:
            self.assertEqual(process.written, [(Descriptor.COMMANDS, Command.SKIP_DRAIN.value)])
        self.reactor.advance(KILL_SECONDS)
        for process in self.reactor.processes:
            self.assertEqual(process.signals, ["TERM", "KILL"])

    def test_the_drain_can_be_skipped_before_the_stop(self) -> None:
        service = self.start()
        service.skip_drain()
        self.assertEqual(self.reactor.processes[0].written, [])
        service.stopService()
        self.assertEqual(self.reactor.processes[0].written, [(Descriptor.COMMANDS, Command.SKIP_DRAIN.value)])

    def test_the_database_of_limits_is_removed_at_the_end(self) -> None:
        service = self.start(max_connections=5)
        (path,) = re.findall("--shared_limits=([^']+)", str(self.reactor.processes[0].command))
        with open(path, "rb") as database:
            self.assertTrue(database.read(6), b"SQLite")
        self.stop(service)
        with self.assertRaises(FileNotFoundError):
            open(path, "rb").close()
