"""A Twisted transport that is an asyncio protocol: what the event loop reads goes to a Twisted protocol, and back."""

from __future__ import annotations

import socket
import struct
from asyncio import AbstractEventLoop, BufferedProtocol, Protocol, Transport
from collections.abc import Iterable
from contextlib import suppress
from math import inf
from typing import Any, cast

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IConsumer,
    IHalfCloseableProtocol,
    ILoggingContext,
    IProducer,
    IProtocol,
    IPullProducer,
    IPushProducer,
    ISystemHandle,
    ITCPTransport,
)
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

_log = Logger()

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


LITTLE_READS = 8
"""
Reads that did not fill the buffer, after which the event loop may read in its own way.

More than a handshake of TLS has.
"""


class Buffers:
    """What connections read to, one for each size: no two of an event loop read at once."""

    def __init__(self) -> None:
        self._by_size: dict[int, memoryview] = {}

    def of(self, size: int) -> memoryview:
        """Give the buffer of so many bytes."""
        return self._by_size.setdefault(size, memoryview(bytearray(size)))


@implementer(ITCPTransport, IConsumer, IPushProducer, ISystemHandle, ILoggingContext)
class NativeTransport(Protocol):
    """
    The connection of an accepted socket, as Twisted's L{twisted.internet.tcp.Server} is.

    The event loop takes the socket over in its next turn. Whatever the protocol asks for before that, as in its
    C{connectionMade}, is done then.

    It differs from a reactor's transport in this: what is written goes to the kernel at once, as far as there is room;
    C{connectionLost} is never called from within a call of the transport; and of a connection that mostly sends a
    little at once, one read may be longer than C{bufferSize}, see L{BoundedReads}.

    @ivar bufferSize: bytes that are read at once. A producer is paused as soon as the peer has no more room.
    @ivar connected: whether the connection is there.
    @ivar disconnecting: whether it will be closed once everything is written.
    """

    __slots__ = (
        "_aborted",
        "_blocked",
        "_buffers",
        "_early",
        "_fault",
        "_feeding",
        "_held",
        "_loop",
        "_native",
        "_peer",
        "_producer",
        "_protocol",
        "_pull",
        "_read_closed",
        "_read_paused",
        "_session",
        "_socket",
        "_write_closing",
        "bufferSize",
        "connected",
        "disconnecting",
    )

    def __init__(
        self,
        loop: AbstractEventLoop,
        socket: socket.socket,
        protocol: IProtocol,
        peer: tuple[Any, ...],
        session: int,
        buffers: Buffers,
    ) -> None:
        self._loop = loop
        self._socket = socket
        self._protocol = protocol
        self._peer = _address(peer)
        self._session = session
        self._buffers = buffers
        self._native: Transport | None = None
        self._early: tuple[bytes, ...] = ()
        self._held = b""
        self._fault: Failure | None = None
        self._producer: IProducer | None = None
        self._pull = False
        self._feeding = False
        self._blocked = False
        self._read_paused = False
        self._read_closed = False
        self._write_closing = False
        self._aborted = False
        self.connected = True
        self.disconnecting = False
        self.bufferSize = 65536

    # What the event loop tells.

    def connection_made(self, transport: object) -> None:
        """Do what was asked for before there was a transport to do it."""
        self._native = cast(Transport, transport)
        # It tries to write at once, so what waits is what the peer has no room for.
        self._native.set_write_buffer_limits(0, 0)
        for data in self._early:
            self._native.write(data)
        self._early = ()
        if self._aborted:
            self._native.abort()
        elif self.disconnecting:
            self._close_when_fed()
        elif self._write_closing:
            self.loseWriteConnection()

    def data_received(self, data: bytes) -> None:
        """Pass on what was read."""
        if self._read_paused:
            # Paused before the event loop had begun to read, which it does unasked.
            self._held += data
            self._pause_reading()
            return
        try:
            self._protocol.dataReceived(data)
        except Exception:
            self._fail()
        if len(data) > self.bufferSize and self._native:
            self._native.set_protocol(BoundedReads(self, inf))

    def read_buffer(self) -> memoryview:
        """Give what bounded reads read to."""
        return self._buffers.of(self.bufferSize)

    def read_freely(self) -> None:
        """Leave it to the event loop how much it reads at once."""
        if self._native:
            self._native.set_protocol(self)

    def eof_received(self) -> bool:
        """Pass on that the peer has closed its sending side."""
        self._read_closed = True
        if not self._read_paused:
            self._pass_on_end()
        return True

    def pause_writing(self) -> None:
        """Take note that something waits to be written."""
        self._blocked = True
        if self._producer and not self._pull:
            cast(IPushProducer, self._producer).pauseProducing()

    def resume_writing(self) -> None:
        """Go on: everything has been written."""
        self._blocked = False
        if self._producer:
            cast(IPullProducer, self._producer).resumeProducing()
        elif self.disconnecting:
            self._close_when_fed()
        elif self._write_closing:
            self._shut_down()

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass on why the connection ended."""
        self.connected = False
        self._native = None
        if self._producer:
            self._producer.stopProducing()
            self._producer = None
        if self._fault:
            reason = self._fault
        elif self._aborted:
            reason = Failure(ConnectionAborted())
        else:
            reason = Failure(ConnectionLost() if exc else ConnectionDone())
        protocol = self._protocol
        del self._protocol
        try:
            protocol.connectionLost(reason)
        except Exception:
            _log.failure("in {protocol}.connectionLost", protocol=type(protocol).__name__)

    # What the protocol asks.

    def write(self, data: bytes) -> None:
        """Write, now or as soon as there is room."""
        if self._write_closing:
            return
        if self._native:
            self._native.write(data)
            if self._pull:
                self._feed_soon()
        elif self.connected:
            self._early += (data,)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Write several pieces."""
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        """Close once everything is written, and a producer that has more to write is unregistered."""
        if self.connected and not self.disconnecting:
            self.disconnecting = True
            self._close_when_fed()

    def abortConnection(self) -> None:
        """Close now, with a reset."""
        if self.connected and not self._aborted:
            self.disconnecting = self._aborted = True
            # The peer may have been first.
            with suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            if self._native:
                self._native.abort()

    def loseWriteConnection(self) -> None:
        """Close our sending side once everything is written."""
        self._write_closing = True
        if self._native and not self._blocked:
            self._loop.call_soon(self._shut_down)

    def pauseProducing(self) -> None:
        """Read no more for now."""
        self._read_paused = True
        self._pause_reading()

    def resumeProducing(self) -> None:
        """Read again."""
        if not self._read_paused or self.disconnecting:
            return
        self._read_paused = False
        if self._held:
            data, self._held = self._held, b""
            self._protocol.dataReceived(data)
        if self._native and not self._read_paused:
            if self._read_closed:
                self._pass_on_end()
            else:
                self._native.resume_reading()

    def stopProducing(self) -> None:
        """Close: the protocol's own bytes have nowhere to go."""
        self.loseConnection()

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """
        Have a producer paused while too much waits to be written (if C{streaming}), or asked for more when all is.

        @raise RuntimeError: there is one already.
        """
        if self._producer:
            raise RuntimeError(f"{producer} can't be registered before {self._producer} is unregistered")
        if not self.connected:
            producer.stopProducing()
            return
        self._producer = producer
        self._pull = not streaming
        if self._pull:
            cast(IPullProducer, producer).resumeProducing()

    def unregisterProducer(self) -> None:
        """Expect no more of the producer."""
        self._producer = None
        self._pull = False
        if self.connected and self.disconnecting:
            self._close_when_fed()

    def getPeer(self) -> IPv4Address | IPv6Address:
        """Give the address of the other end."""
        return self._peer

    def getHost(self) -> IPv4Address | IPv6Address:
        """Give the address of this end."""
        return _address(self._socket.getsockname())

    def getHandle(self) -> socket.socket:
        """Give the socket. It is the event loop's to read and write."""
        return self._socket

    def getTcpNoDelay(self) -> bool:
        """Tell whether small segments are sent at once: RFC 9293, 3.7.4."""
        return bool(self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Have small segments sent at once, or not."""
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, enabled)

    def getTcpKeepAlive(self) -> bool:
        """Tell whether a silent peer is asked if it is still there: RFC 9293, 3.8.4."""
        return bool(self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """Have a silent peer asked, or not."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, enabled)

    def logPrefix(self) -> str:
        """Name the connection for a log."""
        protocol = self._protocol
        name = protocol.logPrefix() if ILoggingContext.providedBy(protocol) else type(protocol).__name__
        return f"{name},{self._session},{self._peer.host}"

    def _pause_reading(self) -> None:
        if self._native:
            self._native.pause_reading()

    def _pass_on_end(self) -> None:
        half_closeable = IHalfCloseableProtocol(self._protocol, None)
        if half_closeable is None:
            self._fault = Failure(ConnectionDone())
            self._abort()
            return
        try:
            half_closeable.readConnectionLost()
        except Exception:
            self._fail()

    def _shut_down(self) -> None:
        if not self._native:
            return
        self._native.write_eof()
        half_closeable = IHalfCloseableProtocol(self._protocol, None)
        if half_closeable:
            try:
                half_closeable.writeConnectionLost()
            except Exception:
                self._fail()

    def _close_when_fed(self) -> None:
        if self._native:
            if self._producer and (self._pull or self._blocked):
                self._native.pause_reading()
            else:
                self._native.close()

    def _feed_soon(self) -> None:
        """Ask a pull producer for more in the event loop's next turn."""
        if not self._feeding:
            self._feeding = True
            self._loop.call_soon(self._feed)

    def _feed(self) -> None:
        self._feeding = False
        if self._pull and not self._blocked:
            cast(IPullProducer, self._producer).resumeProducing()

    def _fail(self) -> None:
        """End the connection for a fault of the protocol's, as a reactor does."""
        self._fault = Failure()
        _log.failure("in {protocol}", failure=self._fault, protocol=type(self._protocol).__name__)
        self._abort()

    def _abort(self) -> None:
        if self._native:
            self._native.abort()


def _address(name: tuple[Any, ...]) -> IPv4Address | IPv6Address:
    """Give the address of a socket as the socket module has it."""
    kind = IPv4Address if len(name) == 2 else IPv6Address
    return kind("TCP", *name)


class BoundedReads(BufferedProtocol):
    """
    Reads for a L{NativeTransport} at most so much at once.

    The event loop's own way of reading is faster for little reads, and takes up to 256,000 bytes at once (uvloop), or
    as many as it likes. A program that counts on C{bufferSize} to bound its memory could be made to hold those for
    every connection. So a connection begins with bounded reads, is read from in the event loop's own way once it has
    sent a little at once for a few times, and when that has read too much, with bounded reads for good.

    @param little: after how many reads that did not fill the buffer it leaves the reading to the event loop.
    """

    __slots__ = ("_buffer", "_little", "_transport")

    def __init__(self, transport: NativeTransport, little: float) -> None:
        self._transport = transport
        self._buffer = transport.read_buffer()
        self._little = little

    def connection_made(self, transport: object) -> None:
        self._buffer = self._transport.read_buffer()
        self._transport.connection_made(transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if nbytes < len(self._buffer):
            self._little -= 1
            if not self._little:
                self._transport.read_freely()
        self._transport.data_received(bytes(self._buffer[:nbytes]))

    def eof_received(self) -> bool:
        return self._transport.eof_received()

    def pause_writing(self) -> None:
        self._transport.pause_writing()

    def resume_writing(self) -> None:
        self._transport.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport.connection_lost(exc)
