"""A connection that begins with a PROXY header."""

from __future__ import annotations

from typing import Any, cast

import pytest
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress, IHalfCloseableProtocol
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer
from zope.interface.verify import verifyObject

from echoreply.net.transport import IDuplexTransport
from echoreply.proxy.factory import ProxyFactory
from echoreply.proxy.protocol import DRAIN_HEADER_TIMEOUT, HEADER_TIMEOUT, HeaderProtocol, ProxyTransport
from tests.proxy.test_header import V1_TCP4, V1_TCP6, V2_TCP4, v2
from tests.support.fake_transports import TCPStringTransport

PROXY = IPv4Address("TCP", "192.0.2.254", 40000)


@implementer(IHalfCloseableProtocol)
class Inner(Protocol):
    """Remembers what it is told."""

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
    """Makes them, but for a client that it does not want."""

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


@pytest.mark.parametrize("cut", [*range(1, 50, 7)])
@pytest.mark.parametrize("header", [V1_TCP4, V2_TCP4])
def test_the_clients_protocol_takes_over_after_the_header(header: bytes, cut: int) -> None:
    setting = Setting()
    transport = setting.connect()
    sent = header + b"hello\n"
    for start in range(0, len(sent), cut):
        receive(transport, sent[start : start + cut])
    (inner,) = setting.server.built
    client, address = IPv4Address("TCP", "192.0.2.7", 5555), IPv4Address("TCP", "198.51.100.1", 80)
    assert inner.peer == client
    assert inner.told[0] == ("made", client, address)
    assert b"".join(cast(list[bytes], inner.told[1:])) == b"hello\n"
    assert transport.protocol is inner
    assert not setting.clock.getDelayedCalls()


def test_an_ipv6_client_has_an_ipv6_address() -> None:
    setting = Setting()
    receive(setting.connect(), V1_TCP6)
    assert setting.server.built[0].peer == IPv6Address("TCP", "2001:db8::7", 65535)


def test_a_proxy_that_connects_for_itself_is_the_client() -> None:
    setting = Setting()
    transport = setting.connect()
    receive(transport, v2(0, 0, b""))
    assert setting.server.built[0].told == [("made", PROXY, transport.getHost())]


def test_the_transport_is_the_same_but_for_its_addresses() -> None:
    setting = Setting()
    lower = setting.connect()
    receive(lower, V1_TCP4)
    upper = cast(Any, setting.server.built[0].transport)
    verifyObject(IDuplexTransport, upper)
    assert isinstance(upper, ProxyTransport)
    upper.write(b"reply")
    upper.bufferSize = 7
    assert (lower.value(), lower.bufferSize, upper.bufferSize) == (b"reply", 7, 7)
    upper.loseConnection()
    assert lower.disconnecting


def test_a_client_that_the_factory_refuses_is_closed() -> None:
    setting = Setting()
    setting.server.unwanted = IPv4Address("TCP", "192.0.2.7", 5555)
    transport = setting.connect()
    receive(transport, V1_TCP4 + b"hello\n")
    assert transport.disconnecting
    receive(transport, b"more\n")
    assert not setting.server.built
    assert not setting.failures


def test_an_invalid_header_closes_the_connection_and_more_data_is_dropped() -> None:
    setting = Setting()
    transport = setting.connect()
    receive(transport, b"hello\n")
    assert transport.disconnecting
    receive(transport, V1_TCP4)
    assert not setting.server.built
    assert setting.failures == ["invalid header: no PROXY signature"]


def test_a_missing_header_times_out() -> None:
    setting = Setting()
    transport = setting.connect()
    receive(transport, V2_TCP4[:-1])
    setting.clock.advance(HEADER_TIMEOUT)
    assert transport.disconnecting
    assert setting.failures == ["no header in time"]


def test_a_proxy_that_closes_before_the_header_is_a_failure() -> None:
    setting = Setting()
    transport = setting.connect()
    cast(HeaderProtocol, transport.protocol).connectionLost(Failure(ConnectionDone()))
    assert setting.failures == ["closed before the end of the header"]
    assert not setting.clock.getDelayedCalls()


def test_a_peer_that_is_not_a_trusted_proxy_is_not_served() -> None:
    setting = Setting()
    assert setting.factory.buildProtocol(IPv4Address("TCP", "192.0.2.253", 40000)) is None
    assert setting.failures == []


class TestDraining:
    """When the server stops, headers that are on their way are waited for."""

    def test_without_pending_headers_there_is_nothing_to_wait_for(self) -> None:
        setting = Setting()
        receive(setting.connect(), V1_TCP4)
        assert setting.factory.drain().called

    def test_pending_headers_are_waited_for_a_moment(self) -> None:
        setting = Setting()
        first, second = setting.connect(), setting.connect()
        drained = setting.factory.drain()
        receive(first, V1_TCP4)
        assert not drained.called
        setting.clock.advance(DRAIN_HEADER_TIMEOUT)
        assert second.disconnecting
        cast(HeaderProtocol, second.protocol).connectionLost(Failure(ConnectionDone()))
        assert drained.called
        assert len(setting.server.built) == 1

    def test_a_connection_that_has_failed_is_not_reported_again(self) -> None:
        setting = Setting()
        transport = setting.connect()
        receive(transport, b"hello\n")
        drained = setting.factory.drain()
        setting.clock.advance(HEADER_TIMEOUT)
        assert setting.failures == ["invalid header: no PROXY signature"]
        cast(HeaderProtocol, transport.protocol).connectionLost(Failure(ConnectionDone()))
        assert drained.called
        assert setting.failures == ["invalid header: no PROXY signature"]
