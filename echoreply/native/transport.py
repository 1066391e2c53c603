"""A Twisted transport whose socket an asyncio event loop reads and writes."""

from __future__ import annotations

import socket
import struct
from asyncio import AbstractEventLoop, Transport
from collections.abc import Iterable
from contextlib import suppress
from math import inf
from typing import Any, cast

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

from echoreply.native.connections import Connections
from echoreply.native.producer import PullProducer, PushProducer
from echoreply.native.reading import SMALL_READS, BoundedReads, Reader, ReadingSide
from echoreply.native.socket_transport import SocketTransport
from echoreply.native.states import Closing, ClosingEvent, Life, Reading, Writing

_log = Logger()

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)

_DONE, _LOST = Failure(ConnectionDone()), Failure(ConnectionLost())

# Module-level names: looking a member up in its enum takes longer, and these are compared for every message.
_ATTACHING, _LIFE_LOST = Life.ATTACHING, Life.LOST
_NOT_CLOSING, _ABORTED = Closing.NOT_CLOSING, Closing.ABORTED
_READING_OPEN = Reading.OPEN
_WRITING_OPEN, _WRITING_CLOSING, _WRITING_CLOSED = Writing.OPEN, Writing.CLOSING, Writing.CLOSED


class EarlyRequests:
    """
    Requests of a protocol that have to wait until the event loop has attached the socket.

    @ivar written: bytes to write.
    @ivar no_delay: whether small segments are sent immediately, which an event loop sets when it attaches a socket.
    """

    __slots__ = ("no_delay", "written")

    def __init__(self) -> None:
        self.written = b""
        self.no_delay = True


