"""A connection that begins with a PROXY header."""

from __future__ import annotations

from typing import Any, cast

import pytest
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from zope.interface.verify import verifyObject

from echoreply.net.transport import IDuplexTransport
from echoreply.proxy.protocol import HEADER_TIMEOUT, HeaderProtocol, ProxyTransport
from tests.proxy.test_header import V1_TCP4, V1_TCP6, V2_TCP4, v2
from tests.support.proxied import PROXY, Setting, receive


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
