"""A server endpoint with native transports, for a single port of a program with Twisted's own reactor."""

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
    A listening TCP endpoint whose connections have native transports.

    @ivar reactor: Twisted's reactor on C{loop}.
    @ivar loop: the event loop that C{reactor} runs on.
    @ivar port: TCP port; 0 chooses a free one.
    @ivar backlog: maximum connections that wait to be accepted.
    @ivar interface: the IP address to bind; all IPv4 addresses if empty.
    """

    reactor: AsyncioSelectorReactor
    loop: AbstractEventLoop
    port: int
    backlog: int = 50
    interface: str = ""

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """
        Listen.

        @return: fires with the port, or fails with L{CannotListenError <twisted.internet.error.CannotListenError>}.
        """
        port = NativePort(self.port, protocolFactory, self.backlog, self.interface, self.reactor)
        return execute(port.start, self.loop)
