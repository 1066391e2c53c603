"""The records of a test's server."""

from __future__ import annotations

from twisted.internet.address import IPv4Address
from twisted.trial.unittest import SynchronousTestCase

from echoreply.core.framing import Block
from echoreply.core.reasons import EndReason
from echoreply.observe.observer import Connection
from echoreply.testing.recorder import ReceivedConnection, Recorder

HOST = IPv4Address("TCP", "127.0.0.1", 8088)


def connection_from(port: int) -> Connection:
    return Connection(port, IPv4Address("TCP", "127.0.0.1", port), HOST)


class RecorderTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.changes = 0
        self.recorder = Recorder(self.note_change)
        self.connection = connection_from(4000)
        self.recorder.opened(self.connection)

    def note_change(self) -> None:
        self.changes += 1

    def test_messages_are_kept_without_their_terminators(self) -> None:
        self.recorder.answered(self.connection, Block(b"a\nb\r\n\n\r\rd\r\r\n", 4))
        self.recorder.answered(self.connection, Block(b"e\n", 1))
        self.recorder.answered(self.connection, Block(b"f\r\n", 1))
        self.assertEqual(self.recorder.messages, [b"a", b"b", b"", b"\r\rd", b"e", b"f"])

    def test_a_message_that_nothing_terminates_is_kept_whole(self) -> None:
        self.recorder.answered(self.connection, Block(b"a\r", 1))
        self.assertEqual(self.recorder.messages, [b"a\r"])

    def test_messages_of_all_connections_are_kept_in_their_order_and_of_each_by_itself(self) -> None:
        other = connection_from(4001)
        self.recorder.opened(other)
        for connection, message in (self.connection, b"a\n"), (other, b"b\n"), (self.connection, b"c\n"):
            self.recorder.answered(connection, Block(message, 1))
        self.assertEqual(self.recorder.messages, [b"a", b"b", b"c"])
        self.assertEqual([seen.messages for seen in self.recorder.connections], [[b"a", b"c"], [b"b"]])

    def test_a_connection_tells_its_peer_its_bytes_and_why_it_ended(self) -> None:
        self.connection.received = 5
        self.recorder.answered(self.connection, Block(b"a\n", 1))
        self.assertEqual(self.recorder.connections, [ReceivedConnection(("127.0.0.1", 4000), [b"a"], 5)])
        self.recorder.closed(self.connection, EndReason.RESET)
        self.assertEqual([seen.ended for seen in self.recorder.connections], [EndReason.RESET])

    def test_returned_values_are_copies(self) -> None:
        messages, connections = self.recorder.messages, self.recorder.connections
        self.recorder.answered(self.connection, Block(b"a\n", 1))
        self.recorder.closed(self.connection, EndReason.CLIENT)
        self.assertEqual((messages, connections[0].messages, connections[0].ended), ([], [], None))

    def test_every_event_is_a_change(self) -> None:
        self.recorder.answered(self.connection, Block(b"a\n", 1))
        self.recorder.closed(self.connection, EndReason.CLIENT)
        self.assertEqual(self.changes, 3)
