"""A factory whose clients come through proxies, which say for whom."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress, IProtocolFactory, IReactorTime
from zope.interface import implementer

from echoreply.proxy.protocol import HeaderProtocol


@implementer(IProtocolFactory)
class ProxyFactory:
    """
    Makes a factory's protocols for the clients that proxies name.

    @param clock: where time comes from, such as the reactor.
    @param trusts: is asked of the peer whether it is such a proxy.
    @param tell: is told of a connection that nobody is named for: its peer, and why, for people.
    """

    noisy = False

    def __init__(
        self,
        factory: IProtocolFactory,
        clock: IReactorTime,
        trusts: Callable[[IAddress], bool],
        tell: Callable[[IAddress, str], object],
    ) -> None:
        self._factory = factory
        self._clock = clock
        self._trusts = trusts
        self._tell = tell
        self._waiting: set[HeaderProtocol] = set()
        self._settled: list[Deferred[None]] = []

    def buildProtocol(self, addr: IAddress) -> HeaderProtocol | None:
        if not self._trusts(addr):
            return None
        protocol = HeaderProtocol(self._factory, self._clock, self._tell, self._named)
        self._waiting.add(protocol)
        return protocol

    def doStart(self) -> None:
        self._factory.doStart()

    def doStop(self) -> None:
        self._factory.doStop()

    def settle(self) -> Deferred[None]:
        """
        Wait until nobody is any more of whom we do not know whether there is a client. Nobody new comes by now.

        @return: fires then, which is soon.
        """
        if not self._waiting:
            return succeed(None)
        settled: Deferred[None] = Deferred()
        self._settled.append(settled)
        for protocol in list(self._waiting):
            protocol.hurry()
        return settled

    def _named(self, protocol: HeaderProtocol) -> None:
        self._waiting.discard(protocol)
        while self._settled and not self._waiting:
            self._settled.pop().callback(None)
