"""Taken out of echoreply.net.endpoints."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from twisted.internet.interfaces import (
    IAddress,
    IProtocolFactory,
)

from echoreply.net.binding import Binding, listening_on, nothing_to_settle
from echoreply.net.endpoints import IServerReactor, server_endpoint, stream_endpoint
from echoreply.net.listener import Layer, Listener
from echoreply.proxy.factory import ProxyFactory

HAPROXY = "haproxy:"


Tell = Callable[[Listener, IAddress, Layer, str], object]
"""Is told of a client that was not understood: where it came in, its peer, in which layer, and why, for people."""


def endpoint_binding(
    reactor: IServerReactor,
    description: str,
    listener_factory: Callable[[Listener], IProtocolFactory],
    *,
    trusts: Callable[[Listener, IAddress], bool],
    tell: Tell,
) -> Binding:
    """
    Give the way in that is described as Twisted describes endpoints: L{serverFromString}.

    That of C{ssl:} is ours, and needs no pyOpenSSL. So is C{haproxy:}, since Twisted's takes no header that comes in
    pieces, and knows no half-close; the header comes before TLS, as proxies send it. One of C{unix:} replaces a file
    that nobody listens on.

    @param listener_factory: gives the factory that makes the protocols of the clients who come in there.
    @param trusts: is asked of the peer on C{haproxy:} whether it is a proxy that is believed; who is not is closed.
    @raise CannotListen: it describes none.
    """
    kind = description.removeprefix(HAPROXY)
    proxies, secures = kind != description, kind.startswith("ssl:")
    listener = Listener((Layer.PROXY,) * proxies + (Layer.TLS,) * secures)
    factory = listener_factory(listener)
    tell_here = partial(tell, listener)
    settle = nothing_to_settle
    reload = None
    with listening_on(description):
        if kind.startswith(HAPROXY):
            # The second header could be anybody's.
            raise ValueError("haproxy takes an endpoint without it")
        if secures:
            from echoreply.server.certificates import described, secured

            read, interface, port = described(kind)
            endpoint = server_endpoint(reactor, interface, port)
            factory, reload = secured(description, factory, read, tell_here)
        else:
            endpoint = stream_endpoint(reactor, kind)
    if proxies:
        trusts_here = partial(trusts, listener)
        factory = proxied = ProxyFactory(
            factory, reactor, trusts_here, lambda peer, why: tell_here(peer, Layer.PROXY, why)
        )
        settle = proxied.drain
    return Binding(
        description,
        partial(endpoint.listen, factory),
        listener,
        passed_on=kind.startswith("systemd:"),
        settle=settle,
        reload=reload.attempt if reload else None,
    )
