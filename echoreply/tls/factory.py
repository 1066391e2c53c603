"""The server's side of TLS: a factory whose connections speak TLS."""

from __future__ import annotations

from collections.abc import Callable
from ssl import MemoryBIO, SSLContext

from twisted.internet.interfaces import IAddress, IProtocolFactory
from zope.interface import implementer

from echoreply.tls.records import Records
from echoreply.tls.transport import TLSTransport


@implementer(IProtocolFactory)
class TLSFactory:
    """
    Puts TLS between a factory's protocols and their transports.

    @param report_failure: called with the peer and the reason, for people, when a connection fails, in its handshake
        or later.
    @ivar context: the context for new connections, as L{server_context <echoreply.tls.context.server_context>} returns
        it.
    """

    noisy = False

    def __init__(
        self, factory: IProtocolFactory, context: SSLContext, report_failure: Callable[[IAddress, str], object]
    ) -> None:
        self._factory = factory
        self.context = context
        self._report_failure = report_failure
        # All connections share two buffers: each uses them within one call and leaves them empty. Separate buffers
        # would cost each connection up to 50 KB.
        self._incoming = MemoryBIO()
        self._outgoing = MemoryBIO()

    def buildProtocol(self, addr: IAddress) -> TLSTransport | None:
        protocol = self._factory.buildProtocol(addr)
        if protocol is None:
            return None
        session = self.context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        return TLSTransport(protocol, Records(session, self._incoming, self._outgoing), self._report_failure)

    def doStart(self) -> None:
        self._factory.doStart()

    def doStop(self) -> None:
        self._factory.doStop()
