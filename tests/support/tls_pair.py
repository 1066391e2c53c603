"""A TLS connection in memory: a C{TLSTransport} of this package, and a client of Python's C{ssl}."""

from __future__ import annotations

import ssl
from functools import cache

from twisted.internet.address import IPv4Address
from twisted.internet.protocol import Factory, Protocol

from echoreply.tls.certificate import make_certificate
from echoreply.tls.context import context_of_pem
from echoreply.tls.factory import TLSFactory
from echoreply.tls.transport import TLSTransport
from tests.support.fake_transports import Remembering, TCPStringTransport
from tests.support.tls_peers import Session, client_context


@cache
def any_server_context() -> ssl.SSLContext:
    """Return a context with a self-signed certificate."""
    return context_of_pem(make_certificate())


class Upper(Remembering):
    transport: TLSTransport

    @property
    def data(self) -> bytes:
        return b"".join(self.received)


class Lines(Upper):
    """A protocol that answers every read."""

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        self.transport.write(data.upper())


class Lower(TCPStringTransport):
    """A transport that may be closed while a producer is registered."""

    def loseConnection(self) -> None:
        self.disconnecting = True

    def loseWriteConnection(self) -> None:
        self.write_closed = True


class Pair:
    """
    A client and a server's transport. Bytes wait in each until the test passes them to the other.

    @param connected: whether the server's end is connected to its transport.
    """

    def __init__(
        self, upper: Protocol | None = None, factory: TLSFactory | None = None, *, connected: bool = True
    ) -> None:
        self.failures: list[str] = []
        self.upper = upper or Upper()
        self.tls = self.build(factory)
        self.lower = Lower(self.tls)  # type: ignore[arg-type]  # it needs no more of it
        if connected:
            self.tls.makeConnection(self.lower)
        self.client = Session(client_context())

    def build(self, factory: TLSFactory | None) -> TLSTransport:
        plain = Factory.forProtocol(lambda: self.upper)
        built = (
            factory or TLSFactory(plain, any_server_context(), lambda _, reason: self.failures.append(reason))
        ).buildProtocol(IPv4Address("TCP", "192.0.2.1", 4000))
        assert built
        return built

    def shake_hands(self) -> bytes:
        """Complete the handshake; return the data that arrives with its end."""
        while not self.client.shake_hands(self.lower.take()):
            self.tls.dataReceived(self.client.take())
        self.tls.dataReceived(self.client.take())
        return self.client.receive(self.lower.take())

    def take(self) -> bytes:
        return self.client.receive(self.lower.take())
