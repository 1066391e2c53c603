"""A server in one process, put together from its settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import cast

from twisted.internet.defer import execute
from twisted.internet.interfaces import IAddress, IListeningPort, IReactorFDSet, IStreamServerEndpoint

from echoreply.access import within
from echoreply.address import host_and_port, host_of
from echoreply.datagrams import DatagramPort, ReplyDatagrams
from echoreply.endpoint import IServerReactor, described_road, server_endpoint
from echoreply.events import ScriptFault, tell
from echoreply.files import read_text
from echoreply.listeners import datagram_socket
from echoreply.observer import IReplyObserver
from echoreply.ports import PortsObserver
from echoreply.protocol import ReplyFactory
from echoreply.quoting import escape
from echoreply.reasons import CloseReason
from echoreply.renewal import Renewal
from echoreply.roads import Road, listening_on
from echoreply.rulebook import rules_of
from echoreply.settings import Settings
from echoreply.starting import CannotStart


def reply_factory(
    reactor: IServerReactor,
    settings: Settings,
    refusal: Callable[[IAddress], CloseReason | None],
    observers: Iterable[IReplyObserver],
    read: Callable[[str], str] = read_text,
) -> tuple[ReplyFactory, list[Renewal]]:
    """
    Make the factory that all who connect to one process share.

    @param read: gives the text in a file.
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
        )
    except ValueError as error:
        raise CannotStart(str(error)) from None

    def read_again() -> None:
        factory.rules = rules()

    return factory, [Renewal(f"script {settings.script}", read_again)] if settings.script else []


def _report(fault: str) -> None:
    tell(ScriptFault(fault=escape(fault.encode(errors="backslashreplace"))))


def tcp_roads(
    settings: Settings,
    factory: ReplyFactory,
    endpoint: Callable[[int], IStreamServerEndpoint],
    certificate: Callable[[], bytes] | None = None,
) -> Iterator[Road]:
    """
    Make the roads by TCP ports: the plain one first, then the one for TLS, as far as they are wanted.

    @param endpoint: gives the endpoint of a port.
    @param certificate: gives the certificate and its key, in PEM, if the settings name none.
    @raise CannotListen: the files for TLS can't be used.
    """
    if settings.tcp is not None:
        where = host_and_port(settings.interface or "*", settings.tcp)
        yield Road(where, partial(endpoint(settings.tcp).listen, factory))
    if settings.tls is not None:
        from echoreply.secured import certificate_for_this_run, secured, told

        where = host_and_port(settings.interface or "*", settings.tls)
        made = certificate or partial(certificate_for_this_run, settings.interface)
        with listening_on(where):
            read = told(settings.cert, settings.key, settings.client_ca, settings.alpn, made)
            front, renewal = secured(where, factory, read, factory.observer.failed)
        yield Road(where, partial(endpoint(settings.tls).listen, front), over="TLS", renewal=renewal)


def roads(reactor: IServerReactor, settings: Settings, factory: ReplyFactory) -> Iterator[Road]:
    """
    Make all the roads that lead to one process.

    @raise CannotListen: one is described that can't be.
    """
    yield from tcp_roads(settings, factory, partial(server_endpoint, reactor, settings.interface))
    if settings.udp is not None:
        where = host_and_port(settings.interface or "*", settings.udp)
        open_port = partial(_listen_for_datagrams, reactor, settings, factory)
        yield Road(f"{where} for UDP", lambda: execute(open_port), over="UDP")
    for description in settings.listen:
        yield described_road(
            reactor,
            description,
            factory,
            trusts=partial(_trusts, settings, factory.observer),
            tell=factory.observer.failed,
        )


def _listen_for_datagrams(reactor: IServerReactor, settings: Settings, factory: ReplyFactory) -> IListeningPort:
    replies = ReplyDatagrams(
        reactor,
        lambda: factory.rules,
        factory.observer,
        rate=settings.udp_rate,
        permits=settings.access.permits,
    )
    port = DatagramPort(cast(IReactorFDSet, reactor), replies, datagram_socket(settings.interface, settings.udp or 0))
    port.startListening()  # type: ignore[no-untyped-call]
    return port


def _trusts(settings: Settings, observer: IReplyObserver, peer: IAddress) -> bool:
    """Tell whether a peer may say for whom it has connected. Who may connect to a UNIX socket, its file says."""
    host = host_of(peer)
    if not host or within(host, settings.trust_proxy):
        return True
    observer.refused(peer, CloseReason.UNTRUSTED)
    return False
