"""The factory of connections that begin with a PROXY header: trust, and the drain."""

from __future__ import annotations

from typing import cast

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from echoreply.proxy.protocol import DRAIN_HEADER_TIMEOUT, HEADER_TIMEOUT, HeaderProtocol
from tests.proxy.test_header import V1_TCP4
from tests.support.proxied import Setting, receive


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
