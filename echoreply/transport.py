"""Transports: what both ends need of them, and what the kernel knows of them."""

from __future__ import annotations

import socket
import struct

from twisted.internet.interfaces import IConsumer, IPushProducer, ISystemHandle, ITCPTransport, ITransport

try:
    import fcntl
    import termios
except ImportError:  # pragma: no cover  # Windows
    fcntl = termios = None  # type: ignore[assignment]


class IDuplexTransport(ITCPTransport, IConsumer, IPushProducer):
    """What a TCP transport is: the consumer of its protocol's bytes, and the producer of its peer's."""


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
