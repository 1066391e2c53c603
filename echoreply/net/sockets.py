"""Opening listening sockets on a port: one for this process, or several that share the port, one for each process."""

from __future__ import annotations

import os
import socket
from typing import Any, cast

from attrs import frozen
from twisted.internet.abstract import isIPv6Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IReactorSocket, IStreamServerEndpoint
from zope.interface import implementer

from echoreply.net.unix_sockets import AdoptedUNIXPort

BACKLOG = 65535
"""Maximum connections that wait to be accepted. The kernel caps it at its own limit, which is usually lower."""


def listening_sockets(
    interface: str, port: int, count: int = 1, backlog: int = BACKLOG, *, one_family: bool = True
) -> list[socket.socket]:
    """
    Listen on a TCP port, with one socket or with several by SO_REUSEPORT (socket(7)), which share the clients.

    @param interface: an IP address; if empty, all addresses, IPv6 and IPv4 by one socket (RFC 3493, 5.3), so that
        port 0 is the same port in both families; on a machine without IPv6, IPv4 alone.
    @param port: if 0, a free one.
    @param one_family: whether C{::} is IPv6 alone. Otherwise the system decides, as for Twisted's endpoints.
    @raise CannotListenError: the address is not available, or in use, even by a server that would share it.
    """
    sockets = _bound_sockets(socket.SOCK_STREAM, interface, port, count, one_family=one_family)
    try:
        for bound in sockets:
            bound.listen(backlog)
    except OSError as error:
        raise _closed_with_error(sockets, interface, port, error) from None
    return sockets


def datagram_sockets(interface: str, port: int, count: int = 1) -> list[socket.socket]:
    """
    Bind a UDP port as L{listening_sockets} does. Among several sockets, a peer's address and port choose one.

    @raise CannotListenError: the address is in use or not available.
    """
    return _bound_sockets(socket.SOCK_DGRAM, interface, port, count, one_family=True)


def _bound_sockets(
    kind: socket.SocketKind, interface: str, port: int, count: int, *, one_family: bool
) -> list[socket.socket]:
    both = not interface and socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both or isIPv6Address(interface) else socket.AF_INET
    sockets: list[socket.socket] = []
    try:
        address = _socket_address(interface, port, family, kind)
        for _ in range(count):
            bound = socket.socket(family, kind)
            sockets.append(bound)
            bound.setblocking(False)
            if os.name == "posix" and kind == socket.SOCK_STREAM:
                # For UDP, and on Windows, this would let two servers have one port.
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6 and (both or one_family):
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not both)
            # The first socket shares only after it is bound: otherwise it could share the port of another server.
            if len(sockets) > 1:
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            bound.bind(address)
            if count > 1:
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            address = bound.getsockname()
    except OSError as error:
        raise _closed_with_error(sockets, interface, port, error) from None
    return sockets


def _closed_with_error(sockets: list[socket.socket], interface: str, port: int, error: OSError) -> CannotListenError:
    """Close the sockets, and return the error to raise. Python's own text may name the address again."""
    for bound in sockets:
        bound.close()
    if isinstance(error, socket.gaierror):
        return CannotListenError(interface, port, error)
    return CannotListenError(interface, port, OSError(error.errno, os.strerror(error.errno or 0)))


def _socket_address(interface: str, port: int, family: int, kind: int) -> Any:  # noqa: ANN401  # as the socket module has it
    if not interface:
        return ("", port)
    # An endpoint's interface may be a name.
    return socket.getaddrinfo(interface, port, family, kind)[0][4]


def adopt(reactor: IReactorSocket, listening: socket.socket, factory: IProtocolFactory) -> IListeningPort:
    """Return a port of a reactor on a socket that listens already, and that the port owns from now on."""
    if listening.family not in (socket.AF_INET, socket.AF_INET6):
        port = AdoptedUNIXPort(reactor, listening, factory)
        port.startListening()
        return port
    with listening:  # The reactor duplicates it.
        return reactor.adoptStreamPort(listening.fileno(), listening.family, cast(Any, factory))


@implementer(IStreamServerEndpoint)
@frozen
class AdoptedServerEndpoint:
    """
    An endpoint on a socket that listens already.

    @ivar socket: the socket.
    """

    _reactor: IReactorSocket
    socket: socket.socket

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        return succeed(adopt(self._reactor, self.socket, protocolFactory))
