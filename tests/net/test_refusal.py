"""Clients over the limit: they get one line, and are not waited for long."""

from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from echoreply.net.refusal import REFUSAL_SECONDS, RefusalProtocol
from tests.support.fake_transports import TCPStringTransport


class RefusalProtocolTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.closed: list[RefusalProtocol] = []

    def connect(self, *, linger: bool = True) -> tuple[RefusalProtocol, TCPStringTransport]:
        protocol = RefusalProtocol(self.clock, "too many connections", linger=linger, closed=self.closed.append)
        transport = TCPStringTransport(protocol)
        protocol.makeConnection(transport)
        return protocol, transport

    def assert_closed(self, protocol: RefusalProtocol) -> None:
        self.assertEqual(self.closed, [protocol])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_it_is_half_closeable(self) -> None:
        verifyObject(IHalfCloseableProtocol, self.connect()[0])

    def test_the_client_gets_an_error_line_and_may_close_first(self) -> None:
        protocol, transport = self.connect()
        self.assertEqual(transport.take(), b"server error: too many connections\n")
        self.assertTrue(transport.write_closed)
        transport.flush()
        self.assertFalse(transport.disconnecting)
        protocol.readConnectionLost()
        self.assertTrue(transport.disconnecting)
        transport.flush()
        self.assert_closed(protocol)

    def test_without_lingering_the_connection_is_closed_after_the_line(self) -> None:
        protocol, transport = self.connect(linger=False)
        self.assertEqual(transport.take(), b"server error: too many connections\n")
        self.assertTrue(transport.disconnecting)
        transport.flush()
        self.assert_closed(protocol)

    def test_a_client_that_keeps_sending_is_disconnected_after_the_timeout(self) -> None:
        protocol, transport = self.connect()
        transport.flush()
        for _ in range(4):
            protocol.dataReceived(b"x")
            self.assertFalse(transport.disconnecting)
            self.clock.advance(REFUSAL_SECONDS / 4)
        self.assertTrue(transport.disconnecting)
        transport.flush()
        self.assert_closed(protocol)

    def test_a_client_that_does_not_read_the_line_is_aborted(self) -> None:
        protocol, _ = self.connect()
        self.clock.advance(REFUSAL_SECONDS)
        self.assert_closed(protocol)

    def test_disconnecting_closes_after_the_line_and_resets_before_it(self) -> None:
        protocol, transport = self.connect()
        transport.flush()
        protocol.disconnect()
        self.assertTrue(transport.disconnecting)
        self.assertEqual(self.closed, [])
        other, _ = self.connect()
        other.disconnect()
        self.assert_not_open(other)

    def test_aborting_resets_at_once(self) -> None:
        protocol, _ = self.connect()
        protocol.abort()
        self.assert_closed(protocol)

    def test_a_lost_connection_leaves_no_timer(self) -> None:
        protocol, transport = self.connect()
        transport.lose(ConnectionLost())
        self.assert_closed(protocol)

    def assert_not_open(self, protocol: RefusalProtocol) -> None:
        self.assertIn(protocol, self.closed)
