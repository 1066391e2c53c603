"""
Bindings whose clients speak TLS: what they are made of, and how that is read.

To be imported only when there is such a binding: what reads certificates takes ten megabytes.
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
from echoreply.observe.event import log_event
from echoreply.observe.events import CertificateGenerated
from echoreply.server.reload import Reload
from echoreply.tls.certificate import fingerprint, make_certificate
from echoreply.tls.context import context_of_pem, server_context
from echoreply.tls.factory import TLSFactory

Read = Callable[[], SSLContext]
"""Reads the files again; raises L{ValueError} if they can't be used."""


class Described(NamedTuple):
    """What a description of an endpoint says."""

    read: Read
    interface: str
    port: int


def described(description: str) -> Described:
    """
    Take C{ssl:PORT:privateKey=FILE:certKey=FILE} apart, whose arguments have Twisted's names.

    @raise ValueError: that can't be. The text says why, for people.
    """
    # As Twisted takes it apart, with its way to write a colon.
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
    return Described(read, interface, int(port))


def self_signed_certificate(interface: str) -> bytes:
    """
    Make a certificate and its key, and log whose it is to be taken for.

    @param interface: the IP address that it is for, if it is for one.
    @return: both in PEM.
    """
    pem = make_certificate([interface] if interface else [])
    log_event(CertificateGenerated(fingerprint=fingerprint(pem)))
    return pem


def told(cert: str, key: str, client_ca: str, alpn: Sequence[str], made: Callable[[], bytes]) -> Read:
    """
    Give what reads the files that options name.

    @param cert: the path of the certificate; if empty, that one is taken which C{made} gives.
    @param key: the path of its key; if empty, the same.
    """
    if cert:
        return partial(server_context, cert, key, client_ca=client_ca, alpn=alpn)
    return partial(context_of_pem, made(), client_ca=client_ca, alpn=alpn)


def secured(
    where: str, factory: IProtocolFactory, read: Read, tell: Callable[[IAddress, Layer, str], object]
) -> tuple[TLSFactory, Reload]:
    """
    Put TLS before a factory.

    @param where: the address as people know it.
    @return: the factory in front, and what renews what it has read.
    """
    front = TLSFactory(factory, read(), lambda peer, why: tell(peer, Layer.TLS, why))

    def read_again() -> None:
        front.context = read()

    return front, Reload(f"certificate of {where}", read_again)
