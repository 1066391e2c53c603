"""Where the client goes: its options, as the endpoint that takes it there and the words for it."""

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

from echoreply.connect.udp import DatagramClientEndpoint, DatagramTransport, IDatagramReactor
from echoreply.net.addresses import format_address, host_and_port
from echoreply.tls.client import TLSClientEndpoint, TLSClientTransport, client_context

LONGEST_PATH = 107 if sys.platform == "linux" else 103
"""Bytes in the path of a UNIX socket, at most, beside the NUL that ends it."""


class IClientReactor(
    IDatagramReactor,
    IReactorCore,
    IReactorFromThreads,
    IReactorTCP,
    IReactorUNIX,
):
    """What a client needs of a reactor."""


@frozen
class ConnectTarget:
    """
    Where the client goes.

    @ivar endpoint: takes it there.
    @ivar words: says where, for people.
    """

    endpoint: IStreamClientEndpoint
    words: str


def connect_target(reactor: IClientReactor, options: Namespace) -> ConnectTarget:
    """
    Give the destination that options name.

    @param options: of L{parse_arguments <echoreply.client.command.parse_arguments>}.
    @raise ValueError: there can't be one. The text says which option it is, and what is wrong, for people.
    """
    plain = _plain_target(reactor, options)
    if not options.tls:
        return plain
    context = client_context(options.ca or "", options.cert or "", options.key or "", insecure=options.insecure)
    # A name may end with the dot of the root, with which no certificate has it; an IPv6 address with its zone.
    name = (options.servername or options.host or "").removesuffix(".").partition("%")[0]
    return ConnectTarget(TLSClientEndpoint(plain.endpoint, context, name or None), plain.words)


def _plain_target(reactor: IClientReactor, options: Namespace) -> ConnectTarget:
    if options.unix:
        _check_path("--unix", options.unix)
        return ConnectTarget(UNIXClientEndpoint(reactor, options.unix, options.connect_timeout), options.unix)
    if options.connect:
        return ConnectTarget(_described_endpoint(reactor, options.connect), options.connect)
    words = host_and_port(options.host, options.port)
    if options.family:
        words += f" over IPv{options.family}"
        reactor.installNameResolver(OneFamily(reactor.nameResolver, options.family))
    if options.udp:
        return ConnectTarget(DatagramClientEndpoint(reactor, options.host, options.port, options.eol), words)
    return ConnectTarget(NameEndpoint(reactor, options.host, options.port, options.connect_timeout), words)


class NameEndpoint(HostnameEndpoint):
    """
    Tries all addresses of a name, in the way of RFC 8305.

    Names that have underscores are looked up, too. Twisted takes them for none, as IDNA does, but containers have them.
    """

    @staticmethod
    def _hostAsBytesAndText(host: bytes | str) -> tuple[bool, bytes, str]:
        invalid, octets, text = HostnameEndpoint._hostAsBytesAndText(host)
        if invalid and text == host:
            invalid, *_ = HostnameEndpoint._hostAsBytesAndText(text.replace("_", "x"))
        return invalid, octets, text


def _described_endpoint(reactor: IClientReactor, description: str) -> IStreamClientEndpoint:
    try:
        endpoint: IStreamClientEndpoint = clientFromString(reactor, description)
    except NameError:
        # As Twisted's parsers end that look for its TLS, which can't be imported without that.
        raise ValueError(f"--connect {description!r} needs pyOpenSSL, which is not installed") from None
    except Exception as error:
        # An endpoint's parser may be anybody's, and says what it does not take in any way.
        raise ValueError(f"--connect takes a Twisted endpoint, not {description!r}: {error}") from None
    if isinstance(endpoint, UNIXClientEndpoint):
        _check_path("--connect", endpoint._path)
    return endpoint


def _check_path(option: str, path: str) -> None:
    """Refuse a path at which there can be no socket, which Twisted would stumble over: unix(7)."""
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise ValueError(f"{option} takes a path of {LONGEST_PATH} bytes at most, not {path!r}")


@implementer(IHostnameResolver)
@frozen
class OneFamily:
    """
    Resolves names as another resolver does, to addresses of one family.

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


def connection_words(transport: ITransport) -> str:
    """Say for people which connection this is."""
    peer, host = transport.getPeer(), transport.getHost()
    if isinstance(peer, UNIXAddress):
        # What it is connected from has no name.
        words = os.fsdecode(peer.name or b"")
    else:
        words = f"{format_address(peer)} from {format_address(host)}"
    if isinstance(transport, TLSClientTransport):
        return f"{words}, {transport.cipher()}"
    if isinstance(transport, DatagramTransport):
        return f"{words}, UDP"
    return words
