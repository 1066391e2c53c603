"""A reactor whose outgoing TCP connections are native, like the incoming ones of its ports."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from typing import Any, cast

from twisted.internet import tcp
from twisted.internet.interfaces import IConnector, IProtocol, IReactorCore
from twisted.internet.protocol import ClientFactory, Protocol
from twisted.python.failure import Failure

from echoreply.native.connections import Connections
from echoreply.native.private_names import real_address
from echoreply.native.reactor import NativeReactor
from echoreply.native.transport import NativeTransport


class ConnectingReactor(NativeReactor):
    """A L{NativeReactor} whose outgoing TCP connections are native, too."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        super().__init__(loop)
        self._outgoing = Connections()
        # A stopping reactor closes its readers and writers, which do not include native transports.
        cast(IReactorCore, self).addSystemEventTrigger("during", "shutdown", self._outgoing.shut_down)

    def connectTCP(
        self,
        host: str,
        port: int,
        factory: ClientFactory[Any],
        timeout: float = 30,
        bindAddress: Any = None,  # noqa: ANN401  # of a type that Twisted does not export
    ) -> IConnector:
        """Connect to an address: L{twisted.internet.interfaces.IReactorTCP}."""
        connector = NativeConnector(host, port, factory, timeout, bindAddress, self)
        connector.connect()
        return cast(IConnector, connector)

    def attach(self, client: NativeClient, protocol: IProtocol) -> NativeTransport:
        """Return the transport of a new connection, whose socket the event loop attaches in its next turn."""
        transport = ClientTransport(self._loop, client.socket, protocol, real_address(client), 0, self._outgoing)
        transport.connector = client.connector
        self._loop.create_task(transport.attach())
        return transport


class NativeConnector(tcp.Connector):
    """A connector that connects as Twisted's own does, and whose connection gets a native transport."""

    def _makeTransport(self) -> NativeClient:
        return NativeClient(self.host, self.port, self.bindAddress, self, self.reactor)  # type: ignore[no-untyped-call]


class NativeClient(tcp.Client):
    """A connection that is being established. A L{ClientTransport} replaces it as soon as it is."""

    connector: NativeConnector
    reactor: ConnectingReactor

    def _connectDone(self) -> None:
        protocol = self.connector.buildProtocol(self.getPeer())  # type: ignore[no-untyped-call]
        # A factory may refuse the connection by returning no protocol.
        wanted = protocol or Protocol()
        transport = self.reactor.attach(self, wanted)
        self.connector.transport = cast(tcp.Client, transport)
        wanted.makeConnection(transport)
        if not protocol:
            transport.loseConnection()


class ClientTransport(NativeTransport):
    """
    The native transport of an outgoing connection.

    @ivar connector: the connector, which is notified after the protocol when the connection is lost.
    """

    __slots__ = ("connector",)

    connector: NativeConnector

    def _notify_lost(self, protocol: IProtocol, reason: Failure) -> None:
        super()._notify_lost(protocol, reason)
        self.connector.connectionLost(reason)
