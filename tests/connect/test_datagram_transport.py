"""Datagrams on loopback, where what is sent has arrived at once; the reactor does nothing but take note."""

from __future__ import annotations

import errno
import socket

from twisted.internet import error
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectError, ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import IReadWriteDescriptor
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from echoreply.connect.datagram_transport import DatagramTransport
from echoreply.core.input_lines import Eol
from echoreply.net.transport import IDuplexTransport
from tests.support.fake_transports import Remembering


class Upper(Remembering):
    """Expects no end of the peer."""

    def readConnectionLost(self) -> None:
        raise AssertionError("there is no such end")

    def writeConnectionLost(self) -> None:
        self.told.append("sent")

    def stopProducing(self) -> None:
        raise AssertionError("it ends by itself")


class DatagramTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(self.peer.close)
        self.peer.bind(("127.0.0.1", 0))
        self.peer.setblocking(False)
        self.reactor = MemoryReactorClock()
        self.upper = Upper()
        self.transport = DatagramTransport(self.reactor, IPv4Address("UDP", *self.peer.getsockname()), Eol.LF)
        self.addCleanup(self.transport.abortConnection)
        self.transport.begin(self.upper)

    def run_reactor(self) -> None:
        """Let the transport do all that it wants to."""
        while self.transport in self.reactor.getWriters():
            self.transport.doWrite()
        if self.transport in self.reactor.getReaders():
            self.transport.doRead()

    def sent(self) -> list[bytes]:
        """Return the datagrams that have been sent."""
        self.run_reactor()
        datagrams = []
        while True:
            try:
                datagrams.append(self.peer.recv(70_000))
            except BlockingIOError:
                return datagrams

    def answer(self, data: bytes) -> None:
        self.peer.sendto(data, self.transport._socket.getsockname())

    def test_the_interfaces_are_there(self) -> None:
        verifyObject(IDuplexTransport, self.transport)
        verifyObject(IReadWriteDescriptor, self.transport)
        self.assertEqual(self.transport.getPeer().port, self.peer.getsockname()[1])
        self.assertEqual(self.transport.getHost().host, "127.0.0.1")
        self.assertEqual(self.transport.logPrefix(), "Upper (UDP)")
        self.transport.setTcpNoDelay(True)
        self.transport.setTcpKeepAlive(True)
        self.assertTrue(self.transport.getTcpNoDelay())
        self.assertFalse(self.transport.getTcpKeepAlive())

    def test_a_line_is_a_datagram_however_it_was_cut_or_joined(self) -> None:
        self.transport.write(b"a\nb\r\n\nc")
        self.assertEqual(self.sent(), [b"a\n", b"b\r\n", b"\n"])
        self.transport.writeSequence([b"d", b"\n", b"rest"])
        self.assertEqual(self.sent(), [b"cd\n"])
        self.transport.loseWriteConnection()
        self.assertEqual(self.upper.told, [])
        self.assertEqual(self.sent(), [b"rest"])
        self.assertEqual(self.upper.told, ["sent"])
        self.transport.write(b"late\n")
        self.assertEqual(self.sent(), [])

    def test_with_nothing_left_all_is_sent_at_once(self) -> None:
        self.transport.loseWriteConnection()
        self.assertEqual(self.upper.told, ["sent"])

    def test_each_that_comes_is_passed_on_by_itself(self) -> None:
        for data in (b"one", b"", b"two"):
            self.answer(data)
        self.run_reactor()
        self.assertEqual(self.upper.received, [b"one", b"", b"two"])

    def test_while_it_is_paused_nothing_is_read(self) -> None:
        self.answer(b"one")
        self.transport.pauseProducing()
        self.transport.doRead()
        self.assertEqual(self.upper.received, [])
        self.transport.resumeProducing()
        self.run_reactor()
        self.assertEqual(self.upper.received, [b"one"])

    def test_its_producer_waits_while_too_much_does(self) -> None:
        self.transport.registerProducer(self.upper, True)
        self.transport.write(b"x" * 40_000 + b"\n")
        self.assertEqual(self.upper.told, [])
        self.transport.write(b"y" * 40_000 + b"\n")
        self.assertEqual(self.upper.told, ["pause"])
        self.assertEqual([len(datagram) for datagram in self.sent()], [40_001, 40_001])
        self.assertEqual(self.upper.told, ["pause", "resume"])
        self.transport.unregisterProducer()

    def test_a_line_that_is_too_long_is_counted_and_no_other_lost(self) -> None:
        self.transport.write(b"a\n" + b"x" * 65_507 + b"\nb\n")
        for _ in range(10):
            self.transport.write(b"y" * 65_536)
        self.assertLess(len(self.transport._unfinished), 70_000, "what will not be sent is not kept")
        self.transport.write(b"\nc\n")
        self.assertEqual(self.sent(), [b"a\n", b"b\n", b"c\n"])
        self.assertEqual(self.transport.too_long, 2)

    def test_a_system_may_have_a_lower_limit(self) -> None:
        self.fail_to_send(errno.EMSGSIZE)
        self.transport.write(b"a\n")
        self.transport.doWrite()
        self.assertEqual(self.transport.too_long, 1)

    def test_when_the_system_has_no_room_it_tries_again(self) -> None:
        for number in (errno.EWOULDBLOCK, errno.ENOBUFS):
            real = self.fail_to_send(number)
            self.transport.write(b"a\n")
            self.transport.doWrite()
            self.transport._socket = real
            self.assertEqual(self.sent(), [b"a\n"])

    def fail_to_send(self, number: int) -> socket.socket:
        """Have sending fail; give the socket with which it would not."""
        real = self.transport._socket

        class Failing:
            def send(self, _data: bytes) -> int:
                raise OSError(number, "failed")

            def __getattr__(self, name: str) -> object:
                return getattr(real, name)

        self.transport._socket = Failing()  # type: ignore[assignment]
        return real

    def refuse(self) -> None:
        """Close the peer, and send a datagram to it."""
        self.peer.close()
        self.transport.write(b"x\n")
        self.transport.doWrite()

    def test_a_refusal_is_seen_when_it_reads(self) -> None:
        self.refuse()
        self.transport.doRead()
        self.assertIsInstance(self.upper.reason, error.ConnectionRefusedError)
        self.assertEqual(self.reactor.getReaders() + self.reactor.getWriters(), [])
        self.transport.write(b"late\n")
        self.transport.doWrite()

    def test_a_refusal_is_seen_when_it_sends(self) -> None:
        self.refuse()
        self.transport.write(b"y\n")
        self.transport.doWrite()
        self.assertIsInstance(self.upper.reason, error.ConnectionRefusedError)

    def test_a_refusal_that_only_the_reactor_saw_is_one_too(self) -> None:
        self.refuse()
        self.transport.connectionLost(Failure(ConnectionDone()))
        self.assertIsInstance(self.upper.reason, error.ConnectionRefusedError)

    def test_datagrams_before_a_refusal_are_delivered_though_it_is_reported_first(self) -> None:
        self.answer(b"last words")
        self.transport.pauseProducing()
        self.refuse()
        self.transport.write(b"y\n")
        self.transport.doWrite()
        self.assertIsNone(self.upper.reason, "who is paused is told nothing")
        self.transport.resumeProducing()
        self.assertEqual(self.upper.received, [b"last words"])
        self.assertIsInstance(self.upper.reason, error.ConnectionRefusedError)

    def test_closing_sends_the_rest(self) -> None:
        self.transport.write(b"a\nrest")
        self.transport.loseConnection()
        self.assertIsNone(self.upper.reason)
        self.assertEqual(self.sent(), [b"a\n", b"rest"])
        self.assertIsInstance(self.upper.reason, ConnectionDone)

    def test_to_stop_is_to_close(self) -> None:
        self.transport.stopProducing()
        self.assertIsInstance(self.upper.reason, ConnectionDone)

    def test_aborting_drops_it(self) -> None:
        self.transport.write(b"a\n")
        self.transport.abortConnection()
        self.assertIsInstance(self.upper.reason, ConnectionAborted)
        self.assertEqual(self.sent(), [])

    def test_an_unreachable_peer_raises(self) -> None:
        with self.assertRaises(ConnectError):
            # No socket but one that asked for it may send there: ip(7).
            DatagramTransport(self.reactor, IPv4Address("UDP", "255.255.255.255", 1), Eol.LF)

    def test_a_line_is_counted_as_it_is_sent(self) -> None:
        self.transport._eol = Eol.NONE
        self.transport.write(b"\n" + b"x" * 65_507 + b"\r\n")
        self.assertEqual(self.sent(), [b"", b"x" * 65_507])
