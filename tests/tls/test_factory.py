"""The connections of one TLS factory, which share buffers."""

from __future__ import annotations

from twisted.internet.protocol import Factory

from echoreply.tls.factory import TLSFactory
from tests.support.tls_pair import Lines, Pair, any_server_context


def test_connections_that_share_buffers_do_not_mix() -> None:
    uppers = iter([first := Lines(), second := Lines()])
    factory = TLSFactory(Factory.forProtocol(lambda: next(uppers)), any_server_context(), print)
    one, other = Pair(first, factory), Pair(second, factory)
    one.shake_hands()
    other.shake_hands()
    half_of_one, half_of_other = one.client.send(b"a" * 1000), other.client.send(b"b" * 1000)
    for start in range(0, 1100, 7):
        one.tls.dataReceived(half_of_one[start : start + 7])
        other.tls.dataReceived(half_of_other[start : start + 7])
    assert first.told == second.told == []
    assert (one.take(), other.take()) == (b"A" * 1000, b"B" * 1000)
    one.tls.dataReceived(b"\x17\x03\x03\x00\x20" + bytes(32) + b"junk")
    other.tls.dataReceived(other.client.send(b"c"))
    assert other.take() == b"C"
