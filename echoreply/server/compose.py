"""A server in one process, put together from its settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import cast

from twisted.internet.defer import execute
from twisted.internet.interfaces import IAddress, IListeningPort, IProtocolFactory, IReactorFDSet, IStreamServerEndpoint

from echoreply.core.access import within
from echoreply.core.connection_info import Ports
from echoreply.core.files import read_text
from echoreply.core.reasons import RefusalReason
from echoreply.net.addresses import host_and_port, host_of, plain_address
from echoreply.net.binding import Binding, listening_on
from echoreply.net.endpoints import IServerReactor, server_endpoint
from echoreply.net.errors import CannotStart
from echoreply.net.listener import Layer, Listener
from echoreply.net.sockets import datagram_socket
from echoreply.net.udp_port import DatagramPort
from echoreply.observe.event import log_event
from echoreply.observe.events import ScriptFault
from echoreply.observe.observer import ReplyObserver
from echoreply.observe.sampling import SamplingClock
from echoreply.protocol import ListenerFactory, ReplyFactory
from echoreply.server.datagrams import ReplyDatagrams
from echoreply.server.described import endpoint_binding
from echoreply.server.reload import Reload
from echoreply.server.rules import rules_of
from echoreply.server.settings import Settings


def reply_factory(
    reactor: IServerReactor,
    settings: Settings,
    refusal: Callable[[IAddress], RefusalReason | None],
    observers: Iterable[ReplyObserver],
    read: Callable[[str], str] = read_text,
    sampling_clock: SamplingClock | None = None,
) -> tuple[ReplyFactory, list[Reload]]:
    """
    Make the factory that all who connect to one process share.

    @param read: gives the text in a file.
    @param sampling_clock: as L{ReplyFactory} takes it.
    @return: the factory, and what can be read again of what it was made of.
    @raise CannotStart: there is a script that can't be used.
    """
    access = settings.access
    listening = PortsObserver()
    rules = partial(rules_of, settings, listening.ports, reactor.seconds, _report, read)
    try:
        factory = ReplyFactory(
            reactor,
            rules(),
            pause=settings.pause,
            idle_timeout=settings.idle_timeout,
            permits=lambda peer: access.permits(host_of(peer)),
            refusal=refusal,
            observers=[listening, *observers],
            sampling_clock=sampling_clock,
        )
    except ValueError as error:
        raise CannotStart(str(error)) from None

    def read_again() -> None:
        factory.rules = rules()

    return factory, [Reload(f"script {settings.script}", read_again)] if settings.script else []


def _report(fault: str) -> None:
    log_event(ScriptFault(fault=fault.encode(errors="backslashreplace")))


def tcp_listeners(settings: Settings) -> list[tuple[int, Listener]]:
    """Give the TCP ports that are wanted, the plain one first, then the one for TLS; each with who listens there."""
    wanted: list[tuple[int | None, tuple[Layer, ...]]] = [(settings.tcp, ()), (settings.tls, (Layer.TLS,))]
    return [(port, Listener(layers)) for port, layers in wanted if port is not None]


def tcp_bindings(
    settings: Settings,
    factory: ReplyFactory,
    listeners: Sequence[tuple[int, Listener]],
    endpoint: Callable[[int], IStreamServerEndpoint],
    certificate: Callable[[], bytes] | None = None,
) -> Iterator[Binding]:
    """
    Make the bindings by TCP ports.

    @param listeners: as L{tcp_listeners} gives them.
    @param endpoint: gives the endpoint of a port.
    @param certificate: gives the certificate and its key, in PEM, if the settings name none.
    @raise CannotListen: the files for TLS can't be used.
    """
    for port, listener in listeners:
        where = host_and_port(settings.interface or "*", port)
        front: IProtocolFactory = ListenerFactory(factory, listener)
        reload = None
        if listener.layers:
            from echoreply.server.certificates import secured, self_signed_certificate, told

            made = certificate or partial(self_signed_certificate, settings.interface)
            with listening_on(where):
                read = told(settings.cert, settings.key, settings.client_ca, settings.alpn, made)
                front, reload = secured(where, front, read, partial(factory.observer.failed, listener))
        yield Binding(where, partial(endpoint(port).listen, front), listener, reload=reload.attempt if reload else None)


def bindings(reactor: IServerReactor, settings: Settings, factory: ReplyFactory) -> Iterator[Binding]:
    """
    Make all the bindings that lead to one process.

    @raise CannotListen: one is described that can't be.
    """
    endpoint = partial(server_endpoint, reactor, settings.interface)
    yield from tcp_bindings(settings, factory, tcp_listeners(settings), endpoint)
    if settings.udp is not None:
        where = host_and_port(settings.interface or "*", settings.udp)
        listener = Listener((Layer.UDP,))
        open_port = partial(_listen_for_datagrams, reactor, settings, factory, listener)
        yield Binding(f"{where} for UDP", lambda: execute(open_port), listener)
    for description in settings.listen:
        yield endpoint_binding(
            reactor,
            description,
            partial(ListenerFactory, factory),
            trusts=partial(_trusts, settings, factory.observer),
            tell=factory.observer.failed,
        )


def _listen_for_datagrams(
    reactor: IServerReactor, settings: Settings, factory: ReplyFactory, listener: Listener
) -> IListeningPort:
    replies = ReplyDatagrams(
        reactor,
        lambda: factory.rules,
        factory.observer,
        listener,
        rate=settings.udp_rate,
        permits=settings.access.permits,
        sampling_clock=factory.sampling_clock,
    )
    port = DatagramPort(cast(IReactorFDSet, reactor), replies, datagram_socket(settings.interface, settings.udp or 0))
    port.startListening()  # type: ignore[no-untyped-call]
    return port


def _trusts(settings: Settings, observer: ReplyObserver, listener: Listener, peer: IAddress) -> bool:
    """Tell whether a peer may say for whom it has connected. Who may connect to a UNIX socket, its file says."""
    host = host_of(peer)
    if not host or within(host, settings.trust_proxy):
        return True
    observer.refused(listener, peer, RefusalReason.UNTRUSTED)
    return False


class PortsObserver(ReplyObserver):
    """
    Takes note of the ports that are listened on.

    @ivar ports: those it has been told of.
    """

    def __init__(self) -> None:
        self.ports = Ports()

    def listening(self, listener: Listener) -> None:
        """Keep the first port of each kind."""
        if not listener.host:
            return
        port = plain_address(listener.host).port
        if port and getattr(self.ports, listener.transport) is None:
            setattr(self.ports, listener.transport, port)
