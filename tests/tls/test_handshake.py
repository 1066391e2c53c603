"""What is held until a handshake is complete."""

from __future__ import annotations

import ssl

import pytest
from twisted.trial.unittest import SynchronousTestCase

from echoreply.tls.handshake import Handshake
from echoreply.tls.records import Records
from tests.support.tls_pair import any_server_context
from tests.support.tls_peers import Session, client_context


class HandshakeTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        session = any_server_context().wrap_bio(self.incoming, self.outgoing, server_side=True)
        self.handshake = Handshake(Records(session, self.incoming, self.outgoing))

    def test_advance_returns_whether_the_handshake_is_complete(self) -> None:
        client = Session(client_context())
        done = client.shake_hands()
        while not done:
            self.incoming.write(client.take())
            self.assertFalse(self.handshake.advance())
            done = client.shake_hands(self.outgoing.read())
        self.incoming.write(client.take())
        self.assertTrue(self.handshake.advance())

    def test_bytes_that_are_not_tls_raise_an_error(self) -> None:
        self.incoming.write(b"hello\n")
        with pytest.raises(ssl.SSLError):
            self.handshake.advance()

    def test_hold_reports_exceeding_the_limit_once(self) -> None:
        pieces = [b"12345", b"67890", b"1", b"2"]
        self.assertEqual([self.handshake.hold(piece, 10) for piece in pieces], [False, False, True, False])
        self.assertEqual(self.handshake.held, pieces)
