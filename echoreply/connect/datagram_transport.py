"""
A UDP transport for a protocol that writes lines: it sends each line as a datagram, and delivers each datagram.

A datagram socket has no end of file, so only the client can end the conversation.
"""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Iterable
from enum import Enum, auto
from errno import EMSGSIZE, ENOBUFS, EWOULDBLOCK
from typing import cast

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectError, ConnectionAborted, ConnectionDone, getConnectError
from twisted.internet.interfaces import (
    IHalfCloseableProtocol,
    IProducer,
    IProtocol,
    IPushProducer,
    IReactorFDSet,
    IReadWriteDescriptor,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from echoreply.core.input_lines import Eol, with_eol
from echoreply.net.transport import IDuplexTransport

MAX_DATAGRAM = 65507
"""Maximum bytes in a datagram: 65,535 of an IPv4 packet, less its header of 20 and UDP's of 8. RFC 768, 791."""

READS_PER_TURN = 64
"""Maximum datagrams that are received in one turn of the reactor."""


class _State(Enum):
    OPEN = auto()
    FINISHING = auto()
    """The protocol has closed its sending side. Datagrams are still received."""
    CLOSING = auto()
    """The socket will be closed as soon as the datagrams that wait have been sent."""
    CLOSED = auto()


@implementer(IDuplexTransport, IReadWriteDescriptor)
class DatagramTransport:
    """
    A connected UDP socket behind the interface of a TCP connection.

    Bytes that the protocol writes are split after each LF; closing the sending side sends the rest. Datagrams of the
    peer are delivered unchanged, those of other senders are dropped by the system. When the system reports that the
    peer's port is closed (ICMP), the connection is lost.

    @param peer: the address to send to, and to receive from.
    @param eol: the line ending with which each line is sent.
    @ivar too_long: the number of lines that were not sent because they do not fit in a datagram.
    @raise ConnectError: the system has no route to the peer.
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
        self._state = _State.OPEN
        self._unfinished = b""
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._producer: IPushProducer | None = None
        self._producer_paused = False
        self._reading = False
        self._error: OSError | None = None
        self.too_long = 0

    def begin(self, protocol: IProtocol) -> None:
        """Connect the protocol, and start reading."""
        self._protocol = protocol
        self.resumeProducing()
        protocol.makeConnection(self)

    # Called by the reactor.

    def fileno(self) -> int:
        return self._socket.fileno()

    def logPrefix(self) -> str:
        return f"{type(self._protocol).__name__} (UDP)"

    def doRead(self) -> None:
        """Deliver the datagrams that have arrived; close if there was an error."""
        for _ in range(READS_PER_TURN):
            if not self._reading:
                return
            try:
                datagram = self._socket.recv(65536)
            except BlockingIOError:
                if self._error:
                    self.connectionLost(Failure(_connect_error(self._error.errno)))
                return
            except OSError as error:
                # The system reports an error before datagrams that arrived earlier. They are delivered first.
                self._error = error
            else:
                self._protocol.dataReceived(datagram)

    def doWrite(self) -> None:
        """Send a single datagram: sockets buffer only a few, so replies have to be read in between."""
        if not self._waiting:
            # The protocol has closed the connection while it read, in the same turn of the reactor.
            return
        try:
            self._socket.send(self._waiting[0])
        except OSError as error:
            if error.errno in (EWOULDBLOCK, ENOBUFS):
                return
            if error.errno != EMSGSIZE:
                # The error is about a datagram that was sent earlier.
                self._error = error
                self._reactor.removeWriter(self)
                self.doRead()
                return
            # The system's limit may be lower than the protocol's.
            self.too_long += 1
        self._waiting_bytes -= len(self._waiting.popleft())
        if not self._waiting:
            self._reactor.removeWriter(self)
            self._all_sent()

    def connectionLost(self, reason: Failure) -> None:
        if self._state is _State.CLOSED:
            return
        # The reactor reports only that there was an error; the socket has its number.
        if number := self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            reason = Failure(_connect_error(number))
        self._state = _State.CLOSED
        self._reading = False
        self._waiting.clear()
        self._reactor.removeReader(self)
        self._reactor.removeWriter(self)
        self._socket.close()
        self._protocol.connectionLost(reason)

    # Called by the protocol.

    def write(self, data: bytes) -> None:
        """Send each complete line as a datagram, and keep the rest until it is complete."""
        if self._state is not _State.OPEN:
            return
        *lines, rest = (self._unfinished + data).split(b"\n")
        for line in lines:
            self._send(line + b"\n")
        # Bounds memory. A rest that is cut here is still too long for a datagram.
        self._unfinished = rest[: MAX_DATAGRAM + 3]

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self.write(b"".join(data))

    def loseWriteConnection(self) -> None:
        self._finish(_State.FINISHING)

    def loseConnection(self) -> None:
        self._finish(_State.CLOSING)

    def abortConnection(self) -> None:
        self.connectionLost(Failure(ConnectionAborted()))

    def pauseProducing(self) -> None:
        """Stop reading. The system drops the datagrams that its buffer has no room for."""
        self._reading = False
        self._reactor.removeReader(self)

    def resumeProducing(self) -> None:
        if self._state is not _State.CLOSED:
            self._reading = True
            self._reactor.addReader(self)
            if self._error:
                self.doRead()

    def stopProducing(self) -> None:
        self.loseConnection()

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """Pause a push producer while more than C{bufferSize} bytes wait to be sent."""
        self._producer = cast(IPushProducer, producer)
        self._producer_paused = False

    def unregisterProducer(self) -> None:
        self._producer = None

    def getPeer(self) -> IPv4Address | IPv6Address:
        return self._peer

    def getHost(self) -> IPv4Address | IPv6Address:
        return type(self._peer)("UDP", *self._socket.getsockname())

    # TCP's options do not apply: a datagram is never delayed, and there is no connection to keep alive.

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
        if len(datagram) > MAX_DATAGRAM:
            self.too_long += 1
            return
        self._waiting.append(datagram)
        self._waiting_bytes += len(datagram)
        self._reactor.addWriter(self)
        if self._producer and not self._producer_paused and self._waiting_bytes > self.bufferSize:
            self._producer_paused = True
            self._producer.pauseProducing()

    def _finish(self, state: _State) -> None:
        """Accept no more data, and send the rest. C{CLOSING} is never changed back to C{FINISHING}."""
        if self._state is _State.CLOSED:
            return
        if self._state is not _State.CLOSING:
            self._state = state
        rest, self._unfinished = self._unfinished, b""
        if rest:
            self._send(rest)
        if not self._waiting:
            self._all_sent()

    def _all_sent(self) -> None:
        if self._state is _State.CLOSING:
            self.connectionLost(Failure(ConnectionDone()))
        elif self._state is _State.FINISHING:
            cast(IHalfCloseableProtocol, self._protocol).writeConnectionLost()
        elif self._producer and self._producer_paused:
            self._producer_paused = False
            self._producer.resumeProducing()


def _socket_address(address: IPv4Address | IPv6Address) -> tuple[str | int, ...]:
    if isinstance(address, IPv6Address):
        return address.host, address.port, address.flowInfo, address.scopeID
    return address.host, address.port


def _connect_error(number: int | None) -> ConnectError:
    return cast(ConnectError, getConnectError((number, os.strerror(number or 0))))
