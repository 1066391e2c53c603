"""Where a server listens: on all addresses at once, on one, or wherever a Twisted endpoint does."""

from __future__ import annotations

import os
import socket
from typing import Any, cast

from attrs import frozen
from twisted.internet.abstract import isIPv6Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import (
    IListeningPort,
    IProtocolFactory,
    IReactorCore,
    IReactorFromThreads,
    IReactorSocket,
    IReactorTCP,
    IReactorTime,
    IStreamServerEndpoint,
)
from zope.interface import implementer

if (passed := os.environ.get("LISTEN_FDS", "")).isdigit():
    # Twisted reads these when its endpoints are imported, and takes no sockets that have no names, as some pass them.
    # sd_listen_fds_with_names(3) says what they are called then.
    os.environ.setdefault("LISTEN_FDNAMES", ":".join(["unknown"] * int(passed)))
from twisted.internet.endpoints import TCP4ServerEndpoint, TCP6ServerEndpoint, serverFromString

BACKLOG = 65535
"""Connections that may wait to be accepted; the kernel takes less where its own limit is lower, as it mostly is."""


class IServerReactor(IReactorCore, IReactorFromThreads, IReactorSocket, IReactorTCP, IReactorTime):
    """What a server needs of a reactor."""


@implementer(IStreamServerEndpoint)
@frozen
class DualStackServerEndpoint:
    """
    Listens on every address of the machine.

    With one socket for both families (RFC 3493, 5.3), so that port 0 is the same port in both. On a machine without
    IPv6, on IPv4 alone.
    """

    _reactor: IServerReactor
    _port: int

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """
        Listen.

        @return: the port, or a failure with L{CannotListenError}.
        """
        both = socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if both else socket.AF_INET
        try:
            listener = socket.create_server(("", self._port), family=family, backlog=BACKLOG, dualstack_ipv6=both)
        except OSError as error:
            # Its own text names the address once more, in Python's words.
            reason = OSError(error.errno, os.strerror(error.errno or 0))
            return fail(CannotListenError("", self._port, reason))
        with listener:
            listener.setblocking(False)
            return succeed(self._reactor.adoptStreamPort(listener.fileno(), family, cast(Any, protocolFactory)))


def server_endpoint(reactor: IServerReactor, interface: str, port: int) -> IStreamServerEndpoint:
    """Give the endpoint that listens on an IP address, or on all of them if C{interface} is empty."""
    if not interface:
        return DualStackServerEndpoint(reactor, port)
    kind = TCP6ServerEndpoint if isIPv6Address(interface) else TCP4ServerEndpoint
    return kind(reactor, port, backlog=BACKLOG, interface=interface)


def described_endpoint(reactor: IServerReactor, description: str) -> IStreamServerEndpoint:
    """
    Give the endpoint of a description: L{serverFromString}.

    @raise ValueError: it describes none. The text says what is wrong with it.
    """
    try:
        endpoint: IStreamServerEndpoint = serverFromString(reactor, description)
    except (IndexError, KeyError):
        raise ValueError("no such socket was passed to this process") from None
    except Exception as error:
        # An endpoint's parser may be anybody's, and says what it does not take in any way.
        raise ValueError(str(error)) from None
    return endpoint
