"""The stream of the feed's events."""

from __future__ import annotations

from echoreply.web.event_stream import MAX_STREAMS
from echoreply.web.http import REQUEST_TIMEOUT
from tests.web.test_site import SiteTestCase


class EventStreamTests(SiteTestCase):
    def test_a_viewer_gets_events_for_as_long_as_it_reads(self) -> None:
        channel, transport = self.connect()
        channel.dataReceived(b"GET /events HTTP/1.1\r\n\r\n")
        for _ in range(3 * REQUEST_TIMEOUT):
            transport.clear()
            self.clock.advance(1)
            self.assertIn(b"event: beat\n", transport.value())
        self.assertFalse(transport.disconnecting)

    def test_the_number_of_streams_is_limited(self) -> None:
        for _ in range(MAX_STREAMS):
            channel, _ = self.connect()
            channel.dataReceived(b"GET /events HTTP/1.1\r\n\r\n")
        channel, transport = self.connect()
        channel.dataReceived(b"GET /events HTTP/1.1\r\n\r\n")
        self.assertIn(b" 503 ", transport.value().partition(b"\r\n")[0])
        self.assertTrue(transport.value().endswith(b"too many viewers\n"))

    def test_events_are_dropped_while_the_client_does_not_read_and_then_the_whole_state_is_sent(self) -> None:
        channel, transport = self.connect()
        channel.dataReceived(b"GET /events HTTP/1.1\r\n\r\n")
        producer = transport.producer
        assert producer
        producer.pauseProducing()
        transport.clear()
        self.clock.pump([1] * 3)
        self.assertEqual(transport.value(), b"")
        producer.resumeProducing()
        self.clock.advance(1)
        self.assertIn(b"event: state\n", transport.value())
