"""
A worker's options.

The rest runs in a process that inherits its descriptors: C{tests/end_to_end/test_workers.py}.
"""

from __future__ import annotations

from twisted.internet.address import IPv4Address
from twisted.trial.unittest import SynchronousTestCase

from echoreply.server.settings import Settings
from echoreply.server.workers.worker import WorkerOptions

HOST = IPv4Address("TCP", "127.0.0.1", 8088)


class OptionsTests(SynchronousTestCase):
    def test_a_worker_has_the_options_of_the_server_and_its_own(self) -> None:
        options = WorkerOptions()
        options.parseOptions(["--number=2", "--reactor=x.y", "--shared_limits=/z", *Settings(port=0).options()])
        self.assertEqual((options["number"], options["reactor"], options["shared_limits"]), ("2", "x.y", "/z"))
        self.assertEqual(options.settings, Settings(port=0))
