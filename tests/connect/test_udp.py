"""The client endpoint for UDP."""

from __future__ import annotations

from typing import cast

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import DNSLookupError, NoProtocol
from twisted.internet.protocol import Factory, Protocol

from echoreply.connect.target import describe_connection
from tests.support.name_resolver import DestinationTestCase


class DatagramEndpointTests(DestinationTestCase):
    def connect(self, factory: Factory, *arguments: str) -> Deferred[object]:
        return cast("Deferred[object]", self.connect_target("--udp", *arguments).endpoint.connect(factory))

    def test_the_first_address_is_taken(self) -> None:
        protocol = self.successResultOf(self.connect(Factory.forProtocol(Protocol), "-4", "both", "9"))
        assert isinstance(protocol, Protocol)
        assert protocol.transport
        self.addCleanup(protocol.transport.abortConnection)  # type: ignore[attr-defined]
        self.assertEqual(protocol.transport.getPeer(), IPv4Address("UDP", "127.0.0.1", 9))
        self.assertEqual(self.resolver.asked, [("both", "UDP")])
        self.assertRegex(describe_connection(protocol.transport), r"^127\.0\.0\.1:9 from 127\.0\.0\.1:\d+, UDP$")

    def test_a_name_without_an_address_is_an_error(self) -> None:
        self.failureResultOf(self.connect(Factory.forProtocol(Protocol), "nowhere"), DNSLookupError)

    def test_what_can_be_no_name_is_an_error_and_not_looked_up(self) -> None:
        for host in ("a..b", "x" * 64, "\udcff"):
            self.failureResultOf(self.connect(Factory.forProtocol(Protocol), host), ValueError)
        self.assertEqual(self.resolver.asked, [])

    def test_a_factory_may_refuse(self) -> None:
        class Refusing(Factory):
            def buildProtocol(self, addr: object) -> None:
                return None

        self.failureResultOf(self.connect(Refusing(), "both"), NoProtocol)
