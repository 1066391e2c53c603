"""The protocol that reads a connection's PROXY header, and then hands the connection over to the client's protocol."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, cast

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress, IProtocol, IProtocolFactory, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import Attribute, directlyProvides, providedBy

from echoreply.net.timer import Timer
from echoreply.net.transport import IDuplexTransport
from echoreply.proxy.header import Header, InvalidHeader, parse_header

HEADER_TIMEOUT = 5.0
"""Seconds after which a connection without a header is closed. Proxies send it immediately after connecting."""

DRAIN_HEADER_TIMEOUT = 0.2
"""Seconds for the header once the server is stopping."""


class IReplaceableTransport(IDuplexTransport):
    """A socket's transport, whose protocol can be replaced."""

    protocol: IProtocol = Attribute("The protocol that receives the events of the connection.")


class State(Enum):
    """The state of a connection with a PROXY header."""

    WAITING = "waiting"
    """The header is not complete."""
    HANDED_OVER = "handed over"
    """The header was valid, and the client's protocol has the connection, unless its factory has refused it."""
    CLOSING = "closing"
    """There is no valid header, and the connection is being closed. Further bytes are dropped."""
    LOST = "lost"
    """The connection is gone."""


class HeaderProtocol(Protocol):
    """
    Reads the header, and hands the connection over to the protocol of the client that it names.

    @param factory: builds the client's protocol.
    @param clock: the source of time, such as the reactor.
    @param report_failure: called with the peer and the reason, for people, if there is no valid header.
    @param done: called with this protocol when it no longer waits.
    """

    transport: IReplaceableTransport

    def __init__(
        self,
        factory: IProtocolFactory,
        clock: IReactorTime,
        report_failure: Callable[[IAddress, str], object],
        done: Callable[[HeaderProtocol], object],
    ) -> None:
        self._factory = factory
        self._clock = clock
        self._report_failure = report_failure
        self._done = done
        self._state = State.WAITING
        self._received = b""
        self._timeout = Timer(clock, HEADER_TIMEOUT, self._timed_out)

    def connectionMade(self) -> None:
        self._timeout.start()

    def dataReceived(self, data: bytes) -> None:
        if self._state is not State.WAITING:
            return
        self._received += data
        try:
            header = parse_header(self._received)
        except InvalidHeader as error:
            self._fail(f"invalid header: {error}")
            return
        if header:
            self._hand_over(header)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._timeout.stop()
        if self._state is State.WAITING:
            self._report_failure(self.transport.getPeer(), "closed before the end of the header")
        self._state = State.LOST
        self._done(self)

    def shorten_timeout(self) -> None:
        """Shorten the time for the header to L{DRAIN_HEADER_TIMEOUT} seconds from now."""
        if self._state is State.WAITING:
            self._timeout.stop()
            self._timeout = Timer(self._clock, DRAIN_HEADER_TIMEOUT, self._timed_out)
            self._timeout.start()

    def _hand_over(self, header: Header) -> None:
        self._timeout.stop()
        self._state = State.HANDED_OVER
        transport = self.transport
        peer = _address(header.source) or transport.getPeer()
        host = _address(header.destination) or transport.getHost()
        protocol = self._factory.buildProtocol(peer)
        if protocol is None:
            transport.loseConnection()
        else:
            transport.protocol = protocol
            protocol.makeConnection(cast(IDuplexTransport, ProxyTransport(transport, peer, host)))
            if rest := self._received[header.length :]:
                protocol.dataReceived(rest)
        self._done(self)

    def _fail(self, reason: str) -> None:
        self._timeout.stop()
        self._state = State.CLOSING
        self._report_failure(self.transport.getPeer(), reason)
        self.transport.loseConnection()

    def _timed_out(self) -> None:
        self._fail("no header in time")


class ProxyTransport:
    """A transport that reports the addresses of the header: the client's, and the one that it has connected to."""

    def __init__(self, transport: IDuplexTransport, peer: IAddress, host: IAddress) -> None:
        self._transport = transport
        self._peer = peer
        self._host = host
        # An attribute, since __getattr__ would be slower for every message.
        self.write = transport.write
        directlyProvides(self, providedBy(transport))

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._transport, name)

    @property
    def bufferSize(self) -> int:
        return self._transport.bufferSize

    @bufferSize.setter
    def bufferSize(self, size: int) -> None:
        self._transport.bufferSize = size

    def getPeer(self) -> IAddress:
        return self._peer

    def getHost(self) -> IAddress:
        return self._host


def _address(host_and_port: tuple[str, int] | None) -> IPv4Address | IPv6Address | None:
    if host_and_port is None:
        return None
    host, port = host_and_port
    return (IPv6Address if ":" in host else IPv4Address)("TCP", host, port)
