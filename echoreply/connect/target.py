"""The server that a client connects to: its endpoint, made from the options, and its name for people."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Sequence

from attrs import frozen
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint, clientFromString
from twisted.internet.interfaces import (
    IAddress,
    IHostnameResolver,
    IHostResolution,
    IReactorCore,
    IReactorFromThreads,
    IReactorTCP,
    IReactorUNIX,
    IResolutionReceiver,
    IStreamClientEndpoint,
    ITransport,
)
from zope.interface import implementer

from echoreply.connect.datagram_transport import DatagramTransport
from echoreply.connect.udp import DatagramClientEndpoint, IDatagramReactor
from echoreply.core.parsing import is_from_python, printable
from echoreply.native.private_names import unix_path
from echoreply.net.addresses import format_address, host_and_port
from echoreply.net.files import check_readable
from echoreply.tls.client import TLSClientEndpoint, TLSClientTransport, client_context

MAX_PATH = 107 if sys.platform == "linux" else 103
"""Maximum bytes in the path of a UNIX socket, without the NUL that ends it."""


class IClientReactor(
    IDatagramReactor,
    IReactorCore,
    IReactorFromThreads,
    IReactorTCP,
    IReactorUNIX,
):
    """The interfaces of a reactor that a client uses."""


@frozen
class ConnectTarget:
    """
    A server to connect to.

    @ivar endpoint: connects to it.
    @ivar name: its name, for people; quoted if it can't be printed as it is.
    """

    endpoint: IStreamClientEndpoint
    name: str


def connect_target(reactor: IClientReactor, options: Namespace) -> ConnectTarget:
    """
    Return the target that the options describe.

    @param options: as from L{parse_arguments <echoreply.client.command.parse_arguments>}.
    @raise ValueError: an option can't be used. The text names the option and the reason, for people.
    """
    plain = _plain_target(reactor, options)
    if not options.tls:
        return plain
    for name in ("ca", "cert", "key"):
        if path := getattr(options, name):
            try:
                check_readable(path)
            except ValueError as error:
                raise ValueError(f"--{name} {error}") from None
    context = client_context(options.ca or "", options.cert or "", options.key or "", insecure=options.insecure)
    # Certificates name hosts without the dot of the root, and IPv6 addresses without a zone.
    name = (options.servername or options.host or "").removesuffix(".").partition("%")[0]
    return ConnectTarget(TLSClientEndpoint(plain.endpoint, context, name or None), plain.name)


def _plain_target(reactor: IClientReactor, options: Namespace) -> ConnectTarget:
    if options.unix:
        _check_path("--unix", options.unix)
        return ConnectTarget(
            UNIXClientEndpoint(reactor, options.unix, options.connect_timeout), printable(options.unix)
        )
    if options.connect:
        return ConnectTarget(_client_endpoint(reactor, options.connect), printable(options.connect))
    name = printable(host_and_port(options.host, options.port))
    if options.family:
        name += f" over IPv{options.family}"
        reactor.installNameResolver(OneFamily(reactor.nameResolver, options.family))
    if options.udp:
        return ConnectTarget(DatagramClientEndpoint(reactor, options.host, options.port, options.eol), name)
    return ConnectTarget(NameEndpoint(reactor, options.host, options.port, options.connect_timeout), name)


class NameEndpoint(HostnameEndpoint):
    """
    Tries all addresses of a name, as RFC 8305 describes.

    Names with underscores are looked up too: Twisted refuses them, as IDNA does, but containers have such names.
    """

    @staticmethod
    def _hostAsBytesAndText(host: bytes | str) -> tuple[bool, bytes, str]:
        invalid, octets, text = HostnameEndpoint._hostAsBytesAndText(host)
        if invalid and text == host:
            invalid, *_ = HostnameEndpoint._hostAsBytesAndText(text.replace("_", "x"))
        return invalid, octets, text


def _client_endpoint(reactor: IClientReactor, description: str) -> IStreamClientEndpoint:
    try:
        endpoint: IStreamClientEndpoint = clientFromString(reactor, description)
    except NameError:
        # Twisted's parsers raise this when they need its TLS, which can't be imported without pyOpenSSL.
        raise ValueError(f"--connect {description!r} needs pyOpenSSL, which is not installed") from None
    except Exception as error:
        # Endpoints are plugins, whose parsers may raise any exception.
        why = "see Twisted's client endpoints; one is tcp:HOST:PORT" if is_from_python(error) else str(error)
        raise ValueError(f"--connect takes a Twisted endpoint, not {description!r}: {why}") from None
    if isinstance(endpoint, UNIXClientEndpoint):
        _check_path("--connect", unix_path(endpoint))
    return endpoint


def _check_path(option: str, path: str) -> None:
    """Raise L{ValueError} if a path is too long for a socket (unix(7)), which Twisted does not check."""
    if len(os.fsencode(path)) > MAX_PATH:
        raise ValueError(f"{option} takes a path of {MAX_PATH} bytes at most, not {path!r}")


@implementer(IHostnameResolver)
@frozen
class OneFamily:
    """
    A resolver that keeps only the addresses of one family.

    @ivar family: 4 or 6.
    """

    _resolver: IHostnameResolver
    _family: int

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        family = IPv6Address if self._family == 6 else IPv4Address
        return self._resolver.resolveHostName(resolutionReceiver, hostName, portNumber, [family], transportSemantics)


def describe_connection(transport: ITransport) -> str:
    """Return the addresses of a connection, and TLS or UDP if it uses them, as text for people."""
    peer, host = transport.getPeer(), transport.getHost()
    if isinstance(peer, UNIXAddress):
        # The client's end has no name.
        text = os.fsdecode(peer.name or b"")
    else:
        text = f"{format_address(peer)} from {format_address(host)}"
    if isinstance(transport, TLSClientTransport):
        return f"{text}, {transport.cipher()}"
    if isinstance(transport, DatagramTransport):
        return f"{text}, UDP"
    return text
