"""The addresses, the socket and its options, of a transport on top of another."""

from __future__ import annotations

from tests.support.tls_pair import Pair


def test_socket_options_and_addresses_are_forwarded() -> None:
    pair = Pair()
    pair.tls.setTcpNoDelay(True)
    pair.tls.setTcpKeepAlive(True)
    pair.tls.bufferSize = 1234
    assert (pair.lower.no_delay, pair.lower.keep_alive, pair.lower.bufferSize) == (True, True, 1234)
    assert pair.tls.getTcpNoDelay()
    assert pair.tls.getTcpKeepAlive()
    assert pair.tls.getPeer() == pair.lower.getPeer()
    assert pair.tls.getHost() == pair.lower.getHost()
    assert pair.tls.getHandle() is None
    assert pair.tls.logPrefix() == "Upper (TLS)"
