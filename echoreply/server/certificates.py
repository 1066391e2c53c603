"""
TLS on listening addresses: reading certificates from the files of options and endpoints, and reloading them.

Import this only if TLS is used: the libraries that read certificates take ten megabytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from ssl import SSLContext
from typing import NamedTuple

from twisted.internet.interfaces import IAddress, IProtocolFactory

from echoreply.native.private_names import parse_endpoint
from echoreply.net.addresses import is_ip_address
from echoreply.net.listener import Layer
from echoreply.observe.event_logging import log_event
from echoreply.observe.events import CertificateGenerated
from echoreply.server.reload import Reload
from echoreply.tls.certificate import fingerprint, make_certificate
from echoreply.tls.context import context_of_pem, server_context
from echoreply.tls.factory import TLSFactory

ReadContext = Callable[[], SSLContext]
"""Reads the files at each call; raises L{ValueError} if they can't be used."""


class SSLEndpoint(NamedTuple):
    """
    A parsed description of an C{ssl:} endpoint.

    @ivar read_context: reads its files.
    @ivar interface: an IP address; empty for all addresses.
    """

    read_context: ReadContext
    interface: str
    port: int


def parse_ssl_endpoint(description: str) -> SSLEndpoint:
    """
    Parse C{ssl:PORT:privateKey=FILE:certKey=FILE}, whose arguments have Twisted's names.

    @raise ValueError: the description is wrong. The text is the reason, for people.
    """
    # Twisted's own parser, since it handles escaped colons.
    (_, *numbers), named = parse_endpoint(description)
    if unknown := sorted({*named} - {"port", "privateKey", "certKey", "extraCertChain", "interface"}):
        raise ValueError(f"ssl takes no {unknown[0]}, but privateKey, certKey, extraCertChain and interface")
    port = numbers[0] if numbers else named.get("port", "")
    if len(numbers) > 1 or not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"ssl takes one port, 0 to 65535, not {':'.join(numbers) or port!r}")
    key = named.get("privateKey", "server.pem")
    read = partial(server_context, named.get("certKey", key), key, named.get("extraCertChain", ""))
    interface = named.get("interface", "")
    if interface and not is_ip_address(interface):
        raise ValueError(f"{interface} is no IP address")
    return SSLEndpoint(read, interface, int(port))


def generate_certificate(interface: str) -> bytes:
    """
    Generate a self-signed certificate and its key, and log its fingerprint.

    @param interface: an IP address that the certificate is also for, besides the names of this machine; may be empty.
    @return: both, in PEM.
    """
    pem = make_certificate([interface] if interface else [])
    log_event(CertificateGenerated(fingerprint=fingerprint(pem)))
    return pem


def context_reader(
    cert: str, key: str, client_ca: str, alpn: Sequence[str], generated: Callable[[], bytes]
) -> ReadContext:
    """
    Return a function that reads the files of the options for TLS.

    @param cert: the path of the certificate; if empty, C{generated} returns the certificate and its key.
    @param key: the path of the key; if empty, the key is in the certificate's file.
    """
    if cert:
        return partial(server_context, cert, key, client_ca=client_ca, alpn=alpn)
    return partial(context_of_pem, generated(), client_ca=client_ca, alpn=alpn)


def add_tls(
    where: str,
    factory: IProtocolFactory,
    read_context: ReadContext,
    report_failure: Callable[[IAddress, Layer, str], object],
) -> tuple[TLSFactory, Reload]:
    """
    Wrap a factory in TLS.

    @param where: the address as the user wrote it.
    @param report_failure: called with the peer of a failed connection, the layer, and the reason, for people.
    @return: the wrapping factory, and the reload of its files.
    @raise ValueError: the files can't be used.
    """
    front = TLSFactory(factory, read_context(), lambda peer, why: report_failure(peer, Layer.TLS, why))

    def read_again() -> None:
        front.context = read_context()

    return front, Reload(f"certificate of {where}", read_again)
