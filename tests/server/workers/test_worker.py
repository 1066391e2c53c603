"""
A worker's options and its log.

The rest runs in a process that inherits its descriptors: C{tests/end_to_end/test_workers.py}.
"""

from __future__ import annotations

from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from echoreply.core.reasons import RefusalReason
from echoreply.net.listener import Listener
from echoreply.observe.log import LogObserver
from echoreply.observe.totals import Totals
from echoreply.server.settings import Settings
from echoreply.server.workers.worker import WorkerLogObserver, WorkerOptions

HOST = IPv4Address("TCP", "127.0.0.1", 8088)


class OptionsTests(SynchronousTestCase):
    def test_a_worker_has_the_options_of_the_server_and_its_own(self) -> None:
        options = WorkerOptions()
        options.parseOptions(["--number=2", "--reactor=x.y", "--shared_limits=/z", *Settings(port=0).options()])
        self.assertEqual((options["number"], options["reactor"], options["shared_limits"]), ("2", "x.y", "/z"))
        self.assertEqual(options.settings, Settings(port=0))


class LogTests(SynchronousTestCase):
    def logged(self, observer: LogObserver) -> list[str]:
        with capturedLogs() as logs:
            observer.listening(Listener(host=HOST))
            observer.refused(Listener(host=HOST), HOST, RefusalReason.DENIED)
            observer.stopped(Totals())
        return [formatEvent(event) for event in logs]

    def test_only_the_supervisor_logs_addresses_and_totals(self) -> None:
        logged = self.logged(LogObserver(Clock(), 10))
        self.assertEqual(self.logged(WorkerLogObserver(Clock(), 10)), logged[1:-1])
        self.assertIn("127.0.0.1:8088", logged[0])
        self.assertTrue(logged[1:-1])
