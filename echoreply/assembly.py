"""A server in one process, put together from its settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import cast

from twisted.internet.defer import execute
from twisted.internet.interfaces import IAddress, IListeningPort, IProtocolFactory, IReactorFDSet, IStreamServerEndpoint

from echoreply.access import within
from echoreply.address import host_and_port, host_of
from echoreply.datagrams import DatagramPort, ReplyDatagrams
from echoreply.endpoint import IServerReactor, described_road, server_endpoint
from echoreply.events import ScriptFault, tell
from echoreply.files import read_text
from echoreply.listeners import datagram_socket
from echoreply.observer import IReplyObserver, Listener
from echoreply.ports import PortsObserver
from echoreply.protocol import Entrance, ReplyFactory
from echoreply.reasons import CloseReason
from echoreply.renewal import Renewal
from echoreply.roads import Road, listening_on
from echoreply.rulebook import rules_of
from echoreply.settings import Settings
from echoreply.starting import CannotStart
from echoreply.stopwatch import Stopwatch


def reply_factory(
    reactor: IServerReactor,
    settings: Settings,
    refusal: Callable[[IAddress], CloseReason | None],
    observers: Iterable[IReplyObserver],
    read: Callable[[str], str] = read_text,
    stopwatch: Stopwatch | None = None,
) -> tuple[ReplyFactory, list[Renewal]]:
    """
    Make the factory that all who connect to one process share.

    @param read: gives the text in a file.
    @param stopwatch: as L{ReplyFactory} takes it.
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
            stopwatch=stopwatch,
        )
    except ValueError as error:
        raise CannotStart(str(error)) from None

    def read_again() -> None:
        factory.rules = rules()

    return factory, [Renewal(f"script {settings.script}", read_again)] if settings.script else []


def _report(fault: str) -> None:
    tell(ScriptFault(fault=fault.encode(errors="backslashreplace")))


def tcp_listeners(settings: Settings) -> list[tuple[int, Listener]]:
    """Give the TCP ports that are wanted, the plain one first, then the one for TLS; each with who listens there."""
    wanted: list[tuple[int | None, tuple[str, ...]]] = [(settings.tcp, ()), (settings.tls, ("TLS",))]
    return [(port, Listener(layers)) for port, layers in wanted if port is not None]


def tcp_roads(
    settings: Settings,
    factory: ReplyFactory,
    listeners: Sequence[tuple[int, Listener]],
    endpoint: Callable[[int], IStreamServerEndpoint],
    certificate: Callable[[], bytes] | None = None,
) -> Iterator[Road]:
    """
    Make the roads by TCP ports.

    @param listeners: as L{tcp_listeners} gives them.
    @param endpoint: gives the endpoint of a port.
    @param certificate: gives the certificate and its key, in PEM, if the settings name none.
    @raise CannotListen: the files for TLS can't be used.
    """
    for port, listener in listeners:
        where = host_and_port(settings.interface or "*", port)
        front: IProtocolFactory = Entrance(factory, listener)
        renewal = None
        if listener.layers:
            from echoreply.secured import certificate_for_this_run, secured, told

            made = certificate or partial(certificate_for_this_run, settings.interface)
            with listening_on(where):
                read = told(settings.cert, settings.key, settings.client_ca, settings.alpn, made)
                front, renewal = secured(where, front, read, partial(factory.observer.failed, listener))
        yield Road(where, partial(endpoint(port).listen, front), listener, renewal=renewal)


def roads(reactor: IServerReactor, settings: Settings, factory: ReplyFactory) -> Iterator[Road]:
    """
    Make all the roads that lead to one process.

    @raise CannotListen: one is described that can't be.
    """
    endpoint = partial(server_endpoint, reactor, settings.interface)
    yield from tcp_roads(settings, factory, tcp_listeners(settings), endpoint)
    if settings.udp is not None:
        where = host_and_port(settings.interface or "*", settings.udp)
        listener = Listener(("UDP",))
        open_port = partial(_listen_for_datagrams, reactor, settings, factory, listener)
        yield Road(f"{where} for UDP", lambda: execute(open_port), listener)
    for description in settings.listen:
        yield described_road(
            reactor,
            description,
            partial(Entrance, factory),
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
        stopwatch=factory.stopwatch,
    )
    port = DatagramPort(cast(IReactorFDSet, reactor), replies, datagram_socket(settings.interface, settings.udp or 0))
    port.startListening()  # type: ignore[no-untyped-call]
    return port


def _trusts(settings: Settings, observer: IReplyObserver, listener: Listener, peer: IAddress) -> bool:
    """Tell whether a peer may say for whom it has connected. Who may connect to a UNIX socket, its file says."""
    host = host_of(peer)
    if not host or within(host, settings.trust_proxy):
        return True
    observer.refused(listener, peer, CloseReason.UNTRUSTED)
    return False
