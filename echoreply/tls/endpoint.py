"""Endpoints whose connections speak TLS."""

from __future__ import annotations

from collections.abc import Callable
from ssl import MemoryBIO, SSLContext, SSLObject

from attrs import field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IListeningPort, IProtocolFactory, IStreamServerEndpoint
from zope.interface import implementer

from echoreply.tls.transport import TLSTransport

Tell = Callable[[IAddress, str], object]
"""Is told of a connection that failed: its peer, and why, for people."""


@frozen
class Desk:
    """
    Where connections are encrypted and decrypted.

    They have it one at a time and leave it empty, so one for all of them is enough: buffers of their own would cost
    each up to 50 KB for as long as it lives.

    @ivar incoming: for what was read.
    @ivar outgoing: for what is to be written.
    """

    context: SSLContext
    incoming: MemoryBIO = field(factory=MemoryBIO)
    outgoing: MemoryBIO = field(factory=MemoryBIO)

    def session(self) -> SSLObject:
        """Give what encrypts and decrypts a connection."""
        return self.context.wrap_bio(self.incoming, self.outgoing, server_side=True)


@implementer(IProtocolFactory)
class TLSFactory:
    """Puts TLS between a factory's protocols and their transports."""

    noisy = False

    def __init__(self, factory: IProtocolFactory, context: SSLContext, tell: Tell) -> None:
        self._factory = factory
        self._desk = Desk(context)
        self._tell = tell

    def buildProtocol(self, addr: IAddress) -> TLSTransport | None:
        protocol = self._factory.buildProtocol(addr)
        if protocol is None:
            return None
        desk = self._desk
        return TLSTransport(protocol, desk.session(), desk.incoming, desk.outgoing, self._tell)

    def doStart(self) -> None:
        self._factory.doStart()

    def doStop(self) -> None:
        self._factory.doStop()


@implementer(IStreamServerEndpoint)
@frozen
class TLSServerEndpoint:
    """
    Listens where another endpoint does, and speaks TLS with those who come.

    @ivar context: L{server_context <echoreply.tls.context.server_context>} makes one.
    @ivar tell: is told of connections that fail, those included that never became one.
    """

    _endpoint: IStreamServerEndpoint
    _context: SSLContext
    _tell: Tell

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """Listen, as the other endpoint does."""
        return self._endpoint.listen(TLSFactory(protocolFactory, self._context, self._tell))
