"""The service of the monitoring site."""

from __future__ import annotations

from typing import Any

from twisted.internet.testing import MemoryReactorClock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import Site

from echoreply.net.errors import CannotListen
from echoreply.observe.connection_table import ConnectionTable
from echoreply.observe.statistics import ProcessStatistics
from echoreply.web.service import WebService


class WebServiceTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor: Any = MemoryReactorClock()

    def service(self, description: str) -> WebService:
        clock = self.reactor.seconds
        table = ConnectionTable(clock, clock)
        return WebService(self.reactor, description, ProcessStatistics(lambda: False), table, "twisted", 1)

    def test_it_listens_once_whether_it_starts_with_privileges_or_not(self) -> None:
        for privileged in (True, False):
            self.reactor.tcpServers.clear()
            service = self.service("tcp:9101:interface=127.0.0.1")
            if privileged:
                service.privilegedStartService()
            service.startService()
            ((port, site, _, interface),) = self.reactor.tcpServers
            self.assertEqual((port, interface, isinstance(site, Site)), (9101, "127.0.0.1", True))
            self.successResultOf(service.stopService())

    def test_its_address_is_logged_in_the_next_turn(self) -> None:
        service = self.service("tcp:9101:interface=127.0.0.1")
        service.startService()
        with capturedLogs() as logs:
            self.reactor.advance(0)
        self.assertRegex(" ".join(formatEvent(event) or "" for event in logs), r"http://\S+:9101/")

    def test_it_may_be_stopped_before_it_has_started(self) -> None:
        self.successResultOf(self.service("tcp:0").stopService())

    def test_a_wrong_description_is_an_error_that_names_it(self) -> None:
        with self.assertRaises(CannotListen) as caught:
            self.service("nonsense:x")
        self.assertIn("cannot listen on nonsense:x: ", str(caught.exception))
