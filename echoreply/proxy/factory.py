"""The factory for connections that begin with a PROXY header."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress, IProtocolFactory, IReactorTime
from zope.interface import implementer

from echoreply.proxy.protocol import HeaderProtocol


@implementer(IProtocolFactory)
class ProxyFactory:
    """
    Builds a factory's protocols for the clients that proxies name.

    @param clock: the source of time, such as the reactor.
    @param is_trusted: returns whether a peer is a proxy whose headers are trusted. Others are disconnected.
    @param report_failure: called with the peer and the reason, for people, when a connection has no valid header.
    """

    noisy = False

    def __init__(
        self,
        factory: IProtocolFactory,
        clock: IReactorTime,
        is_trusted: Callable[[IAddress], bool],
        report_failure: Callable[[IAddress, str], object],
    ) -> None:
        self._factory = factory
        self._clock = clock
        self._is_trusted = is_trusted
        self._report_failure = report_failure
        self._waiting: set[HeaderProtocol] = set()
        self._drained: list[Deferred[None]] = []

    def buildProtocol(self, addr: IAddress) -> HeaderProtocol | None:
        if not self._is_trusted(addr):
            return None
        protocol = HeaderProtocol(self._factory, self._clock, self._report_failure, self._header_done)
        self._waiting.add(protocol)
        return protocol

    def doStart(self) -> None:
        self._factory.doStart()

    def doStop(self) -> None:
        self._factory.doStop()

    def drain(self) -> Deferred[None]:
        """
        Wait for the headers that have not arrived yet. Called once the port accepts no more connections.

        @return: fires when the clients of all connections are known, after L{DRAIN_HEADER_TIMEOUT
            <echoreply.proxy.protocol.DRAIN_HEADER_TIMEOUT>} at the latest.
        """
        if not self._waiting:
            return succeed(None)
        drained: Deferred[None] = Deferred()
        self._drained.append(drained)
        for protocol in list(self._waiting):
            protocol.shorten_timeout()
        return drained

    def _header_done(self, protocol: HeaderProtocol) -> None:
        self._waiting.discard(protocol)
        while self._drained and not self._waiting:
            self._drained.pop().callback(None)
