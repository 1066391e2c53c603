"""Where a server listens: on all addresses at once, on one, or wherever a Twisted endpoint does."""

from __future__ import annotations

import os
from functools import partial

from attrs import frozen
from twisted.internet.abstract import isIPv6Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import (
    IAddress,
    IListeningPort,
    IProtocolFactory,
    IReactorCore,
    IReactorFromThreads,
    IReactorSocket,
    IReactorTCP,
    IReactorTime,
    IStreamServerEndpoint,
)
from twisted.logger import Logger
from zope.interface import implementer

from echoreply.address import format_address, is_ip_address
from echoreply.listeners import BACKLOG, adopt, listening_sockets
from echoreply.log import Allowance
from echoreply.tls.context import server_context
from echoreply.tls.endpoint import TLSServerEndpoint

if (passed := os.environ.get("LISTEN_FDS", "")).isdigit():
    # Twisted reads these when its endpoints are imported, and takes no sockets that have no names, as some pass them.
    # sd_listen_fds_with_names(3) says what they are called then.
    os.environ.setdefault("LISTEN_FDNAMES", ":".join(["unknown"] * int(passed)))
from twisted.internet import endpoints
from twisted.internet.endpoints import TCP4ServerEndpoint, TCP6ServerEndpoint, serverFromString

FAILURES_PER_SECOND = 10
"""TLS connections whose failure is logged, at most. As many as refusals: both are for anybody to cause."""

_log = Logger("echoreply")


class IServerReactor(IReactorCore, IReactorFromThreads, IReactorSocket, IReactorTCP, IReactorTime):
    """What a server needs of a reactor."""


@implementer(IStreamServerEndpoint)
@frozen
class DualStackServerEndpoint:
    """Listens on every address of the machine, with one socket: L{listening_sockets}."""

    _reactor: IServerReactor
    _port: int

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """
        Listen.

        @return: the port, or a failure with L{CannotListenError}.
        """
        try:
            (listener,) = listening_sockets("", self._port)
        except CannotListenError as error:
            return fail(error)
        return succeed(adopt(self._reactor, listener, protocolFactory))


def server_endpoint(reactor: IServerReactor, interface: str, port: int) -> IStreamServerEndpoint:
    """Give the endpoint that listens on an IP address, or on all of them if C{interface} is empty."""
    if not interface:
        return DualStackServerEndpoint(reactor, port)
    kind = TCP6ServerEndpoint if isIPv6Address(interface) else TCP4ServerEndpoint
    return kind(reactor, port, backlog=BACKLOG, interface=interface)


def described_endpoint(reactor: IServerReactor, description: str) -> IStreamServerEndpoint:
    """
    Give the endpoint of a description: L{serverFromString}.

    That of C{ssl:} is ours, and needs no pyOpenSSL.

    @raise ValueError: it describes none. The text says what is wrong with it.
    """
    if description.startswith("ssl:"):
        return _tls_endpoint(reactor, description)
    try:
        endpoint: IStreamServerEndpoint = serverFromString(reactor, description)
    except (IndexError, KeyError):
        raise ValueError("no such socket was passed to this process") from None
    except Exception as error:
        # An endpoint's parser may be anybody's, and says what it does not take in any way.
        raise ValueError(str(error)) from None
    return endpoint


def _tls_endpoint(reactor: IServerReactor, description: str) -> IStreamServerEndpoint:
    """Give the endpoint of C{ssl:PORT:privateKey=FILE:certKey=FILE}, whose arguments have Twisted's names."""
    # As Twisted takes it apart, with its way to write a colon.
    (_, *numbers), named = endpoints._parse(description)
    if unknown := sorted({*named} - {"port", "privateKey", "certKey", "extraCertChain", "interface"}):
        raise ValueError(f"ssl takes no {unknown[0]}, but privateKey, certKey, extraCertChain and interface")
    port = numbers[0] if numbers else named.get("port", "")
    if len(numbers) > 1 or not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"ssl takes one port, 0 to 65535, not {':'.join(numbers) or port!r}")
    key = named.get("privateKey", "server.pem")
    context = server_context(named.get("certKey", key), key, named.get("extraCertChain", ""))
    interface = named.get("interface", "")
    if interface and not is_ip_address(interface):
        raise ValueError(f"{interface} is no IP address")
    failures = Allowance(reactor, FAILURES_PER_SECOND, partial(_log.info, "TLS failures not logged: {count}"))

    def tell(peer: IAddress, why: str) -> None:
        if failures.left:
            _log.info("{peer} TLS failed: {why}", peer=format_address(peer), why=why)
        failures.take()

    return TLSServerEndpoint(server_endpoint(reactor, interface, int(port)), context, tell)
