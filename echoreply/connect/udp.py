"""UDP, as a transport for a protocol that speaks in lines: each line is a datagram, and each datagram is shown."""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Iterable
from errno import EMSGSIZE, ENOBUFS, EWOULDBLOCK
from typing import cast

from attrs import frozen
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import (
    ConnectError,
    ConnectionAborted,
    ConnectionDone,
    DNSLookupError,
    NoProtocol,
    getConnectError,
)
from twisted.internet.interfaces import (
    IAddress,
    IHalfCloseableProtocol,
    IHostResolution,
    IProducer,
    IProtocol,
    IProtocolFactory,
    IPushProducer,
    IReactorFDSet,
    IReactorPluggableNameResolver,
    IReactorTime,
    IReadWriteDescriptor,
    IResolutionReceiver,
    IStreamClientEndpoint,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from echoreply.core.input_lines import Eol, with_eol
from echoreply.net.transport import IDuplexTransport

LONGEST_DATAGRAM = 65507
"""Bytes in a datagram, at most: what the 65,535 of an IPv4 packet leave beside its header and UDP's. RFC 768, 791."""

READS_AT_ONCE = 64


class IDatagramReactor(IReactorFDSet, IReactorPluggableNameResolver, IReactorTime):
    """What UDP needs of a reactor."""


@implementer(IStreamClientEndpoint)
@frozen
class DatagramClientEndpoint:
    """
    Gives a protocol a UDP socket that is connected with the first address of a host: udp(7).

    @ivar eol: what each line that the protocol writes is sent with.
    """

    _reactor: IDatagramReactor
    _host: str
    _port: int
    _eol: Eol

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Look up the host, and connect the protocol.

        @return: the protocol, or a failure with L{DNSLookupError}, L{ConnectError
            <twisted.internet.error.ConnectError>}, or if there can't be such a host, L{ValueError}.
        """
        try:
            # So the resolver would, whose thread keeps that error for itself.
            self._host.encode("idna")
        except UnicodeError as error:
            return fail(ValueError(f"invalid hostname: {error}"))

        def connect(addresses: list[IPv4Address | IPv6Address]) -> IProtocol:
            if not addresses:
                raise DNSLookupError(self._host)
            protocol = protocolFactory.buildProtocol(addresses[0])
            if protocol is None:
                raise NoProtocol
            DatagramTransport(self._reactor, addresses[0], self._eol).begin(protocol)
            return protocol

        receiver = Addresses()
        self._reactor.nameResolver.resolveHostName(receiver, self._host, self._port, transportSemantics="UDP")
        return receiver.complete.addCallback(connect)


@implementer(IResolutionReceiver)
class Addresses:
    """
    Collects a host's addresses.

    @ivar complete: fires with them, in the order in which they are to be tried.
    """

    def __init__(self) -> None:
        self._addresses: list[IPv4Address | IPv6Address] = []
        self.complete: Deferred[list[IPv4Address | IPv6Address]] = Deferred()

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        """Do nothing: it can't be stopped."""

    def addressResolved(self, address: IAddress) -> None:
        assert isinstance(address, IPv4Address | IPv6Address)
        self._addresses.append(address)

    def resolutionComplete(self) -> None:
        self.complete.callback(self._addresses)


def _socket_address(address: IPv4Address | IPv6Address) -> tuple[str | int, ...]:
    if isinstance(address, IPv6Address):
        return address.host, address.port, address.flowInfo, address.scopeID
    return address.host, address.port


@implementer(IDuplexTransport, IReadWriteDescriptor)
class DatagramTransport:
    """
    A UDP socket that looks like a connection.

    What the protocol writes is cut at each LF; closing the sending side sends what is left. What comes is passed on as
    it is, from nobody but the peer. There is no end that the peer could tell. When the system tells that nobody takes
    datagrams there (ICMP), the connection is lost.

    @param peer: where datagrams go, and whose are received.
    @param eol: what each line is sent with.
    @ivar too_long: how many lines were not sent since they are longer than a datagram can be.
    @raise ConnectError: there is no way to that peer.
    """

    bufferSize = 65536

    def __init__(self, reactor: IReactorFDSet, peer: IPv4Address | IPv6Address, eol: Eol) -> None:
        self._reactor = reactor
        self._peer = peer
        self._eol = eol
        family = socket.AF_INET6 if isinstance(peer, IPv6Address) else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        try:
            self._socket.connect(_socket_address(peer))
        except OSError as error:
            self._socket.close()
            raise _connect_error(error.errno) from None
        self._unfinished = b""
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._producer: IPushProducer | None = None
        self._producer_paused = False
        self._reading = False
        self._write_closing = False
        self._error: OSError | None = None
        self.connected = True
        self.disconnecting = False
        self.too_long = 0

    def begin(self, protocol: IProtocol) -> None:
        """Connect the protocol, and read."""
        self._protocol = protocol
        self.resumeProducing()
        protocol.makeConnection(self)

    # What the reactor tells.

    def fileno(self) -> int:
        """Give the socket's descriptor, or -1 once it is closed."""
        return self._socket.fileno()

    def logPrefix(self) -> str:
        """Name the connection for a log."""
        return f"{type(self._protocol).__name__} (UDP)"

    def doRead(self) -> None:
        """Pass on what has come; then, if there was an error, that there was one."""
        for _ in range(READS_AT_ONCE):
            if not self._reading:
                return
            try:
                datagram = self._socket.recv(65536)
            except BlockingIOError:
                if self._error:
                    self.connectionLost(Failure(_connect_error(self._error.errno)))
                return
            except OSError as error:
                # It comes before what has been received, which is not lost.
                self._error = error
            else:
                self._protocol.dataReceived(datagram)

    def doWrite(self) -> None:
        """Send one datagram: what is answered is to be read meanwhile, as sockets hold few datagrams."""
        if not self._waiting:
            # What was read just now has ended the connection.
            return
        try:
            self._socket.send(self._waiting[0])
        except OSError as error:
            if error.errno in (EWOULDBLOCK, ENOBUFS):
                return
            if error.errno != EMSGSIZE:
                # It is of an earlier one.
                self._error = error
                self._reactor.removeWriter(self)
                self.doRead()
                return
            # A system may have a lower limit.
            self.too_long += 1
        self._waiting_bytes -= len(self._waiting.popleft())
        if not self._waiting:
            self._reactor.removeWriter(self)
            self._all_sent()

    def connectionLost(self, reason: Failure) -> None:
        """Close the socket."""
        if not self.connected:
            return
        # The reactor knows only that there was an error.
        if number := self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            reason = Failure(_connect_error(number))
        self.connected = self._reading = False
        self._waiting.clear()
        self._reactor.removeReader(self)
        self._reactor.removeWriter(self)
        self._socket.close()
        self._protocol.connectionLost(reason)

    # What the protocol asks.

    def write(self, data: bytes) -> None:
        """Send each line as a datagram, and hold what is left until it is a line."""
        if self._write_closing or not self.connected:
            return
        *lines, rest = (self._unfinished + data).split(b"\n")
        for line in lines:
            self._send(line + b"\n")
        # What is too long stays so when it is cut.
        self._unfinished = rest[: LONGEST_DATAGRAM + 3]

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Write several pieces."""
        self.write(b"".join(data))

    def loseWriteConnection(self) -> None:
        """Send what is left."""
        self._close_writing()
        if not self._waiting:
            self._all_sent()

    def loseConnection(self) -> None:
        """Send what is left, and close."""
        self._close_writing()
        self.disconnecting = True
        if not self._waiting:
            self._all_sent()

    def abortConnection(self) -> None:
        """Close now."""
        self.connectionLost(Failure(ConnectionAborted()))

    def pauseProducing(self) -> None:
        """Read no more for now. The system drops what it has no room for."""
        self._reading = False
        self._reactor.removeReader(self)

    def resumeProducing(self) -> None:
        """Read again."""
        if self.connected:
            self._reading = True
            self._reactor.addReader(self)
            if self._error:
                self.doRead()

    def stopProducing(self) -> None:
        """Close: the protocol's own bytes have nowhere to go."""
        self.loseConnection()

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """Have a push producer paused while too much waits to be sent."""
        self._producer = cast(IPushProducer, producer)
        self._producer_paused = False

    def unregisterProducer(self) -> None:
        """Expect no more of the producer."""
        self._producer = None

    def getPeer(self) -> IPv4Address | IPv6Address:
        """Give the address that datagrams go to."""
        return self._peer

    def getHost(self) -> IPv4Address | IPv6Address:
        """Give the address that they come from."""
        return type(self._peer)("UDP", *self._socket.getsockname())

    # What TCP has, and UDP needs not: nothing is held back, and nobody is there to be asked.

    def getTcpNoDelay(self) -> bool:
        return True

    def setTcpNoDelay(self, enabled: bool) -> None:
        pass

    def getTcpKeepAlive(self) -> bool:
        return False

    def setTcpKeepAlive(self, enabled: bool) -> None:
        pass

    # Sending.

    def _send(self, line: bytes) -> None:
        datagram = with_eol(line, self._eol)
        if len(datagram) > LONGEST_DATAGRAM:
            self.too_long += 1
            return
        self._waiting.append(datagram)
        self._waiting_bytes += len(datagram)
        self._reactor.addWriter(self)
        if self._producer and not self._producer_paused and self._waiting_bytes > self.bufferSize:
            self._producer_paused = True
            self._producer.pauseProducing()

    def _close_writing(self) -> None:
        self._write_closing = True
        rest, self._unfinished = self._unfinished, b""
        if rest:
            self._send(rest)

    def _all_sent(self) -> None:
        if self.disconnecting:
            self.connectionLost(Failure(ConnectionDone()))
        elif self._write_closing:
            cast(IHalfCloseableProtocol, self._protocol).writeConnectionLost()
        elif self._producer and self._producer_paused:
            self._producer_paused = False
            self._producer.resumeProducing()


def _connect_error(number: int | None) -> ConnectError:
    return cast(ConnectError, getConnectError((number, os.strerror(number or 0))))
