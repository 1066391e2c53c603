"""What one connection of the web site may do, and for how long."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import Metric
from twisted.internet.address import IPv4Address
from twisted.internet.protocol import connectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http import HTTPChannel

from echoreply.net.file_limits import MAX_WEB_CONNECTIONS
from echoreply.observe.connection_table import ConnectionTable
from echoreply.observe.statistics import ProcessStatistics
from echoreply.web.feed import Feed
from echoreply.web.http import REQUEST_TIMEOUT
from echoreply.web.metrics import Metrics
from echoreply.web.site import site
from tests.support.sample_metrics import OPENMETRICS

PEER = IPv4Address("TCP", "192.0.2.1", 4000)


class SiteTests(SynchronousTestCase):
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

    def test_a_request_that_comes_a_byte_at_a_time_has_no_more_time_than_others(self) -> None:
        channel, transport = self.connect()
        channel.dataReceived(b"GET / HTTP/1.1\r\nX: ")
        self.clock.pump([1] * (REQUEST_TIMEOUT - 1))
        channel.dataReceived(b"y")
        self.assertFalse(transport.disconnected)
        self.clock.advance(1)
        self.assertTrue(transport.disconnected)
        self.assertEqual(transport.value(), b"")

    def test_nor_has_a_body(self) -> None:
        channel, transport = self.connect()
        channel.dataReceived(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(REQUEST_TIMEOUT):
            channel.dataReceived(b"5\r\nhello\r\n")
            self.clock.advance(1)
        self.assertTrue(transport.disconnected)

    def test_an_answer_that_is_not_read_is_given_up(self) -> None:
        channel, transport = self.connect()
        channel.dataReceived(b"GET /uplot.js HTTP/1.0\r\n\r\n")
        self.assertTrue(transport.disconnecting)
        self.clock.pump([1] * (REQUEST_TIMEOUT - 1))
        self.assertFalse(transport.disconnected)
        self.clock.advance(1)
        self.assertTrue(transport.disconnected)

    def test_who_looks_is_told_for_as_long_as_it_reads(self) -> None:
        channel, transport = self.connect()
        channel.dataReceived(b"GET /events HTTP/1.1\r\n\r\n")
        for _ in range(3 * REQUEST_TIMEOUT):
            transport.clear()
            self.clock.advance(1)
            self.assertIn(b"event: beat\n", transport.value())
        self.assertFalse(transport.disconnecting)

    def test_a_connection_is_for_one_request(self) -> None:
        channel, transport = self.connect()
        channel.dataReceived(b"GET /healthz HTTP/1.1\r\n\r\n" * 1000)
        self.assertEqual(transport.value().count(b"HTTP/1.1 "), 1)
        self.assertIn(b"\r\nConnection: close\r\n", transport.value())
        self.assertTrue(transport.disconnecting)

    def test_metrics_are_made_once_a_turn_however_many_ask_and_in_whatever_words(self) -> None:
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

    def test_there_are_no_more_connections_than_that_and_who_goes_leaves_room(self) -> None:
        first, *_ = [self.connect() for _ in range(MAX_WEB_CONNECTIONS)]
        self.assertIsNone(self.site.buildProtocol(PEER))
        first[0].connectionLost(connectionDone)
        self.connect()
        self.assertIsNone(self.site.buildProtocol(PEER))
