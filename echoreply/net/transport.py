"""Transports: what both ends need of them, and what the kernel knows of them."""

from __future__ import annotations

import socket
import struct

from twisted.internet import tcp
from twisted.internet.interfaces import (
    IConsumer,
    IPushProducer,
    ISSLTransport,
    ISystemHandle,
    ITCPTransport,
    ITransport,
)
from zope.interface import Attribute, Interface

from echoreply.core.connection_info import TLSDetails

try:
    import fcntl
    import termios
except ImportError:  # pragma: no cover  # Windows
    fcntl = termios = None  # type: ignore[assignment]


class IDuplexTransport(ITCPTransport, IConsumer, IPushProducer):
    """What a TCP transport is: the consumer of its protocol's bytes, and the producer of its peer's."""

    bufferSize: int = Attribute("Bytes that it reads at once, and holds to be written before it pauses its producer.")


class IRecordTransport(Interface):
    """A transport whose bytes on the wire are not those that its protocol receives, as under TLS."""

    taken: int = Attribute("Bytes read so far, as they were on the wire.")


class ISecureTransport(Interface):
    """A transport that knows who the peer is once C{handshakeCompleted} has been called."""

    tls: TLSDetails = Attribute("What the handshake has led to.")


_TCP_OPTIONS = {
    "TCP_NODELAY": 1,
    "TCP_KEEPIDLE": 60,
    "TCP_KEEPALIVE": 60,  # what macOS calls the one before
    "TCP_KEEPINTVL": 15,
    "TCP_KEEPCNT": 4,
    "TCP_NOTSENT_LOWAT": 65536,
}
"""
After the first, for keep-alive: seconds of quiet before a peer is asked whether it is still there, between questions,
and how many are asked. At last, the bytes that wait in the kernel before it takes no more, beside those on their way.
"""


def prepare(listener: socket.socket) -> None:
    """
    Set what a reply server wants of connections, as far as the system lets it be set for one socket: tcp(7).

    It is set for the listening socket, whose connections inherit it. Replies are not held back (RFC 9293, 3.7.4), a
    vanished peer is noticed in two minutes (3.8.4), and one that does not read fills little of the kernel's memory,
    which others need. A socket of another family has nothing of this.
    """
    if listener.family not in (socket.AF_INET, socket.AF_INET6):
        return
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _TCP_OPTIONS.items():
        if hasattr(socket, name):
            listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class PromptServer(tcp.Server):
    """
    A reactor's connection that writes at once what there is room for.

    Twisted's own first has the reactor ask whether there is room, which there is for nearly every reply, and takes it
    back afterwards: that costs more system calls than the reply.
    """

    def write(self, data: bytes) -> None:
        """Write, now or as soon as there is room."""
        if self.connected and not (self.dataBuffer or self._tempDataBuffer or self._writeDisconnecting):
            sent = self.writeSomeData(data)
            if sent == len(data):
                return
            if isinstance(sent, int):
                data = data[sent:]
        # The rest; or all of it, so that the reactor finds out what is wrong.
        super().write(data)  # type: ignore[no-untyped-call]


def is_secure(transport: ITransport) -> bool:
    """Tell whether there is a handshake before the first message."""
    return ISecureTransport.providedBy(transport) or ISSLTransport.providedBy(transport)


def taken(transport: ITransport, received: int) -> int:
    """
    Count the bytes that were read, in such bytes as L{unread} counts.

    @param received: how many the protocol has received.
    """
    return transport.taken if IRecordTransport.providedBy(transport) else received


def unread(transport: ITransport) -> int:
    """
    Count the bytes that wait in a transport's receive queue: FIONREAD, tcp(7).

    @return: 0 where that can't be known: on Windows, and for transports that are no plain socket.
    """
    return _ask_queue(transport, "FIONREAD")


def unsent(transport: ITransport) -> int:
    """
    Count the bytes in a transport's send queue that the peer has not acknowledged: SIOCOUTQ, tcp(7).

    @return: 0 where that can't be known: outside Linux, and for transports that are no plain socket.
    """
    return _ask_queue(transport, "TIOCOUTQ")


def at_end(transport: ITransport) -> bool:
    """Tell whether all has been read, and the peer's FIN or reset has arrived and is next."""
    handle = _socket_of(transport)
    if handle is None:
        return False
    try:
        return not handle.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True


def _socket_of(transport: ITransport) -> socket.socket | None:
    handle = transport.getHandle() if ISystemHandle.providedBy(transport) else None
    return handle if isinstance(handle, socket.socket) else None


def _ask_queue(transport: ITransport, request: str) -> int:
    handle = _socket_of(transport)
    if fcntl is None or handle is None:
        return 0
    try:
        answer = fcntl.ioctl(handle, getattr(termios, request), bytes(4))
    except OSError:  # pragma: no cover  # A system that answers this for terminals only.
        return 0
    count: int = struct.unpack("i", answer)[0]
    return count
