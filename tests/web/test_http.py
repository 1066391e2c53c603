"""The limits of one connection to the monitoring site, and of all."""

from __future__ import annotations

from twisted.internet.protocol import connectionDone

from echoreply.net.file_limits import MAX_WEB_CONNECTIONS
from echoreply.web.http import REQUEST_TIMEOUT
from tests.web.test_site import PEER, SiteTestCase


class ConnectionTests(SiteTestCase):
    def test_a_request_sent_byte_by_byte_has_the_same_timeout(self) -> None:
        channel, transport = self.connect()
        channel.dataReceived(b"GET / HTTP/1.1\r\nX: ")
        self.clock.pump([1] * (REQUEST_TIMEOUT - 1))
        channel.dataReceived(b"y")
        self.assertFalse(transport.disconnected)
        self.clock.advance(1)
        self.assertTrue(transport.disconnected)
        self.assertEqual(transport.value(), b"")

    def test_a_body_sent_byte_by_byte_has_the_same_timeout(self) -> None:
        channel, transport = self.connect()
        channel.dataReceived(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(REQUEST_TIMEOUT):
            channel.dataReceived(b"5\r\nhello\r\n")
            self.clock.advance(1)
        self.assertTrue(transport.disconnected)

    def test_a_response_that_is_not_read_is_aborted(self) -> None:
        channel, transport = self.connect()
        channel.dataReceived(b"GET /uplot.js HTTP/1.0\r\n\r\n")
        self.assertTrue(transport.disconnecting)
        self.clock.pump([1] * (REQUEST_TIMEOUT - 1))
        self.assertFalse(transport.disconnected)
        self.clock.advance(1)
        self.assertTrue(transport.disconnected)

    def test_a_connection_is_closed_after_one_request(self) -> None:
        channel, transport = self.connect()
        channel.dataReceived(b"GET /healthz HTTP/1.1\r\n\r\n" * 1000)
        self.assertEqual(transport.value().count(b"HTTP/1.1 "), 1)
        self.assertIn(b"\r\nConnection: close\r\n", transport.value())
        self.assertTrue(transport.disconnecting)

    def test_the_number_of_connections_is_limited(self) -> None:
        first, *_ = [self.connect() for _ in range(MAX_WEB_CONNECTIONS)]
        self.assertIsNone(self.site.buildProtocol(PEER))
        first[0].connectionLost(connectionDone)
        self.connect()
        self.assertIsNone(self.site.buildProtocol(PEER))
