"""Limits on the number of connections."""

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress
from twisted.trial.unittest import SynchronousTestCase

from echoreply.core.reasons import EndReason, RefusalReason
from echoreply.observe.observer import Connection
from echoreply.server.limits import ConnectionLimits

HOST = IPv4Address("TCP", "192.0.2.9", 8088)


def peer(host: str) -> IAddress:
    return IPv6Address("TCP", host, 4000) if ":" in host else IPv4Address("TCP", host, 4000)


def admit(limits: ConnectionLimits, address: IAddress) -> Connection:
    connection = Connection(1, address, HOST)
    limits.opened(connection)
    return connection


class ConnectionLimitsTests(SynchronousTestCase):
    def test_without_limits_no_client_is_refused(self) -> None:
        limits = ConnectionLimits()
        for _ in range(1000):
            self.assertIsNone(limits.refusal(peer("192.0.2.1")))
            admit(limits, peer("192.0.2.1"))

    def test_a_client_over_the_limit_is_refused_until_another_disconnects(self) -> None:
        limits = ConnectionLimits(max_connections=2)
        admit(limits, peer("192.0.2.1"))
        first = admit(limits, peer("192.0.2.2"))
        self.assertIs(limits.refusal(peer("192.0.2.3")), RefusalReason.TOO_MANY)
        limits.closed(first, EndReason.CLIENT)
        self.assertIsNone(limits.refusal(peer("192.0.2.3")))

    def test_a_host_has_its_own_limit(self) -> None:
        for host in ("192.0.2.1", "2001:db8::1"):
            limits = ConnectionLimits(max_per_host=1)
            connection = admit(limits, peer(host))
            self.assertIs(limits.refusal(peer(host)), RefusalReason.TOO_MANY_FROM_HOST)
            self.assertIsNone(limits.refusal(peer("192.0.2.2")))
            limits.closed(connection, EndReason.CLIENT)
            self.assertIsNone(limits.refusal(peer(host)))

    def test_an_ipv4_mapped_address_counts_as_the_ipv4_host(self) -> None:
        limits = ConnectionLimits(max_per_host=1)
        admit(limits, peer("::ffff:192.0.2.1"))
        self.assertIs(limits.refusal(peer("192.0.2.1")), RefusalReason.TOO_MANY_FROM_HOST)

    def test_clients_of_unix_sockets_count_as_one_host(self) -> None:
        limits = ConnectionLimits(max_per_host=1)
        admit(limits, UNIXAddress("/run/a"))
        self.assertIs(limits.refusal(UNIXAddress("/run/b")), RefusalReason.TOO_MANY_FROM_HOST)
