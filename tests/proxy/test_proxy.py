"""The PROXY protocol: its header, and the connection after it."""

from __future__ import annotations

import socket
import struct
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
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
from echoreply.proxy.header import BadHeader, Header, read_header
from echoreply.proxy.protocol import HEADER_SECONDS, HURRIED_SECONDS, HeaderProtocol, ProxyTransport
from tests.support.fake_transports import TCPStringTransport

V2 = b"\r\n\r\n\0\r\nQUIT\n"
PROXY = IPv4Address("TCP", "192.0.2.254", 40000)

V1_TCP4 = b"PROXY TCP4 192.0.2.7 198.51.100.1 5555 80\r\n"
V1_TCP6 = b"PROXY TCP6 2001:db8::7 2001:db8::1 65535 0\r\n"


def v2(command: int, family: int, addresses: bytes, version: int = 2) -> bytes:
    return V2 + struct.pack("!BBH", version << 4 | command, family, len(addresses)) + addresses


V2_TCP4 = v2(1, 0x11, socket.inet_aton("192.0.2.7") + socket.inet_aton("198.51.100.1") + struct.pack("!HH", 5555, 80))
V2_TCP6 = v2(
    1,
    0x21,
    socket.inet_pton(socket.AF_INET6, "2001:db8::7")
    + socket.inet_pton(socket.AF_INET6, "2001:db8::1")
    + struct.pack("!HH", 65535, 0),
)
TLV = b"\x04\x00\x03abc"

TCP4 = (("192.0.2.7", 5555), ("198.51.100.1", 80))
TCP6 = (("2001:db8::7", 65535), ("2001:db8::1", 0))

GOOD = {
    V1_TCP4: TCP4,
    V1_TCP6: TCP6,
    b"PROXY UNKNOWN\r\n": (None, None),
    b"PROXY UNKNOWN ffff:f...f:ffff whatever it is\r\n": (None, None),
    V2_TCP4: TCP4,
    V2_TCP6: TCP6,
    v2(1, 0x11, V2_TCP4[16:] + TLV): TCP4,
    v2(0, 0x00, b""): (None, None),
    v2(0, 0x11, V2_TCP4[16:] + TLV): (None, None),
    v2(0, 0xFF, b"anything"): (None, None),
    v2(1, 0x00, b""): (None, None),
    v2(1, 0x31, b"/client".ljust(108, b"\0") + b"/server".ljust(108, b"\0")): (None, None),
}

BAD = {
    b"GET / HTTP/1.0\r\n\r\n": "does not begin with one",
    b"hello\n": "does not begin with one",
    b"proxy TCP4 192.0.2.7 198.51.100.1 5555 80\r\n": "does not begin with one",
    b"PROXY TCP5 192.0.2.7 198.51.100.1 5555 80\r\n": "none of TCP4, TCP6 and UNKNOWN",
    b"PROXY \r\n": "none of TCP4, TCP6 and UNKNOWN",
    b"PROXY TCP4\r\n": "no two addresses and ports of TCP4",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 5555\r\n": "no two addresses and ports of TCP4",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 5555 80 80\r\n": "no two addresses and ports of TCP4",
    b"PROXY TCP4 192.0.2.7  198.51.100.1 5555 80\r\n": "no two addresses and ports of TCP4",
    b"PROXY TCP4 192.0.2.256 198.51.100.1 5555 80\r\n": "no two addresses and ports of TCP4",
    b"PROXY TCP4 2001:db8::7 2001:db8::1 5555 80\r\n": "no two addresses and ports of TCP4",
    b"PROXY TCP6 192.0.2.7 198.51.100.1 5555 80\r\n": "no two addresses and ports of TCP6",
    b"PROXY TCP6 fe80::7%eth0 fe80::1 5555 80\r\n": "no two addresses and ports of TCP6",
    b"PROXY TCP6 fe80::7%\x1b[2J\nforged fe80::1 5555 80\r\n": "no two addresses and ports of TCP6",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 65536 80\r\n": "no two addresses and ports of TCP4",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 -1 80\r\n": "no two addresses and ports of TCP4",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 05 80\r\n": "no two addresses and ports of TCP4",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 x 80\r\n": "no two addresses and ports of TCP4",
    b"PROXY TCP4 \xff\xfe 198.51.100.1 5555 80\r\n": "no two addresses and ports of TCP4",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 5555 80\n".ljust(107, b"x"): "does not end within 107 bytes",
    v2(1, 0x11, V2_TCP4[16:], version=1): "version and command are 1 and 1",
    v2(2, 0x11, V2_TCP4[16:]): "version and command are 2 and 2",
    v2(1, 0x41, bytes(300)): "family and protocol are 4 and 1",
    v2(1, 0x13, V2_TCP4[16:]): "family and protocol are 1 and 3",
    v2(1, 0x11, V2_TCP4[16:-1]): "no room for its addresses in 11 bytes",
    v2(1, 0x21, V2_TCP4[16:]): "no room for its addresses in 12 bytes",
    v2(1, 0x31, bytes(215)): "no room for its addresses in 215 bytes",
}


