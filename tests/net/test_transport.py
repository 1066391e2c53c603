"""Socket options of connections, and the kernel's queues."""

import socket
import sys
from typing import cast

from twisted.internet.protocol import Protocol
from twisted.internet.tcp import Port
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from echoreply.net.transport import ImmediateServer, at_end, set_socket_options, unread, unsent
from tests.support.fake_transports import SocketStringTransport, TCPStringTransport, receive_queue


class PrepareTests(SynchronousTestCase):
    def test_connections_inherit_the_options_of_the_listening_socket(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            set_socket_options(listener)
            with socket.create_connection(listener.getsockname()), listener.accept()[0] as ours:
                self.assertTrue(ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
                self.assertTrue(ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
                if sys.platform == "linux":
                    options = (
                        socket.TCP_KEEPIDLE,
                        socket.TCP_KEEPINTVL,
                        socket.TCP_KEEPCNT,
                        socket.TCP_NOTSENT_LOWAT,
                    )
                    values = [ours.getsockopt(socket.IPPROTO_TCP, option) for option in options]
                    self.assertEqual(values, [60, 15, 4, 65536])

    def test_other_sockets_keep_their_options(self) -> None:
        with receive_queue() as (ours, _):
            set_socket_options(ours)


class ImmediateServerTests(SynchronousTestCase):
    def test_bytes_that_fit_are_written_immediately_and_the_rest_in_order(self) -> None:
        reactor = MemoryReactorClock()
        with receive_queue() as (ours, theirs):
            ours.setblocking(False)
            connection = ImmediateServer(ours, Protocol(), ("192.0.2.1", 4000), cast(Port, None), 0, reactor)
            connection.write(b"hello")
            self.assertNotIn(connection, reactor.getWriters())
            self.assertEqual(theirs.recv(16), b"hello")

            sent = bytes(range(256)) * 65536
            connection.write(sent)
            connection.write(b"the end")
            self.assertIn(connection, reactor.getWriters())
            received = bytearray()
            while not received.endswith(b"the end"):
                received += theirs.recv(1 << 20)
                connection.doWrite()
            self.assertTrue(received == sent + b"the end")


class UnreadTests(SynchronousTestCase):
    def test_bytes_in_the_receive_queue_are_counted(self) -> None:
        with receive_queue() as (ours, theirs):
            transport = SocketStringTransport(Protocol(), ours)
            self.assertEqual(unread(transport), 0)
            theirs.sendall(b"hello")
            self.assertEqual(unread(transport), 5)
            ours.recv(2)
            self.assertEqual(unread(transport), 3)

    def test_a_transport_without_a_socket_has_none(self) -> None:
        self.assertEqual(unread(TCPStringTransport(Protocol())), 0)


class UnsentTests(SynchronousTestCase):
    def test_bytes_that_the_peer_has_not_taken_are_counted(self) -> None:
        with receive_queue() as (ours, theirs):
            transport = SocketStringTransport(Protocol(), ours)
            self.assertEqual(unsent(transport), 0)
            ours.send(b"hello")
            if sys.platform == "linux":
                self.assertGreater(unsent(transport), 0)
            theirs.recv(5)
            self.assertEqual(unsent(transport), 0)

    def test_a_transport_without_a_socket_has_none(self) -> None:
        self.assertEqual(unsent(TCPStringTransport(Protocol())), 0)


class AtEndTests(SynchronousTestCase):
    def test_a_half_closed_connection_is_at_its_end_once_all_bytes_are_read(self) -> None:
        with receive_queue() as (ours, theirs):
            transport = SocketStringTransport(Protocol(), ours)
            self.assertFalse(at_end(transport))
            theirs.sendall(b"a")
            theirs.shutdown(socket.SHUT_WR)
            self.assertFalse(at_end(transport))
            ours.recv(1)
            self.assertTrue(at_end(transport))
            self.assertTrue(at_end(transport), "looking changes nothing")

    def test_a_transport_without_a_socket_is_never_at_its_end(self) -> None:
        self.assertFalse(at_end(TCPStringTransport(Protocol())))
