"""The line editor's end of one connection."""

from __future__ import annotations

import socket

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from echoreply.client.bridge import ReplyClientFactory, SessionEnd, StdioProtocol
from echoreply.client.editor_link import EditorLink, LineTooLongError, SentLines
from echoreply.client.round_trips import RoundTrips
from echoreply.connect.datagram_transport import MAX_DATAGRAM, DatagramTransport
from echoreply.core.input_lines import Eol
from tests.support.fake_transports import TCPStringTransport


class LinkTestCase(SynchronousTestCase):
    """Has a client whose near end is a link."""

    def setUp(self) -> None:
        self.received: list[bytes] = []
        self.ready = 0
        self.lines = SentLines()
        self.factory = ReplyClientFactory(Clock(), self.connect_stdio, lines=self.lines, wait=1)
        self.client = self.factory.buildProtocol(None)

    def connect_stdio(self, stdio: StdioProtocol) -> None:
        self.link = EditorLink(
            stdio, self.lines, RoundTrips(), 0.0, received=self.received.append, ready=self.became_ready
        )
        stdio.makeConnection(self.link)

    def became_ready(self) -> None:
        self.ready += 1


class LinkTests(LinkTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.socket = TCPStringTransport(self.client)
        self.client.makeConnection(self.socket)

    def test_it_is_ready_only_once_it_was_resumed(self) -> None:
        self.assertEqual((self.link.ready, self.ready), (False, 0))
        self.link.resumeProducing()
        self.assertEqual((self.link.ready, self.ready), (True, 1))

    def test_back_pressure_pauses_it(self) -> None:
        self.link.resumeProducing()
        self.link.send(b"x" * 65536 + b"\n")
        self.assertFalse(self.link.ready)
        self.socket.flush()
        self.assertEqual((self.link.ready, self.ready), (True, 2))

    def test_what_is_sent_and_received_passes_through(self) -> None:
        self.assertEqual(self.link.send(b"hello\n"), b"hello\n")
        self.assertEqual(self.socket.take(), b"hello\n")
        self.client.dataReceived(b"reply\n")
        self.client.dataReceived(b"")
        self.assertEqual(self.received, [b"reply\n"])

    def test_a_line_for_the_client_sends_nothing(self) -> None:
        self.assertEqual(self.link.send(b"quit\n"), b"")
        self.assertTrue(self.link.end_requested)

    def test_exit_requests_the_end(self) -> None:
        self.assertFalse(self.link.end_requested)
        self.link.send(b"exit\n")
        self.assertTrue(self.link.end_requested)

    def test_once_it_is_lost_it_is_never_ready_again(self) -> None:
        self.link.resumeProducing()
        self.socket.lose(ConnectionDone())
        self.assertIs(self.successResultOf(self.factory.done), SessionEnd.CLOSED)
        self.link.resumeProducing()
        self.assertEqual((self.link.ready, self.ready), (False, 1))


class DatagramTests(LinkTestCase):
    def setUp(self) -> None:
        super().setUp()
        peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(peer.close)
        peer.bind(("127.0.0.1", 0))
        self.transport = DatagramTransport(MemoryReactorClock(), IPv4Address("UDP", *peer.getsockname()), Eol.LF)
        self.addCleanup(self.transport.abortConnection)
        self.transport.begin(self.client)

    def test_a_line_that_fits_in_no_datagram_raises_and_is_counted(self) -> None:
        with self.assertRaises(LineTooLongError):
            self.link.send(b"x" * (MAX_DATAGRAM + 1) + b"\n")
        self.assertEqual(self.link.send(b"short\n"), b"short\n")
        self.assertEqual(self.link.too_long, 1)

    def test_one_that_only_the_system_refuses_is_counted_but_stops_no_later_line(self) -> None:
        self.transport.too_long += 1
        self.assertEqual(self.link.send(b"short\n"), b"short\n")
        self.assertEqual(self.link.too_long, 1)
