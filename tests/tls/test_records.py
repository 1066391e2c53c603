"""Records of one connection: how a read of several, of none, or with an end is decrypted."""

from __future__ import annotations

import ssl

from twisted.trial.unittest import SynchronousTestCase

from echoreply.tls.records import Records
from tests.support.tls_pair import any_server_context
from tests.support.tls_peers import Session, client_context


class RecordsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        session = any_server_context().wrap_bio(self.incoming, self.outgoing, server_side=True)
        self.records = Records(session, self.incoming, self.outgoing)
        self.client = Session(client_context())
        while not self.client.shake_hands(self.outgoing.read()):
            self.incoming.write(self.client.take())
            try:
                session.do_handshake()
            except ssl.SSLWantReadError:
                continue
        self.incoming.write(self.client.take())
        session.do_handshake()
        self.client.receive(self.outgoing.read())

    def decrypt(self, data: bytes) -> tuple[bytes, ssl.SSLError | None]:
        """Decrypt a read as a transport does."""
        self.incoming.write(data)
        try:
            pieces, error = [self.records.decrypt(len(data))], None
        except ssl.SSLError as raised:
            pieces, error = [], raised
        result = self.records.decrypt_rest(pieces, len(data), error)
        self.assertEqual(self.incoming.pending, 0, "connections share it")
        return result

    def test_all_records_of_a_read_are_decrypted(self) -> None:
        data = b"".join(map(self.client.send, [b"one", b"two", b"three"]))
        self.assertEqual(self.decrypt(data), (b"onetwothree", None))

    def test_part_of_a_record_waits_for_the_rest(self) -> None:
        data = self.client.send(b"hello")
        self.assertEqual(self.decrypt(data[:7]), (b"", None))
        self.assertEqual(self.decrypt(data[7:]), (b"hello", None))

    def test_a_close_notify_ends_the_bytes_before_it(self) -> None:
        message, error = self.decrypt(self.client.send(b"last") + self.client.goodbye() + b"junk")
        self.assertEqual(message, b"last")
        self.assertIsInstance(error, ssl.SSLZeroReturnError)

    def test_an_invalid_record_is_an_error_after_the_bytes_before_it(self) -> None:
        message, error = self.decrypt(self.client.send(b"good") + b"\x17\x03\x03\x00\x20" + bytes(32))
        self.assertEqual(message, b"good")
        assert error
        self.assertNotIsInstance(error, ssl.SSLZeroReturnError | ssl.SSLWantReadError)

    def test_bytes_of_any_size_are_encrypted_in_order(self) -> None:
        data = bytes(range(256)) * 400
        self.records.encrypt_rest(data, 1000)
        self.assertEqual(self.client.receive(self.outgoing.read()), data[1000:])

    def test_close_notify_ends_our_side(self) -> None:
        self.records.close_notify()
        self.assertEqual(self.client.receive(self.outgoing.read()), b"")
        self.assertTrue(self.client.ended)

    def test_discarded_bytes_reach_nobody(self) -> None:
        self.incoming.write(b"junk")
        self.records.discard()
        self.assertEqual(self.decrypt(self.client.send(b"hello")), (b"hello", None))