@pytest.mark.parametrize(("header", "addresses"), GOOD.items())
def test_a_header_is_read(header: bytes, addresses: Any) -> None:  # noqa: ANN401
    assert read_header(header) == Header(len(header), *addresses)
    assert read_header(header + b"hello\r\n") == Header(len(header), *addresses)


@pytest.mark.parametrize("header", GOOD)
def test_a_header_goes_on_until_its_last_byte(header: bytes) -> None:
    for end in range(len(header)):
        assert read_header(header[:end]) is None


@pytest.mark.parametrize(("header", "why"), BAD.items())
def test_what_is_no_right_header_is_told_why(header: bytes, why: str) -> None:
    with pytest.raises(BadHeader, match=why):
        read_header(header)


@given(st.one_of(st.binary(), st.binary().map(V2.__add__), st.binary().map(b"PROXY TCP4 ".__add__)))
def test_no_bytes_are_anything_else(data: bytes) -> None:
    try:
        header = read_header(data)
    except BadHeader:
        return
    assert header is None or 0 < header.length <= len(data)


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


def test_a_client_of_ipv6_is_one_of_ipv6() -> None:
    setting = Setting()
    receive(setting.connect(), V1_TCP6)
    assert setting.server.built[0].peer == IPv6Address("TCP", "2001:db8::7", 65535)


def test_a_proxy_that_speaks_for_itself_is_the_client() -> None:
    setting = Setting()
    transport = setting.connect()
    receive(transport, v2(0, 0, b""))
    assert setting.server.built[0].told == [("made", PROXY, transport.getHost())]


def test_the_transport_is_what_it_was_but_for_its_addresses() -> None:
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


def test_a_client_that_is_not_wanted_is_closed() -> None:
    setting = Setting()
    setting.server.unwanted = IPv4Address("TCP", "192.0.2.7", 5555)
    transport = setting.connect()
    receive(transport, V1_TCP4 + b"hello\n")
    assert transport.disconnecting
    receive(transport, b"more\n")
    assert not setting.server.built
    assert not setting.failures


def test_a_bad_header_closes_the_connection_and_what_follows_is_ignored() -> None:
    setting = Setting()
    transport = setting.connect()
    receive(transport, b"hello\n")
    assert transport.disconnecting
    receive(transport, V1_TCP4)
    assert not setting.server.built
    assert setting.failures == ["bad header: it does not begin with one"]


def test_a_header_that_does_not_come_is_not_waited_for() -> None:
    setting = Setting()
    transport = setting.connect()
    receive(transport, V2_TCP4[:-1])
    setting.clock.advance(HEADER_SECONDS)
    assert transport.disconnecting
    assert setting.failures == ["no header in time"]


def test_who_closes_before_its_header_is_told() -> None:
    setting = Setting()
    transport = setting.connect()
    cast(HeaderProtocol, transport.protocol).connectionLost(Failure(ConnectionDone()))
    assert setting.failures == ["closed before the end of its header"]
    assert not setting.clock.getDelayedCalls()


def test_who_is_no_proxy_that_is_trusted_is_not_served() -> None:
    setting = Setting()
    assert setting.factory.buildProtocol(IPv4Address("TCP", "192.0.2.253", 40000)) is None
    assert setting.failures == []


class TestSettling:
    """What happens when the server stops, to those whose header is on its way."""

    def test_there_is_nothing_to_wait_for_without_them(self) -> None:
        setting = Setting()
        receive(setting.connect(), V1_TCP4)
        assert setting.factory.settle().called

    def test_they_are_waited_for_a_moment(self) -> None:
        setting = Setting()
        first, second = setting.connect(), setting.connect()
        settled = setting.factory.settle()
        receive(first, V1_TCP4)
        assert not settled.called
        setting.clock.advance(HURRIED_SECONDS)
        assert second.disconnecting
        cast(HeaderProtocol, second.protocol).connectionLost(Failure(ConnectionDone()))
        assert settled.called
        assert len(setting.server.built) == 1
