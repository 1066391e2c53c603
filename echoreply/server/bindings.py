"""The listening addresses of the settings, and the bindings that serve them."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from math import ceil
from typing import TYPE_CHECKING, cast

from attrs import frozen
from twisted.internet.defer import execute
from twisted.internet.interfaces import (
    IAddress,
    IListeningPort,
    IProtocolFactory,
    IReactorFDSet,
    IStreamServerEndpoint,
)

from echoreply.core.access import within
from echoreply.core.reasons import RefusalReason
from echoreply.net.addresses import host_and_port, host_of
from echoreply.net.binding import Binding, SocketOwner, finish_at_once, owner_of, report_listen_errors
from echoreply.net.endpoints import IServerReactor, server_endpoint, stream_endpoint
from echoreply.net.errors import CannotListen
from echoreply.net.listener import Layer, Listener
from echoreply.net.shared_sockets import SharedSockets, open_endpoint
from echoreply.net.sockets import AdoptedServerEndpoint, datagram_sockets, listening_sockets
from echoreply.net.udp_port import DatagramPort
from echoreply.observe.observer import ReplyObserver
from echoreply.protocol import ListenerFactory, ReplyFactory
from echoreply.proxy.factory import ProxyFactory
from echoreply.server.datagrams import ReplyDatagrams
from echoreply.server.settings import OptionError, Settings

if TYPE_CHECKING:
    from echoreply.server.certificates import ReadContext

HAPROXY = "haproxy:"


@frozen(kw_only=True)
class ListeningAddress:
    """
    A listening address of the settings. Nothing is open yet.

    @ivar where: the address as the user wrote it.
    @ivar listener: describes it to observers.
    @ivar endpoint: returns its endpoint on a reactor; C{None} for UDP.
    @ivar open_sockets: opens the sockets for a number of other processes.
    @ivar owner: the process that opens the socket if there is no supervisor.
    @ivar read_context: reads the files for TLS; C{None} without TLS.
    """

    where: str
    listener: Listener
    endpoint: Callable[[IServerReactor], IStreamServerEndpoint] | None = None
    open_sockets: Callable[[int], SharedSockets]
    owner: SocketOwner = SocketOwner.PROCESS
    read_context: ReadContext | None = None


def listening_addresses(
    settings: Settings, certificate: Callable[[], bytes] | None = None
) -> Iterator[ListeningAddress]:
    """
    Yield the addresses to listen on. Their order is the same in every process.

    @param certificate: returns the certificate and its key, in PEM, if the settings name none; by default, it
        generates one.
    @raise CannotListen: an endpoint's description is wrong.
    """
    interface = settings.interface
    if settings.tcp is not None:
        yield _port(host_and_port(interface or "*", settings.tcp), interface, settings.tcp)
    if settings.tls is not None:
        # Imported lazily: it takes ten megabytes.
        from echoreply.server.certificates import context_reader, generate_certificate

        where = host_and_port(interface or "*", settings.tls)
        with report_listen_errors(where):
            generated = certificate or partial(generate_certificate, interface)
            read = context_reader(settings.cert, settings.key, settings.client_ca, settings.alpn, generated)
        yield _port(where, interface, settings.tls, (Layer.TLS,), read)
    if settings.udp is not None:
        port = settings.udp
        yield ListeningAddress(
            where=f"{host_and_port(interface or '*', port)} for UDP",
            listener=Listener((Layer.UDP,)),
            open_sockets=lambda count: SharedSockets(datagram_sockets(interface, port, count)),
        )
    for description in settings.listen:
        with report_listen_errors(description):
            address = _described_address(description, interface)
        yield address


def check_endpoints(reactor: IServerReactor, settings: Settings) -> None:
    """
    Check the descriptions of endpoints, and open nothing.

    @raise OptionError: a description is wrong.
    """

    def check_listen(description: str) -> None:
        address = _described_address(description, settings.interface)
        # Making the endpoint of a socket from systemd takes the socket.
        if address.endpoint and address.owner is SocketOwner.PROCESS:
            address.endpoint(reactor)

    def check_web(description: str) -> None:
        if owner_of(description) is SocketOwner.PROCESS:
            stream_endpoint(reactor, description)

    for name, check, descriptions in (
        ("listen", check_listen, settings.listen),
        ("web", check_web, filter(None, [settings.web])),
    ):
        for description in descriptions:
            try:
                with report_listen_errors(description):
                    check(description)
            except CannotListen as error:
                raise OptionError(str(error), name) from None


def _port(
    where: str, interface: str, port: int, layers: tuple[Layer, ...] = (), read_context: ReadContext | None = None
) -> ListeningAddress:
    return ListeningAddress(
        where=where,
        listener=Listener(layers),
        endpoint=partial(server_endpoint, interface=interface, port=port),
        open_sockets=lambda count: SharedSockets(listening_sockets(interface, port, count)),
        read_context=read_context,
    )


def _described_address(description: str, interface: str) -> ListeningAddress:
    """
    Return the address of a bare port on an interface, or of an endpoint of its own interface.

    Endpoints are described as for L{twisted.internet.endpoints.serverFromString}, but for two kinds.
    C{ssl:} and C{haproxy:} replace Twisted's. C{ssl:} needs no pyOpenSSL. C{haproxy:} accepts a header that arrives in
    pieces, and supports half-close; the header comes before TLS, as proxies send it.

    @raise ValueError: the description is wrong.
    """
    if description.isdecimal():
        return _port(host_and_port(interface or "*", int(description)), interface, int(description))
    inner = description.removeprefix(HAPROXY)
    layers = (Layer.PROXY,) if inner != description else ()
    if inner.startswith(HAPROXY):
        # Clients could send the second header themselves.
        raise ValueError("haproxy takes an endpoint without it")
    if inner.startswith("ssl:"):
        from echoreply.server.certificates import parse_ssl_endpoint

        read_context, own_interface, port = parse_ssl_endpoint(inner)
        return _port(description, own_interface, port, (*layers, Layer.TLS), read_context)
    return ListeningAddress(
        where=description,
        listener=Listener(layers),
        endpoint=partial(stream_endpoint, description=inner),
        open_sockets=partial(open_endpoint, inner),
        owner=owner_of(inner),
    )


def bind(
    reactor: IServerReactor,
    settings: Settings,
    factory: ReplyFactory,
    addresses: Iterable[ListeningAddress],
    inherited: Sequence[socket.socket] = (),
) -> Iterator[Binding]:
    """
    Yield a binding for each address.

    @param inherited: the sockets that the supervisor has opened, one for each address; empty without a supervisor.
    @raise CannotListen: an address can't be bound.
    """
    for index, address in enumerate(addresses):
        opened = inherited[index] if inherited else None
        owner = address.owner
        if opened and owner is SocketOwner.PROCESS:
            owner = SocketOwner.SUPERVISOR
        make = _bind_stream if address.endpoint else _bind_datagrams
        yield make(reactor, settings, factory, address, opened, owner)


def _bind_stream(
    reactor: IServerReactor,
    settings: Settings,
    factory: ReplyFactory,
    address: ListeningAddress,
    inherited: socket.socket | None,
    owner: SocketOwner,
) -> Binding:
    listener, observer = address.listener, factory.observer
    front: IProtocolFactory = ListenerFactory(factory, listener)
    reload = None
    with report_listen_errors(address.where):
        if address.read_context:
            from echoreply.server.certificates import add_tls

            front, reload = add_tls(address.where, front, address.read_context, partial(observer.failed, listener))
        if inherited:
            endpoint: IStreamServerEndpoint = AdoptedServerEndpoint(reactor, inherited)
        else:
            assert address.endpoint
            endpoint = address.endpoint(reactor)
    finish_accepting = finish_at_once
    if Layer.PROXY in listener.layers:
        front = proxied = ProxyFactory(
            front,
            reactor,
            partial(_trusts, settings, observer, listener),
            lambda peer, why: observer.failed(listener, peer, Layer.PROXY, why),
        )
        finish_accepting = proxied.drain
    return Binding(
        address.where,
        partial(endpoint.listen, front),
        listener,
        owner,
        finish_accepting,
        reload.attempt if reload else None,
    )


def _trusts(settings: Settings, observer: ReplyObserver, listener: Listener, peer: IAddress) -> bool:
    """Return whether a peer is a trusted proxy; always true for UNIX sockets, which have file permissions."""
    host = host_of(peer)
    if not host or within(host, settings.trust_proxy):
        return True
    observer.refused(listener, peer, RefusalReason.UNTRUSTED)
    return False


def _bind_datagrams(
    reactor: IServerReactor,
    settings: Settings,
    factory: ReplyFactory,
    address: ListeningAddress,
    inherited: socket.socket | None,
    owner: SocketOwner,
) -> Binding:
    replies = ReplyDatagrams(
        reactor,
        lambda: factory.rules,
        factory.observer,
        address.listener,
        # The source port of a datagram selects the worker, so each worker gets its part of the limit.
        rate=ceil(settings.udp_rate / settings.workers),
        permits=settings.access.permits,
        sampling_clock=factory.sampling_clock,
    )

    def listen() -> IListeningPort:
        bound = inherited or address.open_sockets(1).sockets[0]
        port = DatagramPort(cast(IReactorFDSet, reactor), replies, bound)
        port.startListening()  # type: ignore[no-untyped-call]
        return port

    return Binding(address.where, lambda: execute(listen), address.listener, owner)
