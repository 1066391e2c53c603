"""One native port on a reactor whose others are its own."""

from __future__ import annotations

from asyncio import AbstractEventLoop

from attrs import frozen
from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.internet.defer import Deferred, execute
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IStreamServerEndpoint
from zope.interface import implementer

from echoreply.native.port import NativePort


@implementer(IStreamServerEndpoint)
@frozen
class NativeServerEndpoint:
    """
    A TCP port with native transports.

    @ivar reactor: Twisted's reactor on C{loop}.
    @ivar loop: the event loop whose transports are used.
    @ivar port: TCP port; 0 takes a free one.
    @ivar backlog: connections that may wait to be accepted.
    @ivar interface: the IP address to bind; all of IPv4 if empty.
    """

    reactor: AsyncioSelectorReactor
    loop: AbstractEventLoop
    port: int
    backlog: int = 50
    interface: str = ""

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """
        Listen.

        @return: the port, or a failure with L{CannotListenError <twisted.internet.error.CannotListenError>}.
        """
        port = NativePort(self.port, protocolFactory, self.backlog, self.interface, self.reactor)
        return execute(port.start, self.loop)
