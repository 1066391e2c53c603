"""Connections that a program makes, as the event loop's own."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from typing import Any, cast

from twisted.internet import tcp
from twisted.internet.interfaces import IConnector, IProtocol, IReactorCore
from twisted.internet.protocol import ClientFactory, Protocol
from twisted.python.failure import Failure

from echoreply.native.private_names import real_address
from echoreply.native.reactor import NativeReactor
from echoreply.native.transport import NativeTransport, Shared


class ConnectingReactor(NativeReactor):
    """A L{NativeReactor} on which the TCP connections that a program makes are native, too."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        super().__init__(loop)
        self._made = Shared()
        # They end with the reactor, which does not know of them.
        cast(IReactorCore, self).addSystemEventTrigger("during", "shutdown", self._made.leave)

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

    def take_over(self, client: NativeClient, protocol: IProtocol) -> NativeTransport:
        """Have the event loop take over the socket of a connection that was just made; give its transport."""
        transport = MadeTransport(self._loop, client.socket, protocol, real_address(client), 0, self._made)
        transport.connector = client.connector
        self._loop.create_task(transport.take_over())
        return transport


class NativeConnector(tcp.Connector):
    """Connects as Twisted's own does, and leaves the rest to the event loop of its reactor."""

    def _makeTransport(self) -> NativeClient:
        return NativeClient(self.host, self.port, self.bindAddress, self, self.reactor)  # type: ignore[no-untyped-call]


class NativeClient(tcp.Client):
    """A connection that is being made. What it is once it is there, is a L{MadeTransport}."""

    connector: NativeConnector
    reactor: ConnectingReactor

    def _connectDone(self) -> None:
        protocol = self.connector.buildProtocol(self.getPeer())  # type: ignore[no-untyped-call]
        # A factory may want none after all.
        wanted = protocol or Protocol()
        transport = self.reactor.take_over(self, wanted)
        self.connector.transport = cast(tcp.Client, transport)
        wanted.makeConnection(transport)
        if not protocol:
            transport.loseConnection()


class MadeTransport(NativeTransport):
    """
    The native transport of a connection that a program has made.

    @ivar connector: is told when the connection is lost, after the protocol.
    """

    __slots__ = ("connector",)

    connector: NativeConnector

    def _tell_lost(self, protocol: IProtocol, reason: Failure) -> None:
        super()._tell_lost(protocol, reason)
        self.connector.connectionLost(reason)