@implementer(ITCPTransport, IConsumer, IPushProducer, ISystemHandle, ILoggingContext)
class NativeTransport(SocketTransport, Reader):
    """
    The transport of an accepted connection, which replaces Twisted's L{twisted.internet.tcp.Server}.

    The event loop attaches the socket in its next turn. Requests of the protocol before that, as in its
    C{connectionMade}, are met then. C{docs/states.md} has the states of a transport and their transitions.

    It differs from a reactor's own transport as follows:

    - Bytes that are written go to the kernel immediately, as far as it has room, and a producer is paused as soon as
      it has none.
    - C{connectionLost} is never called from within a call of the transport.
    - On a connection whose reads are mostly small, a single read may exceed C{bufferSize}: L{BoundedReads}.
    - Small segments are sent immediately unless C{setTcpNoDelay(False)} is called, as is usual in asyncio.
    - A protocol's log messages do not have the connection's prefix, which would cost more than a small read.
    - It is not among the reactor's readers and writers.

    @ivar bufferSize: maximum bytes of one bounded read.
    @ivar protocol: receives the data, until the connection is lost. It may be replaced.
    @ivar sessionno: the connection's number among those of its port.
    """

    __slots__ = (
        "__weakref__",
        "_closing",
        "_connections",
        "_early",
        "_fault",
        "_full",
        "_life",
        "_loop",
        "_native",
        "_producer",
        "_reading",
        "_writing",
        "bufferSize",
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
        connections: Connections,
    ) -> None:
        SocketTransport.__init__(self, socket, peer)
        self._loop = loop
        self.protocol = protocol
        self.sessionno = session
        self._connections = connections
        self._life = _ATTACHING
        self._closing = _NOT_CLOSING
        self._reading = ReadingSide()
        self._writing = _WRITING_OPEN
        # The event loop's transport, while connected.
        self._native: Transport | None = None
        self._early: EarlyRequests | None = None
        self._producer: PushProducer | PullProducer | None = None
        # Whether bytes wait for room in the kernel.
        self._full = False
        self._fault: Failure | None = None
        self.bufferSize = 65536
        connections.connections.add(self)

    async def attach(self) -> None:
        """Attach the socket to the event loop. The connection is lost if this fails."""
        reads = BoundedReads(self, SMALL_READS)
        try:
            await self._loop.connect_accepted_socket(lambda: reads, self._socket)
        except Exception as error:
            # Some systems refuse a socket that the peer has reset: that is an ordinary end.
            if not isinstance(error, OSError):
                _log.failure("the event loop could not attach the socket of a connection")
            self._socket.close()
            self.connection_lost(error)

    def shut_down(self) -> None:
        """Close the connection immediately: the reactor is stopping, so there is no later turn."""
        native = self._native
        self.connection_lost(ConnectionLost())
        if native:
            native.abort()

    @property
    def connected(self) -> bool:
        """Whether there is a connection, attached or about to be."""
        return self._life is not _LIFE_LOST

    @property
    def disconnecting(self) -> bool:
        """Whether this side closes the connection, now or once everything is written."""
        return self._closing is not _NOT_CLOSING

    # Called by the event loop: asyncio.Protocol.

    def connection_made(self, transport: object) -> None:
        native = cast(Transport, transport)
        self._life = self._life.after["attached"]
        early, self._early = self._early, None
        if self._life is _LIFE_LOST:
            native.abort()
            return
        self._native = native
        if self._closing is _ABORTED:
            native.abort()
            return
        # The event loop tries to write immediately, so any bytes that wait are those that the kernel has no room for.
        native.set_write_buffer_limits(0, 0)
        if early:
            self._do_early_requests(early)
        if self._closing is not _NOT_CLOSING or self._writing is _WRITING_CLOSING:
            self._finish_soon()

    def data_received(self, data: bytes) -> None:
        if self._reading.state is _READING_OPEN:
            try:
                self.protocol.dataReceived(data)
            except Exception:
                self._fail()
        else:
            self._reading.hold(data, self._native)
        if len(data) > self.bufferSize and self._native:
            bounded = BoundedReads(self, inf)
            bounded.allocate()
            self._native.set_protocol(bounded)

    def read_buffer(self) -> memoryview:
        return self._connections.read_buffer(self.bufferSize)

    def read_freely(self) -> None:
        if self._native:
            self._native.set_protocol(self)

    def eof_received(self) -> bool:
        if self._reading.end():
            self._notify_end()
        # True makes the event loop keep the connection, whose other direction may still be needed.
        return True

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        if self._producer is not None and self._producer.unfinished:
            self._resume_producer()
        elif self._closing is not _NOT_CLOSING or self._writing is _WRITING_CLOSING:
            self._finish_soon()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._life is _LIFE_LOST:
            return
        self._life = self._life.after["lost"]
        self._reading.stop()
        self._native = None
        self._connections.connections.discard(self)
        if self._fault:
            reason = self._fault
        elif self._closing is _ABORTED:
            reason = Failure(ConnectionAborted())
        elif exc and self._closing is not Closing.PEER_CLOSED:
            reason = _LOST
        else:
            reason = _DONE
        registered, self._producer = self._producer, None
        protocol = self.protocol
        del self.protocol
        if registered is not None:
            try:
                registered.producer.stopProducing()
            except Exception:
                _log.failure("unhandled error in {producer}.stopProducing", producer=type(registered.producer).__name__)
        self._notify_lost(protocol, reason)

    # Called by the protocol: ITCPTransport.

    def write(self, data: bytes) -> None:
        """Write to the kernel, immediately or as soon as it has room."""
        if self._writing is _WRITING_CLOSED:
            return
        native = self._native
        if native is not None:
            native.write(data)
            producer = self._producer
            if producer is not None:
                if producer.pull:
                    producer.ask_soon()
                # A closing connection discards what is written, and never reports a lack of room.
                elif self._full or native.is_closing():
                    producer.pause()
        elif self._life is _ATTACHING:
            self._write_early(data)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        """Close once everything is written, and a producer that has more to write is unregistered."""
        if self._life is _LIFE_LOST or self._closing is not _NOT_CLOSING:
            return
        self._closing = self._closing.after["lose"]
        self._reading.stop()
        if self._native:
            self._native.pause_reading()
        self._finish_soon()

    def abortConnection(self) -> None:
        """Close immediately, with a reset."""
        if self._life is _LIFE_LOST or self._closing is _ABORTED:
            return
        # Some systems refuse this once the peer has closed.
        with suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._cut("abort")

    def loseWriteConnection(self) -> None:
        """Half-close once everything is written, and a producer that has more to write is unregistered."""
        self._writing = self._writing.after["close"]
        self._finish_soon()

    def pauseProducing(self) -> None:
        self._reading.pause(self._native)

    def resumeProducing(self) -> None:
        if self._reading.resume(self._native):
            self._loop.call_soon(self._deliver)

    def stopProducing(self) -> None:
        self.loseConnection()

    # Other names of pauseProducing and resumeProducing, which a reactor's own transports have.

    def stopReading(self) -> None:
        """Pause reading."""
        self.pauseProducing()

    def startReading(self) -> None:
        """Resume reading."""
        self.resumeProducing()

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """
        Register a producer. If C{streaming}, it is paused while bytes wait for room; else it is asked when none wait.

        @raise RuntimeError: a producer is registered already.
        """
        if self._producer is not None:
            raise RuntimeError(f"{producer} can't be registered before {self._producer.producer} is unregistered")
        if self._life is _LIFE_LOST:
            producer.stopProducing()
        elif streaming:
            self._producer = PushProducer(cast(IPushProducer, producer))
        else:
            pull = self._producer = PullProducer(cast(IPullProducer, producer), self._loop, self._ask)
            pull.resume()
            # If the kernel has taken all earlier bytes, the event loop will not report that again.
            if self._native:
                pull.ask_soon()

    def unregisterProducer(self) -> None:
        self._producer = None
        if self._closing is not _NOT_CLOSING or self._writing is _WRITING_CLOSING:
            self._finish_soon()

    def stopConsuming(self) -> None:
        """Unregister the producer and close."""
        self.unregisterProducer()
        self.loseConnection()

    def setTcpNoDelay(self, enabled: bool) -> None:
        if self._life is _ATTACHING:
            self._early = self._early or EarlyRequests()
            self._early.no_delay = enabled
        super().setTcpNoDelay(enabled)

    def logPrefix(self) -> str:
        protocol = getattr(self, "protocol", None)
        if ILoggingContext.providedBy(protocol):
            name = protocol.logPrefix()
        else:
            name = type(protocol).__name__ if protocol is not None else "-"
        return f"{name},{self.sessionno},{self._peer.host}"

    # Before the socket is attached.

    def _write_early(self, data: bytes) -> None:
        early = self._early = self._early or EarlyRequests()
        early.written += data
        if len(early.written) > self.bufferSize:
            self._full = True
            if self._producer is not None and not self._producer.pull:
                self._producer.pause()

    def _do_early_requests(self, early: EarlyRequests) -> None:
        if not early.no_delay:
            self.setTcpNoDelay(False)
        if early.written:
            was_full, self._full = self._full, False
            self.write(early.written)
            if was_full and not self._full:
                self.resume_writing()

    # Reading.

    def _deliver(self) -> None:
        """Deliver what was held while reading was paused, unless it is paused again."""
        data = self._reading.take_held()
        if data:
            try:
                self.protocol.dataReceived(data)
            except Exception:
                self._fail()
        if self._reading.delivered(self._native):
            self._notify_end()

    def _notify_end(self) -> None:
        half_closeable = IHalfCloseableProtocol(self.protocol, None)
        if half_closeable is None:
            self._cut("end")
            return
        try:
            half_closeable.readConnectionLost()
        except Exception:
            self._fail()

    # The producer.

    def _resume_producer(self) -> None:
        try:
            cast(PushProducer | PullProducer, self._producer).resume()
        except Exception:
            self._fail()

    def _ask(self, pull: PullProducer) -> None:
        going_on = self._closing in (_NOT_CLOSING, Closing.WHEN_WRITTEN)
        if self._producer is pull and not self._full and going_on:
            self._resume_producer()

    # Ends.

    def _finish_soon(self) -> None:
        # Later, since event loops do not expect calls while they call resume_writing.
        self._loop.call_soon(self._finish)

    def _finish(self) -> None:
        """Close or half-close, unless it has to wait for a producer or the kernel."""
        native, producer = self._native, self._producer
        if native is None or (producer is not None and producer.unfinished):
            return
        if self._closing is not _NOT_CLOSING:
            native.close()
        elif self._writing is _WRITING_CLOSING and not self._full:
            self._writing = self._writing.after["written"]
            # The peer may have closed or reset the connection.
            with suppress(OSError):
                native.write_eof()
            half_closeable = IHalfCloseableProtocol(self.protocol, None)
            if half_closeable:
                try:
                    half_closeable.writeConnectionLost()
                except Exception:
                    self._fail()

    def _fail(self) -> None:
        """Log the exception that a method of the protocol has raised, and close, as a reactor does."""
        self._fault = Failure()
        _log.failure("unhandled error in {protocol}", failure=self._fault, protocol=type(self.protocol).__name__)
        self._cut("fail")

    def _cut(self, event: ClosingEvent) -> None:
        """Close without waiting for bytes that are not written yet."""
        self._closing = self._closing.after[event]
        self._reading.stop()
        if self._native:
            self._native.abort()

    def _notify_lost(self, protocol: IProtocol, reason: Failure) -> None:
        try:
            protocol.connectionLost(reason)
        except Exception:
            _log.failure("unhandled error in {protocol}.connectionLost", protocol=type(protocol).__name__)
