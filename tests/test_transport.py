"""What the kernel knows of a transport."""

from twisted.internet.protocol import Protocol
from twisted.trial.unittest import SynchronousTestCase

from echoreply.transport import unread
from tests.transports import SocketStringTransport, TCPStringTransport, receive_queue


class UnreadTests(SynchronousTestCase):
    def test_the_bytes_that_wait_in_the_receive_queue_are_counted(self) -> None:
        with receive_queue() as (ours, theirs):
            transport = SocketStringTransport(Protocol(), ours)
            self.assertEqual(unread(transport), 0)
            theirs.sendall(b"hello")
            self.assertEqual(unread(transport), 5)
            ours.recv(2)
            self.assertEqual(unread(transport), 3)

    def test_a_transport_without_a_socket_has_none(self) -> None:
        self.assertEqual(unread(TCPStringTransport(Protocol())), 0)
