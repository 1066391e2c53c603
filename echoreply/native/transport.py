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

from echoreply.native.private_names import with_zone

_log = Logger()

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)

_DONE, _LOST = Failure(ConnectionDone()), Failure(ConnectionLost())

LITTLE_READS = 8
"""
Reads that did not fill the buffer, after which the event loop may read in its own way.

More than a handshake of TLS has.
"""


class Shared:
    """
    What the connections of a port share.

    @ivar connections: those that are there.
    """

    def __init__(self) -> None:
        self.connections: set[NativeTransport] = set()
        self._buffers: dict[int, memoryview] = {}

    def buffer(self, size: int) -> memoryview:
        """Give what is read to, so many bytes at once: no two connections of an event loop read at once."""
        if size not in self._buffers:
            self._buffers[size] = memoryview(bytearray(size))
        return self._buffers[size]

    def leave(self) -> None:
        """End every connection, as a reactor does that stops."""
        for connection in list(self.connections):
            connection.leave()


@implementer(ITCPTransport, IConsumer, IPushProducer, ISystemHandle, ILoggingContext)
class NativeTransport(Protocol):
    """
    The connection of an accepted socket, as Twisted's L{twisted.internet.tcp.Server} is.

    The event loop takes the socket over in its next turn. Whatever the protocol asks for before that, as in its
    C{connectionMade}, is done then.

    It differs from a reactor's transport in this:

    - What is written goes to the kernel at once, as far as there is room, and a producer is paused as soon
      as there is none.
    - C{connectionLost} is never called from within a call of the transport.
    - Of a connection that mostly sends a little at once, one read may be longer than C{bufferSize}: L{BoundedReads}.
    - Small segments are sent at once unless C{setTcpNoDelay(False)} is called, as event loops have it.
    - What a protocol logs does not have the connection's prefix, which costs more than a small read does.
    - A reactor's list of readers and writers does not have it.

    @ivar bufferSize: bytes that are read at once.
    @ivar protocol: what it is the transport of, until the connection is lost. May be replaced.
    @ivar sessionno: its number among the port's connections.
    @ivar connected: whether the connection is there.
    @ivar disconnecting: whether it will be closed once everything is written.
    """

    __slots__ = (
        "__weakref__",
        "_aborted",
        "_blocked",
        "_delay",
        "_early",
        "_end_told",
        "_fault",
        "_feeding",
        "_held",
        "_loop",
        "_native",
        "_peer",
        "_producer",
        "_producer_paused",
        "_pull",
        "_read_closed",
        "_read_paused",
        "_shared",
        "_socket",
        "_write_closed",
        "_write_closing",
        "bufferSize",
        "connected",
        "disconnecting",
        "protocol",
        "sessionno",
    )

    def __init__(
        self,
        loop: AbstractEventLoop,
        socket: socket.socket,
        protocol: IProtocol,
        peer: tuple[Any, ...],
        session: int,
        shared: Shared,
    ) -> None:
        self._loop = loop
        self._socket = socket
        self.protocol = protocol
        self._peer = _address(peer)
        self.sessionno = session
        self._shared = shared
        self._native: Transport | None = None
        self._early = b""
        self._held = b""
        self._fault: Failure | None = None
        self._producer: IProducer | None = None
        self._producer_paused = False
        self._pull = False
        self._feeding = False
        self._blocked = False
        self._read_paused = False
        self._read_closed = False
        self._end_told = False
        self._write_closing = False
        self._write_closed = False
        self._aborted = False
        self._delay = False
        self.connected = True
        self.disconnecting = False
        self.bufferSize = 65536
        shared.connections.add(self)

    async def take_over(self) -> None:
        """Have the event loop take the socket over."""
        reads = BoundedReads(self, LITTLE_READS)
        try:
            await self._loop.connect_accepted_socket(lambda: reads, self._socket)
        except Exception as error:
            # Some systems refuse a socket that the peer has reset: an end like any other.
            if not isinstance(error, OSError):
                _log.failure("the event loop does not take a connection")
            self._socket.close()
            self.connection_lost(error)

    def leave(self) -> None:
        """End the connection with its reactor, which has no turn left in which to do it."""
        native = self._native
        self.connection_lost(ConnectionLost())
        if native:
            native.abort()

    # What the event loop tells.

    def connection_made(self, transport: object) -> None:
        """Do what was asked for before there was a transport to do it."""
        native = cast(Transport, transport)
        if self._aborted or not self.connected:
            native.abort()
        self._native = native if self.connected else None
        # It tries to write at once, so what waits is what the peer has no room for.
        native.set_write_buffer_limits(0, 0)
        if self._delay:
            self.setTcpNoDelay(False)
        if self._early:
            blocked, self._blocked = self._blocked, False
            early, self._early = self._early, b""
            self.write(early)
            if blocked and not self._blocked:
                self.resume_writing()
        if self.disconnecting or self._write_closing:
            self._finish_soon()

    def data_received(self, data: bytes) -> None:
        """Pass on what was read."""
        if self._read_paused:
            # Paused before the event loop had begun to read, which it does unasked.
            self._held += data
            self._stop_reading()
            return
        try:
            self.protocol.dataReceived(data)
        except Exception:
            self._fail()
        if len(data) > self.bufferSize and self._native:
            self._native.set_protocol(BoundedReads(self, inf))

    def read_buffer(self) -> memoryview:
        """Give what bounded reads read to."""
        return self._shared.buffer(self.bufferSize)

    def read_freely(self) -> None:
        """Leave it to the event loop how much it reads at once."""
        if self._native:
            self._native.set_protocol(self)

    def eof_received(self) -> bool:
        """Pass on that the peer has closed its sending side."""
        self._read_closed = True
        if not self._read_paused:
            self._tell_end()
        return True

    def pause_writing(self) -> None:
        """Take note that something waits to be written."""
        self._blocked = True

    def resume_writing(self) -> None:
        """Go on: everything has been written."""
        self._blocked = False
        if self._producer and (self._pull or self._producer_paused):
            self._producer_paused = False
            self._resume_producer()
        elif self.disconnecting or self._write_closing:
            self._finish_soon()

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass on why the connection ended."""
        if not self.connected:
            return
        self.connected = False
        self._native = None
        self._shared.connections.discard(self)
        if self._fault:
            reason = self._fault
        elif self._aborted:
            reason = Failure(ConnectionAborted())
        else:
            reason = _LOST if exc else _DONE
        producer, self._producer = self._producer, None
        protocol = self.protocol
        del self.protocol
        try:
            if producer:
                producer.stopProducing()
        except Exception:
            _log.failure("in {producer}.stopProducing", producer=type(producer).__name__)
        self._tell_lost(protocol, reason)

    # What the protocol asks.

    def write(self, data: bytes) -> None:
        """Write, now or as soon as there is room."""
        if self._write_closed:
            return
        if self._native:
            self._native.write(data)
            if self._producer:
                if self._pull:
                    self._feed_soon()
                # A connection that is about to be lost takes everything: a producer must not go on for ever.
                elif self._blocked or self._native.is_closing():
                    self._pause_producer()
        elif self.connected:
            self._early += data
            if len(self._early) > self.bufferSize:
                self._blocked = True
                self._pause_producer()

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Write several pieces."""
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        """Close once everything is written, and a producer that has more to write is unregistered."""
        if self.connected and not self.disconnecting:
            self.disconnecting = True
            self.pauseProducing()
            self._finish_soon()

    def abortConnection(self) -> None:
        """Close now, with a reset."""
        if self.connected and not self._aborted:
            self._aborted = True
            # The peer may have been first.
            with suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self._abort()

    def loseWriteConnection(self) -> None:
        """Close our sending side once everything is written, and a producer that has more to write is unregistered."""
        self._write_closing = True
        self._finish_soon()

    def pauseProducing(self) -> None:
        """Read no more for now."""
        self._read_paused = True
        if self._native:
            self._native.pause_reading()

    def resumeProducing(self) -> None:
        """Read again."""
        if not self._read_paused or self.disconnecting:
            return
        self._read_paused = False
        if self._held or self._read_closed:
            self._loop.call_soon(self._catch_up)
        elif self._native:
            self._native.resume_reading()

    def stopProducing(self) -> None:
        """Close: the protocol's own bytes have nowhere to go."""
        self.loseConnection()

    # What a reactor's transports call these two.

    def stopReading(self) -> None:
        """Read no more for now."""
        self.pauseProducing()

    def startReading(self) -> None:
        """Read again."""
        self.resumeProducing()

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
            # What was written before may be with the kernel already, and nobody would tell us that it is.
            if self._native:
                self._feed_soon()

    def unregisterProducer(self) -> None:
        """Expect no more of the producer."""
        self._producer = None
        self._producer_paused = False
        self._pull = False
        if self.disconnecting or self._write_closing:
            self._finish_soon()

    def stopConsuming(self) -> None:
        """Close, and expect no more of the producer."""
        self.unregisterProducer()
        self.loseConnection()

    def getPeer(self) -> IPv4Address | IPv6Address:
        """Give the address of the other end."""
        return self._peer

    def getHost(self) -> IPv4Address | IPv6Address:
        """Give the address of this end."""
        name = self._socket.getsockname()
        if len(name) == 4 and name[3]:
            # The socket module leaves out of a link-local address which link that is: RFC 4007, section 11.
            name = with_zone(name)
        return _address(name)

    def getHandle(self) -> socket.socket:
        """Give the socket. It is the event loop's to read and write."""
        return self._socket

    def fileno(self) -> int:
        """Give the socket's descriptor; -1 once the connection is lost."""
        return self._socket.fileno()

    def getTcpNoDelay(self) -> bool:
        """Tell whether small segments are sent at once: RFC 9293, 3.7.4."""
        return bool(self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Have small segments sent at once, or not."""
        # The event loop sets it, too, when it takes the socket over.
        self._delay = not enabled
        # Some systems refuse if the peer has gone, which will be noticed.
        with suppress(OSError):
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, enabled)

    def getTcpKeepAlive(self) -> bool:
        """Tell whether a silent peer is asked if it is still there: RFC 9293, 3.8.4."""
        return bool(self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """Have a silent peer asked, or not."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, enabled)

    def logPrefix(self) -> str:
        """Name the connection for a log."""
        protocol = getattr(self, "protocol", None)
        if ILoggingContext.providedBy(protocol):
            name = protocol.logPrefix()
        else:
            name = type(protocol).__name__ if protocol is not None else "-"
        return f"{name},{self.sessionno},{self._peer.host}"

    def _tell_lost(self, protocol: IProtocol, reason: Failure) -> None:
        try:
            protocol.connectionLost(reason)
        except Exception:
            _log.failure("in {protocol}.connectionLost", protocol=type(protocol).__name__)

    def _stop_reading(self) -> None:
        if self._native:
            # Before Python 3.12, asyncio begins to read even if it was told not to, and takes itself to be paused.
            self._native.resume_reading()
            self._native.pause_reading()

    def _catch_up(self) -> None:
        """Pass on what came while reading was paused."""
        if self._native and not self._read_paused:
            if self._held:
                data, self._held = self._held, b""
                self.data_received(data)
            if self._native and not self._read_paused:
                if self._read_closed:
                    self._tell_end()
                else:
                    self._native.resume_reading()

    def _tell_end(self) -> None:
        if self._end_told:
            return
        self._end_told = True
        half_closeable = IHalfCloseableProtocol(self.protocol, None)
        if half_closeable is None:
            self._fault = _DONE
            self._abort()
            return
        try:
            half_closeable.readConnectionLost()
        except Exception:
            self._fail()

    def _finish_soon(self) -> None:
        # Not at once, which event loops take amiss while they tell us that all is written.
        self._loop.call_soon(self._finish)

    def _finish(self) -> None:
        """Close, or close our sending side, unless a producer or the kernel is waited for."""
        if not self._native or (self._producer and (self._pull or self._producer_paused)):
            return
        if self.disconnecting:
            self._native.close()
        elif self._write_closing and not self._write_closed and not self._blocked:
            self._write_closed = True
            # The peer may have been first.
            with suppress(OSError):
                self._native.write_eof()
            half_closeable = IHalfCloseableProtocol(self.protocol, None)
            if half_closeable:
                try:
                    half_closeable.writeConnectionLost()
                except Exception:
                    self._fail()

    def _pause_producer(self) -> None:
        if self._producer and not self._pull:
            self._producer_paused = True
            cast(IPushProducer, self._producer).pauseProducing()

    def _resume_producer(self) -> None:
        try:
            cast(IPullProducer, self._producer).resumeProducing()
        except Exception:
            self._fail()

    def _feed_soon(self) -> None:
        """Ask a pull producer for more in the event loop's next turn."""
        if not self._feeding:
            self._feeding = True
            self._loop.call_soon(self._feed)

    def _feed(self) -> None:
        self._feeding = False
        if self._producer and self._pull and not self._blocked and not self._aborted:
            self._resume_producer()

    def _fail(self) -> None:
        """End the connection for a fault of the protocol's, as a reactor does."""
        self._fault = Failure()
        _log.failure("in {protocol}", failure=self._fault, protocol=type(self.protocol).__name__)
        self._abort()

    def _abort(self) -> None:
        self.disconnecting = self._read_paused = True
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
