"""Transports: what both ends need of them, and what the kernel knows of them."""

from __future__ import annotations

import socket
import struct
from typing import cast

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

    @return: 0 where that can't be known: on Windows, and for transports without a socket.
    """
    if fcntl is None or not ISystemHandle.providedBy(transport):
        return 0
    handle = cast(socket.socket, transport.getHandle())
    answer = fcntl.ioctl(handle, termios.FIONREAD, bytes(4))
    count: int = struct.unpack("i", answer)[0]
    return count


def at_end(transport: ITransport) -> bool:
    """Tell whether the peer's FIN has arrived and is all that is left to be read."""
    if not ISystemHandle.providedBy(transport):
        return False
    handle = cast(socket.socket, transport.getHandle())
    try:
        return not handle.recv(1, socket.MSG_PEEK)
    except OSError:  # Nothing has arrived, or a reset.
        return False
