"""TCP transports: their interfaces, socket options, and the kernel's receive and send queues."""

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
    """A TCP transport: the consumer of its protocol's bytes, and the producer of its peer's."""

    bufferSize: int = Attribute(
        "Bytes that it reads at once, and that wait to be written before it pauses its producer."
    )


class IRecordTransport(Interface):
    """A transport whose bytes on the wire are not the bytes that its protocol receives, as with TLS."""

    taken: int = Attribute("Bytes read so far, counted on the wire.")


class ISecureTransport(Interface):
    """A transport with a handshake: it calls C{handshakeCompleted} afterwards."""

    tls: TLSDetails = Attribute("The result of the handshake.")


_TCP_OPTIONS = {
    "TCP_NODELAY": 1,
    "TCP_KEEPIDLE": 60,
    "TCP_KEEPALIVE": 60,  # macOS's name of TCP_KEEPIDLE
    "TCP_KEEPINTVL": 15,
    "TCP_KEEPCNT": 4,
    "TCP_NOTSENT_LOWAT": 65536,
}
"""
Socket options of connections. Keep-alive: seconds of silence before the first probe, seconds between probes, and the
number of probes. TCP_NOTSENT_LOWAT: unsent bytes in the kernel's buffer above which it takes no more.
"""


def set_socket_options(listener: socket.socket) -> None:
    """
    Set the socket options of connections, on their listening socket, from which they inherit them: tcp(7).

    Replies are not delayed (RFC 9293, 3.7.4), a vanished peer is detected within two minutes (3.8.4), and a slow
    reader takes little of the kernel's memory. Options that the system lacks are skipped, and all of them for sockets
    that are not TCP.
    """
    if listener.family not in (socket.AF_INET, socket.AF_INET6):
        return
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _TCP_OPTIONS.items():
        if hasattr(socket, name):
            listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class ImmediateServer(tcp.Server):
    """
    An accepted connection of a reactor that writes immediately, as much as the kernel takes.

    Twisted's own class registers with the reactor for writing first, and unregisters afterwards. That costs more system
    calls than the reply itself, and the kernel nearly always takes it.
    """

    def write(self, data: bytes) -> None:
        """Write immediately, and buffer what the kernel does not take."""
        if self.connected and not (self.dataBuffer or self._tempDataBuffer or self._writeDisconnecting):
            sent = self.writeSomeData(data)
            if sent == len(data):
                return
            if isinstance(sent, int):
                data = data[sent:]
        # Buffers the rest. After an error that is everything, and the reactor meets the error again and handles it.
        super().write(data)  # type: ignore[no-untyped-call]


def is_secure(transport: ITransport) -> bool:
    """Return whether a transport has a handshake before the first message."""
    return ISecureTransport.providedBy(transport) or ISSLTransport.providedBy(transport)


def taken(transport: ITransport, received: int) -> int:
    """
    Return the number of bytes read so far, counted as L{unread} counts them.

    @param received: the bytes that the protocol has received.
    """
    return transport.taken if IRecordTransport.providedBy(transport) else received


def unread(transport: ITransport) -> int:
    """
    Return the number of bytes in a transport's receive queue: FIONREAD, tcp(7).

    @return: 0 where it can't be known: on Windows, and for transports without a plain socket.
    """
    return _ask_queue(transport, "FIONREAD")


def unsent(transport: ITransport) -> int:
    """
    Return the number of bytes in a transport's send queue that the peer has not acknowledged: SIOCOUTQ, tcp(7).

    @return: 0 where it can't be known: outside Linux, and for transports without a plain socket.
    """
    return _ask_queue(transport, "TIOCOUTQ")


def at_end(transport: ITransport) -> bool:
    """Return whether everything has been read, and the peer's FIN or reset comes next."""
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
    except OSError:  # pragma: no cover  # The system supports this for terminals only.
        return 0
    count: int = struct.unpack("i", answer)[0]
    return count
