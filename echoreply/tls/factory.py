"""A factory whose clients speak TLS."""

from __future__ import annotations

from collections.abc import Callable
from ssl import MemoryBIO, SSLContext

from twisted.internet.interfaces import IAddress, IProtocolFactory
from zope.interface import implementer

from echoreply.tls.transport import TLSTransport


@implementer(IProtocolFactory)
class TLSFactory:
    """
    Puts TLS between a factory's protocols and their transports.

    @param tell: is told of connections that fail, those included that never became one: the peer, and why, for people.
    @ivar context: what those are served with who come from now on: L{server_context
        <echoreply.tls.context.server_context>} makes one.
    """

    noisy = False

    def __init__(self, factory: IProtocolFactory, context: SSLContext, tell: Callable[[IAddress, str], object]) -> None:
        self._factory = factory
        self.context = context
        self._tell = tell
        # Connections have these one at a time and leave them empty, so one of each for all of them is enough: buffers
        # of their own would cost each up to 50 KB for as long as it lives.
        self._incoming = MemoryBIO()
        self._outgoing = MemoryBIO()

    def buildProtocol(self, addr: IAddress) -> TLSTransport | None:
        protocol = self._factory.buildProtocol(addr)
        if protocol is None:
            return None
        session = self.context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        return TLSTransport(protocol, session, self._incoming, self._outgoing, self._tell)

    def doStart(self) -> None:
        self._factory.doStart()

    def doStop(self) -> None:
        self._factory.doStop()
