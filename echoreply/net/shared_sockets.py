"""Listening sockets that one process opens and others accept from."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from typing import Any, cast

from attrs import frozen
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import ServerFactory

from echoreply.net.binding import result_now
from echoreply.net.endpoints import IServerReactor, stream_endpoint
from echoreply.net.sockets import AdoptedServerEndpoint, listening_sockets
from echoreply.net.unix_sockets import SocketFile, open_unix_socket

SHAREABLE = ("tcp", "tcp4", "tcp6", "unix", "systemd")
"""The kinds of endpoints, as their descriptions begin, whose sockets several processes can accept from."""


@frozen
class SharedSockets:
    """
    The open sockets of one listening address.

    @ivar sockets: one for each process. Where the system can't divide the clients among several sockets, they are all
        the same socket, and the first process to accept gets the client.
    @ivar file: the file of a UNIX socket that was opened here; otherwise C{None}.
    """

    sockets: Sequence[socket.socket]
    file: SocketFile | None = None

    @property
    def address(self) -> IAddress:
        """The address that clients connect to."""
        first = self.sockets[0]
        name = first.getsockname()
        if first.family not in (socket.AF_INET, socket.AF_INET6):
            return UNIXAddress(os.fsencode(name))
        transport = "TCP" if first.type == socket.SOCK_STREAM else "UDP"
        return (IPv6Address if first.family == socket.AF_INET6 else IPv4Address)(cast(Any, transport), *name)

    def close(self) -> None:
        """Remove the file, and close the sockets in this process. The others keep accepting."""
        if self.file:
            self.file.remove()
        for shared in self.sockets:
            shared.close()


def open_endpoint(description: str, count: int) -> SharedSockets:
    """
    Open the sockets of an endpoint for other processes.

    @param description: as for L{twisted.internet.endpoints.serverFromString}.
    @param count: the number of processes.
    @raise CannotListenError: the address is in use or not available.
    @raise ValueError: the description is wrong, or the endpoint is of a kind that can't be shared.
    """
    endpoint = stream_endpoint(cast(IServerReactor, _SocketOpener(count)), description)
    if (kind := description.partition(":")[0]) not in SHAREABLE:
        raise ValueError(f"--workers takes 1 with {kind}: several processes can't share such an endpoint")
    if isinstance(endpoint, AdoptedServerEndpoint):
        return SharedSockets([endpoint.socket] * count)
    return cast(SharedSockets, result_now(endpoint.listen(cast(Any, ServerFactory()))))


@frozen
class _SocketOpener:
    """Takes the place of a reactor in endpoints: when they listen, it opens sockets for other processes."""

    _count: int

    def listenTCP(self, port: int, factory: object, backlog: int, interface: str) -> SharedSockets:
        sockets = listening_sockets(interface or "0.0.0.0", port, self._count, backlog, one_family=False)
        return SharedSockets(sockets)

    def listenUNIX(self, address: str, factory: object, backlog: int, mode: int, wantPID: int) -> SharedSockets:
        if wantPID:
            raise ValueError("--workers takes 1 with a lockfile")
        opened = open_unix_socket(address, mode, backlog)
        return SharedSockets([opened] * self._count, SocketFile(address))
