"""Who may have a connection."""

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress
from twisted.trial.unittest import SynchronousTestCase

from echoreply.admission import Admission
from echoreply.observer import Connection
from echoreply.reasons import CloseReason

HOST = IPv4Address("TCP", "192.0.2.9", 8088)


def peer(host: str) -> IAddress:
    return IPv6Address("TCP", host, 4000) if ":" in host else IPv4Address("TCP", host, 4000)


def admit(admission: Admission, address: IAddress) -> Connection:
    connection = Connection(1, address, HOST)
    admission.opened(connection)
    return connection


class AdmissionTests(SynchronousTestCase):
    def test_without_limits_everyone_may(self) -> None:
        admission = Admission()
        for _ in range(1000):
            self.assertIsNone(admission.refusal(peer("192.0.2.1")))
            admit(admission, peer("192.0.2.1"))

    def test_one_too_many_may_not_until_another_has_gone(self) -> None:
        admission = Admission(most=2)
        admit(admission, peer("192.0.2.1"))
        first = admit(admission, peer("192.0.2.2"))
        self.assertIs(admission.refusal(peer("192.0.2.3")), CloseReason.TOO_MANY)
        admission.closed(first, CloseReason.CLIENT)
        self.assertIsNone(admission.refusal(peer("192.0.2.3")))

    def test_a_host_has_its_own_limit(self) -> None:
        for host in ("192.0.2.1", "2001:db8::1"):
            admission = Admission(most_per_host=1)
            connection = admit(admission, peer(host))
            self.assertIs(admission.refusal(peer(host)), CloseReason.TOO_MANY_FROM_HOST)
            self.assertIsNone(admission.refusal(peer("192.0.2.2")))
            admission.closed(connection, CloseReason.CLIENT)
            self.assertIsNone(admission.refusal(peer(host)))

    def test_an_ipv4_host_is_the_same_on_an_ipv6_socket(self) -> None:
        admission = Admission(most_per_host=1)
        admit(admission, peer("::ffff:192.0.2.1"))
        self.assertIs(admission.refusal(peer("192.0.2.1")), CloseReason.TOO_MANY_FROM_HOST)

    def test_other_kinds_of_sockets_are_one_host(self) -> None:
        admission = Admission(most_per_host=1)
        admit(admission, UNIXAddress("/run/a"))
        self.assertIs(admission.refusal(UNIXAddress("/run/b")), CloseReason.TOO_MANY_FROM_HOST)
