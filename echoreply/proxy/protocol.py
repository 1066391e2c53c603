"""What waits for the header of a proxied connection, and then makes way for the client's protocol."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress, IProtocol, IProtocolFactory, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import Attribute, directlyProvides, providedBy

from echoreply.net.timer import Timer
from echoreply.net.transport import IDuplexTransport
from echoreply.proxy.header import BadHeader, read_header

HEADER_SECONDS = 5.0
"""Seconds that a proxy gets to say for whom it has connected. It knows that when it connects."""

HURRIED_SECONDS = 0.2
"""Seconds that are left of them once the server stops."""


class IReplaceableTransport(IDuplexTransport):
    """What the transports of sockets are besides: they leave it to others what protocol they are of."""

    protocol: IProtocol = Attribute("Whom it tells what happens.")
    disconnecting: bool = Attribute("Whether it closes.")


class HeaderProtocol(Protocol):
    """
    Reads the header, and leaves the connection to the protocol of the client that it names.

    @param factory: makes that protocol.
    @param clock: where time comes from, such as the reactor.
    @param tell: is told of a connection without a right header: its peer, and why, for people.
    @param done: is told when this protocol no longer waits.
    """

    transport: IReplaceableTransport

    def __init__(
        self,
        factory: IProtocolFactory,
        clock: IReactorTime,
        tell: Callable[[IAddress, str], object],
        done: Callable[[HeaderProtocol], object],
    ) -> None:
        self._factory = factory
        self._clock = clock
        self._tell = tell
        self._done = done
        self._received = b""
        self._patience = Timer(clock, HEADER_SECONDS, self._too_late)

    def connectionMade(self) -> None:
        """Begin to wait."""
        self._patience.start()

    def dataReceived(self, data: bytes) -> None:
        """Look for the header in what has come."""
        if self.transport.disconnecting:
            return
        self._received += data
        try:
            header = read_header(self._received)
        except BadHeader as error:
            self._fail(f"bad header: {error}")
            return
        if header:
            rest = self._received[header.length :]
            self._make_way(header.source, header.destination, rest)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Say that there was no header."""
        self._patience.stop()
        if not self.transport.disconnecting:
            self._tell(self.transport.getPeer(), "closed before the end of its header")
        self._done(self)

    def hurry(self) -> None:
        """Wait for a moment only."""
        self._patience.stop()
        self._patience = Timer(self._clock, HURRIED_SECONDS, self._too_late)
        self._patience.start()

    def _make_way(self, source: tuple[str, int] | None, destination: tuple[str, int] | None, rest: bytes) -> None:
        self._patience.stop()
        transport = self.transport
        peer, host = _address(source) or transport.getPeer(), _address(destination) or transport.getHost()
        protocol = self._factory.buildProtocol(peer)
        if protocol is None:
            transport.loseConnection()
        else:
            transport.protocol = protocol
            protocol.makeConnection(cast(IDuplexTransport, ProxyTransport(transport, peer, host)))
            if rest:
                protocol.dataReceived(rest)
        self._done(self)

    def _fail(self, why: str) -> None:
        self._tell(self.transport.getPeer(), why)
        self.transport.loseConnection()

    def _too_late(self) -> None:
        self._fail("no header in time")


class ProxyTransport:
    """A transport with other addresses: those of a client and where it has connected to."""

    def __init__(self, transport: IDuplexTransport, peer: IAddress, host: IAddress) -> None:
        self._transport = transport
        self._peer = peer
        self._host = host
        # What every message needs is not looked for.
        self.write = transport.write
        directlyProvides(self, providedBy(transport))

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._transport, name)

    @property
    def bufferSize(self) -> int:
        """Bytes that are read at once."""
        return self._transport.bufferSize

    @bufferSize.setter
    def bufferSize(self, size: int) -> None:
        self._transport.bufferSize = size

    def getPeer(self) -> IAddress:
        """Give the client's address."""
        return self._peer

    def getHost(self) -> IAddress:
        """Give the address that the client has connected to."""
        return self._host


def _address(host_and_port: tuple[str, int] | None) -> IPv4Address | IPv6Address | None:
    if host_and_port is None:
        return None
    host, port = host_and_port
    return (IPv6Address if ":" in host else IPv4Address)("TCP", host, port)
