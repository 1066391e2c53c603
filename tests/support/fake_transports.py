"""String transports with the whole interface of a TCP transport."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import (
    IAddress,
    IHalfCloseableProtocol,
    IPushProducer,
    ISystemHandle,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from echoreply.net.transport import IDuplexTransport
from echoreply.protocol import ReplyFactory, ReplyProtocol


@implementer(IDuplexTransport)
class TCPStringTransport(StringTransport):
    """
    Records what is written, and how the connection is closed.

    Its buffer is full when more than C{room} bytes wait in it, and is emptied by C{flush}.
    """

    def __init__(self, protocol: Protocol) -> None:
        super().__init__()
        self.protocol = protocol
        self.bufferSize = self.room = 65536
        self.waiting = 0
        self.write_closed = False
        self._write_end_told = False
        self.no_delay = False
        self.keep_alive = False

    def getTcpNoDelay(self) -> bool:
        return self.no_delay

    def setTcpNoDelay(self, enabled: bool) -> None:
        self.no_delay = enabled

    def getTcpKeepAlive(self) -> bool:
        return self.keep_alive

    def setTcpKeepAlive(self, enabled: bool) -> None:
        self.keep_alive = enabled

    def write(self, data: bytes) -> None:
        super().write(data)
        self.waiting += len(data)
        if self.waiting > self.room and self.producer:
            self.producer.pauseProducing()

    def flush(self) -> None:
        """Empty the buffer, as if the peer had read everything."""
        self.waiting = 0
        if self.producer:
            self.producer.resumeProducing()
        elif self.disconnecting:
            self.lose(ConnectionDone())
        elif self.write_closed and not self._write_end_told:
            self._write_end_told = True
            half_closeable = IHalfCloseableProtocol(self.protocol)
            half_closeable.writeConnectionLost()

    def take(self) -> bytes:
        """Return the bytes that were written since they were last taken."""
        value: bytes = self.value()
        self.clear()
        return value

    @property
    def reading(self) -> bool:
        return self.producerState == "producing"

    def unregisterProducer(self) -> None:
        # Unlike StringTransport's, this does nothing if there is no producer, as in a reactor's transport.
        self.producer = None

    def pauseProducing(self) -> None:
        self.producerState = "paused"

    def resumeProducing(self) -> None:
        self.producerState = "producing"

    def loseWriteConnection(self) -> None:
        assert self.producer is None, "a transport does not close while its producer is registered"
        self.write_closed = True

    def loseConnection(self) -> None:
        assert self.producer is None, "a transport does not close while its producer is registered"
        super().loseConnection()

    def abortConnection(self) -> None:
        self.lose(ConnectionAborted())

    def lose(self, reason: Exception) -> None:
        """Lose the connection."""
        protocol = self.protocol
        del self.protocol
        if self.producer:
            self.producer.stopProducing()
            self.producer = None
        protocol.connectionLost(Failure(reason))


@implementer(ISystemHandle)
class SocketStringTransport(TCPStringTransport):
    """A transport with a real receive queue, in which bytes can wait unread."""

    def __init__(self, protocol: Protocol, queue: socket.socket) -> None:
        super().__init__(protocol)
        self._queue = queue

    def getHandle(self) -> socket.socket:
        return self._queue


@contextmanager
def receive_queue() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Yield a socket with a receive queue, and the socket that fills it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        yield ours, theirs


def built(factory: ReplyFactory, peer: IAddress | None = None) -> ReplyProtocol:
    """Return the protocol for a client that is neither denied nor refused."""
    protocol = factory.buildProtocol(peer)
    assert isinstance(protocol, ReplyProtocol)
    return protocol


@implementer(IHalfCloseableProtocol, IPushProducer)
class Remembering(Protocol):
    """
    Records its events.

    @ivar received: the data of each read.
    """

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.told: list[str] = []
        self.reason: BaseException | None = None

    def dataReceived(self, data: bytes) -> None:
        self.received.append(data)

    def readConnectionLost(self) -> None:
        self.told.append("read")

    def writeConnectionLost(self) -> None:
        self.told.append("write")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.reason = reason.value

    def pauseProducing(self) -> None:
        self.told.append("pause")

    def resumeProducing(self) -> None:
        self.told.append("resume")

    def stopProducing(self) -> None:
        self.told.append("stop")
