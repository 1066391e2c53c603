"""A factory behind a proxy, and the proxy's connections to it."""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress, IHalfCloseableProtocol
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

from echoreply.proxy.factory import ProxyFactory
from tests.support.fake_transports import TCPStringTransport

PROXY = IPv4Address("TCP", "192.0.2.254", 40000)


@implementer(IHalfCloseableProtocol)
class Inner(Protocol):
    """Records its events."""

    def __init__(self, peer: IAddress) -> None:
        self.peer = peer
        self.told: list[object] = []

    def connectionMade(self) -> None:
        transport = cast(Any, self.transport)
        self.told.append(("made", transport.getPeer(), transport.getHost()))

    def dataReceived(self, data: bytes) -> None:
        self.told.append(data)

    def readConnectionLost(self) -> None:
        self.told.append("read lost")

    def writeConnectionLost(self) -> None:
        self.told.append("write lost")

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008
        self.told.append("lost")


class Server(Factory):
    """Builds a protocol for each client but the unwanted one."""

    unwanted: IAddress | None = None

    def __init__(self) -> None:
        self.built: list[Inner] = []

    def buildProtocol(self, addr: IAddress | None) -> Inner | None:
        assert addr
        if addr == self.unwanted:
            return None
        self.built.append(Inner(addr))
        return self.built[-1]


class Setting:
    """A proxied factory, and a proxy that connects to it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.server = Server()
        self.failures: list[str] = []
        self.factory = ProxyFactory(
            self.server, self.clock, lambda peer: peer == PROXY, lambda _, why: self.failures.append(why)
        )

    def connect(self) -> TCPStringTransport:
        protocol = self.factory.buildProtocol(PROXY)
        assert protocol
        transport = TCPStringTransport(protocol)
        transport.peerAddr = PROXY
        protocol.makeConnection(transport)
        return transport


def receive(transport: TCPStringTransport, data: bytes) -> None:
    transport.protocol.dataReceived(data)
