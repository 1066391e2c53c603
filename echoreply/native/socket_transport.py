"""A base class for transports: addresses, and socket options."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address

from echoreply.native.private_names import with_zone


class SocketTransport:
    """
    The methods of C{ITCPTransport} that concern addresses and options of the socket.

    @param socket: a connected TCP socket.
    @param peer: the address of the other end, as a tuple of the socket module.
    """

    __slots__ = ("_peer", "_socket")

    def __init__(self, socket: socket.socket, peer: tuple[Any, ...]) -> None:
        self._socket = socket
        self._peer = _address(peer)

    def getPeer(self) -> IPv4Address | IPv6Address:
        return self._peer

    def getHost(self) -> IPv4Address | IPv6Address:
        name = self._socket.getsockname()
        if len(name) == 4 and name[3]:
            # The socket module omits the zone of a link-local address: RFC 4007, section 11.
            name = with_zone(name)
        return _address(name)

    def getHandle(self) -> socket.socket:
        """Return the socket, which only the event loop may read and write."""
        return self._socket

    def fileno(self) -> int:
        """Return the socket's descriptor; -1 once it is closed."""
        return self._socket.fileno()

    def getTcpNoDelay(self) -> bool:
        """Return whether small segments are sent at once: RFC 9293, 3.7.4."""
        return bool(self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Set whether small segments are sent at once."""
        # Some systems refuse this once the peer has closed.
        with suppress(OSError):
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, enabled)

    def getTcpKeepAlive(self) -> bool:
        """Return whether a silent peer is probed: RFC 9293, 3.8.4."""
        return bool(self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """Set whether a silent peer is probed."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, enabled)


def _address(name: tuple[Any, ...]) -> IPv4Address | IPv6Address:
    """Convert an address of the socket module, which is a tuple."""
    kind = IPv4Address if len(name) == 2 else IPv6Address
    return kind("TCP", *name)
