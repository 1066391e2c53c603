"""The paths of the monitoring site."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import Metric
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http import HTTPChannel

from echoreply.observe.connection_table import ConnectionTable
from echoreply.observe.statistics import ProcessStatistics
from echoreply.web.feed import Feed
from echoreply.web.metrics import Metrics
from echoreply.web.site import site
from tests.support.sample_metrics import OPENMETRICS

PEER = IPv4Address("TCP", "192.0.2.1", 4000)


class SiteTestCase(SynchronousTestCase):
    """Has a site and its feed, on a clock."""

    def setUp(self) -> None:
        self.clock = Clock()
        statistics = ProcessStatistics(lambda: False)
        self.feed = Feed(
            self.clock, self.clock.seconds, statistics, ConnectionTable(self.clock.seconds, self.clock.seconds), {}
        )
        self.feed.startService()
        self.site = site(self.clock, statistics, self.feed, Metrics(statistics, "twisted", several=False))

    def connect(self) -> tuple[HTTPChannel, StringTransport]:
        channel = self.site.buildProtocol(PEER)
        assert isinstance(channel, HTTPChannel)
        transport = StringTransport()
        channel.makeConnection(transport)
        return channel, transport


class MetricsCacheTests(SiteTestCase):
    def test_metrics_are_collected_once_per_turn_whatever_the_number_of_requests(self) -> None:
        made = []
        collect = Metrics.collect

        def counting(metrics: Metrics) -> Iterator[Metric]:
            made.append(metrics)
            return collect(metrics)

        self.patch(Metrics, "collect", counting)
        for turn in (1, 2):
            for accept in (
                b"text/plain",
                b"\xff",
                b"application/openmetrics-text; version=1.0.0, x",
                OPENMETRICS.encode(),
            ):
                channel, transport = self.connect()
                channel.dataReceived(b"GET /metrics HTTP/1.1\r\nAccept: " + accept + b"\r\n\r\n")
                self.assertIn(b"echoreply_build_info", transport.value())
                self.assertEqual(b"# EOF\n" in transport.value(), b"openmetrics" in accept)
            self.assertEqual(len(made), 2 * turn, "once in each format")
            self.clock.advance(0)
