"""Where options lead."""

from __future__ import annotations

from typing import cast

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import IAddress, IHostnameResolver, ITransport
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from echoreply.connect.target import OneFamily, describe_connection
from echoreply.connect.udp import DatagramClientEndpoint
from echoreply.tls.client import TLSClientEndpoint
from tests.support.name_resolver import DestinationTestCase


class DestinationTests(DestinationTestCase):
    def test_each_kind_has_its_endpoint_and_its_words(self) -> None:
        for arguments, endpoint, words in (
            ([], HostnameEndpoint, "127.0.0.1:8088"),
            (["::1", "80"], HostnameEndpoint, "[::1]:80"),
            (["-6", "name"], HostnameEndpoint, "name:8088 over IPv6"),
            (["--udp"], DatagramClientEndpoint, "127.0.0.1:8088"),
            (["--unix=/run/x"], UNIXClientEndpoint, "/run/x"),
            (["--connect=unix:/run/x"], UNIXClientEndpoint, "unix:/run/x"),
            (["--tls"], TLSClientEndpoint, "127.0.0.1:8088"),
        ):
            there = self.connect_target(*arguments)
            self.assertIsInstance(there.endpoint, endpoint)
            self.assertEqual(there.name, words)

    def test_a_name_that_can_not_be_printed_is_quoted(self) -> None:
        for arguments, words in (
            (["a\nb"], "'a\\nb:8088'"),
            (["-4", "h\x1b[31m"], "'h\\x1b[31m:8088' over IPv4"),
            (["--udp", "a\nb"], "'a\\nb:8088'"),
            (["--unix=/x\x1b"], "'/x\\x1b'"),
            (["--connect=unix:/x\x1b"], "'unix:/x\\x1b'"),
        ):
            self.assertEqual(self.connect_target(*arguments).name, words)

    def test_an_endpoint_that_twisted_can_not_make_is_told_in_plain_words(self) -> None:
        where = "see Twisted's client endpoints; one is tcp:HOST:PORT"
        for description, why in (
            ("tcp:host=localhost", where),
            ("tcp:x:y", where),
            ("tcp:x", where),
            ("tcp:h:1:x=2", where),
            ("foo:1", "Unknown endpoint type: 'foo'"),
        ):
            with self.assertRaises(ValueError) as caught:
                self.connect_target(f"--connect={description}")
            said = f"--connect takes a Twisted endpoint, not {description!r}: {why}"
            self.assertEqual(str(caught.exception), said)

    def test_a_file_that_can_not_be_read_is_told_with_its_option(self) -> None:
        for option in ("ca", "cert"):
            with self.assertRaises(ValueError) as caught:
                self.connect_target("--tls", f"--{option}=/no/such\nfile")
            self.assertEqual(str(caught.exception), f"--{option} '/no/such\\nfile': No such file or directory")

    def test_the_name_of_a_certificate_has_no_root_and_no_zone(self) -> None:
        for arguments, name in (
            (["a.example."], "a.example"),
            (["fe80::1%lo"], "fe80::1"),
            (["--servername=b.example", "a.example"], "b.example"),
            (["--unix=x", "--insecure"], None),
        ):
            endpoint = self.connect_target("--tls", *arguments).endpoint
            assert isinstance(endpoint, TLSClientEndpoint)
            self.assertEqual(endpoint._name, name)


class NameTests(DestinationTestCase):
    def test_a_name_may_have_underscores(self) -> None:
        connecting = self.connect_target("my_service_1.example").endpoint.connect(Factory.forProtocol(Protocol))
        self.failureResultOf(connecting, DNSLookupError)
        self.assertEqual(self.resolver.asked, [("my_service_1.example", "TCP")])

    def test_what_can_be_no_name_is_an_error(self) -> None:
        for host in ("a_..b", "_" * 64, "b\xfccher_", "a..b:8088", "a b"):
            self.failureResultOf(self.connect_target(host).endpoint.connect(Factory.forProtocol(Protocol)), ValueError)
        self.assertEqual(self.resolver.asked, [])


class FamilyTests(DestinationTestCase):
    def test_a_resolver_for_one_family_is_one(self) -> None:
        verifyObject(IHostnameResolver, OneFamily(self.resolver, 4))

    def test_only_addresses_of_the_family_are_tried(self) -> None:
        for option, expected in (([], ["::1", "127.0.0.1"]), (["-4"], ["127.0.0.1"]), (["-6"], ["::1"])):
            self.setUp()
            self.connect_target(*option, "both").endpoint.connect(Factory.forProtocol(Protocol))
            # The first at once, the next when it has not answered for a while.
            self.reactor.pump([0.1] * 10)
            self.assertEqual([client[0] for client in self.reactor.tcpClients], expected)


class ConnectionWordsTests(SynchronousTestCase):
    def words(self, peer: IAddress, host: IAddress) -> str:
        return describe_connection(cast(ITransport, StringTransport(peerAddress=peer, hostAddress=host)))

    def test_tcp_has_two_addresses(self) -> None:
        here, there = IPv4Address("TCP", "127.0.0.1", 1), IPv6Address("TCP", "::1", 2)
        self.assertEqual(self.words(there, here), "[::1]:2 from 127.0.0.1:1")

    def test_a_unix_socket_has_a_path(self) -> None:
        self.assertEqual(self.words(UNIXAddress("/run/x"), UNIXAddress(None)), "/run/x")
