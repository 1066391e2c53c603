"""Sockets that serve a port: one for a process, or several that share it, one for each process."""

from __future__ import annotations

import errno
import os
import socket
import stat
from contextlib import suppress
from typing import Any, cast

from attrs import frozen
from twisted.internet import tcp, unix
from twisted.internet.abstract import isIPv6Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IReactorSocket, IStreamServerEndpoint
from twisted.python.failure import Failure
from zope.interface import implementer

BACKLOG = 65535
"""Connections that may wait to be accepted; the kernel takes less where its own limit is lower, as it mostly is."""


def listening_sockets(interface: str, port: int, count: int = 1) -> list[socket.socket]:
    """
    Listen on a port; with several sockets by SO_REUSEPORT: socket(7). The kernel gives each its share of the clients.

    @param interface: an IP address; if empty, all of the machine, IPv6 and IPv4 by one socket (RFC 3493, 5.3), so that
        port 0 is the same port in both; on a machine without IPv6, IPv4 alone.
    @param port: if 0, a free one.
    @raise CannotListenError: the address is taken, also by another server that would share it, or not ours to take.
    """
    return _sockets(socket.SOCK_STREAM, interface, port, count)


def datagram_socket(interface: str, port: int) -> socket.socket:
    """
    Give a UDP socket, bound as L{listening_sockets} binds its own.

    @raise CannotListenError: the address is taken, or not ours to take.
    """
    (bound,) = _sockets(socket.SOCK_DGRAM, interface, port, 1)
    return bound


def _sockets(kind: socket.SocketKind, interface: str, port: int, count: int) -> list[socket.socket]:
    both = not interface and socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both or isIPv6Address(interface) else socket.AF_INET
    listeners: list[socket.socket] = []
    try:
        address = _socket_address(interface, port, family, kind)
        for _ in range(count):
            listener = socket.socket(family, kind)
            listeners.append(listener)
            listener.setblocking(False)
            if os.name == "posix" and kind == socket.SOCK_STREAM:
                # Otherwise this would let two servers have one port.
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not both)
            # The first one begins to share when the port is its own: another server's would let it in otherwise.
            if len(listeners) > 1:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listener.bind(address)
            if count > 1:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            address = listener.getsockname()
        if kind == socket.SOCK_STREAM:
            for listener in listeners:
                listener.listen(BACKLOG)
    except OSError as error:
        for listener in listeners:
            listener.close()
        # Python's text, or the resolver's, may name the address once more.
        raise CannotListenError(interface, port, OSError(error.errno, os.strerror(error.errno or 0))) from None
    return listeners


def _socket_address(interface: str, port: int, family: int, kind: int) -> Any:  # noqa: ANN401  # as the socket module has it
    if not interface:
        return ("", port)
    ((_, _, _, _, address),) = socket.getaddrinfo(interface, port, family, kind, flags=socket.AI_NUMERICHOST)
    return address


def adopt(reactor: IReactorSocket, listener: socket.socket, factory: IProtocolFactory) -> IListeningPort:
    """Have a reactor listen with a socket that listens already, by a descriptor of its own: this one is closed."""
    with listener:
        return reactor.adoptStreamPort(listener.fileno(), listener.family, cast(Any, factory))


def mind_file(port: unix.Port, *, keep: bool) -> None:
    """
    Have the port of a UNIX socket remove its file when it closes only if that is still its own.

    Twisted's removes what is there, and never closes if it can't.

    @param keep: whether the file is not ours to remove at all.
    """
    path: str = port.getHost().name
    made = _identity(path)
    remove_and_close = port.connectionLost

    def close(reason: Failure) -> None:
        if not keep and _identity(path) == made:
            # Who was root when it was made may not be any more.
            with suppress(OSError):
                remove_and_close(reason)  # type: ignore[no-untyped-call]
                return
        tcp.Port.connectionLost(port, reason)

    port.connectionLost = close  # type: ignore[method-assign]  # for one port, whoever made it


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


@implementer(IStreamServerEndpoint)
@frozen
class FreshUNIXEndpoint:
    """
    Listens on a UNIX socket, whose file may have been left by somebody who is no more.

    @param path: the file.
    """

    _endpoint: IStreamServerEndpoint
    _path: str

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """
        Listen.

        @return: the port, or a failure with L{CannotListenError}, also if somebody listens there.
        """
        try:
            self._remove_stale_socket()
        except OSError as error:
            return fail(CannotListenError(None, self._path, error))
        return self._endpoint.listen(protocolFactory)

    def _remove_stale_socket(self) -> None:
        if not os.path.exists(self._path) or not stat.S_ISSOCK(os.stat(self._path).st_mode):
            return
        with socket.socket(socket.AF_UNIX) as probe:
            # Who listens, but has no room in the queue, is there, too.
            probe.setblocking(False)
            with suppress(BlockingIOError):
                if probe.connect_ex(self._path) == errno.ECONNREFUSED:
                    os.unlink(self._path)


@implementer(IStreamServerEndpoint)
@frozen
class AdoptedServerEndpoint:
    """
    Listens with a socket that listens already.

    @param descriptor: the socket's.
    """

    _reactor: IReactorSocket
    _descriptor: int

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """Listen."""
        return succeed(adopt(self._reactor, socket.socket(fileno=self._descriptor), protocolFactory))
