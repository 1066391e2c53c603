"""Socket addresses as text."""

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.trial.unittest import SynchronousTestCase

from echoreply.net.addresses import format_address, host_and_port, is_ip_address


class AddressTests(SynchronousTestCase):
    def test_ipv4_and_names_are_followed_by_their_port(self) -> None:
        self.assertEqual(format_address(IPv4Address("TCP", "192.0.2.1", 80)), "192.0.2.1:80")
        self.assertEqual(host_and_port("example.org", 80), "example.org:80")

    def test_ipv6_stands_in_brackets(self) -> None:
        self.assertEqual(format_address(IPv6Address("TCP", "2001:db8::1", 80)), "[2001:db8::1]:80")

    def test_the_zone_of_an_address_is_kept(self) -> None:
        self.assertEqual(format_address(IPv6Address("TCP", "fe80::1%eth0", 80)), "[fe80::1%eth0]:80")

    def test_an_ipv4_peer_of_an_ipv6_socket_is_written_as_ipv4(self) -> None:
        self.assertEqual(format_address(IPv6Address("TCP", "::ffff:192.0.2.1", 80)), "192.0.2.1:80")

    def test_other_kinds_of_addresses_are_formatted(self) -> None:
        self.assertIn("sock", format_address(UNIXAddress("/run/sock")))

    def test_control_characters_in_the_name_of_a_unix_socket_are_escaped(self) -> None:
        for name, written in (
            (b"/run/sock", "unix:/run/sock"),
            ("/run/n\u00e4me".encode(), "unix:/run/n\u00e4me"),
            (b"/tmp/\x1b[2J\nforged", r'unix:"/tmp/\x1b[2J\nforged"'),
            (b"/tmp/a connected", 'unix:"/tmp/a connected"'),
            (b"\0abstract", r'unix:"\x00abstract"'),
            (b"/tmp/\xff", r'unix:"/tmp/\xff"'),
            (b"", "unix"),
        ):
            self.assertEqual(format_address(UNIXAddress(name)), written)

    def test_names_are_not_ip_addresses(self) -> None:
        for text in ("127.0.0.1", "::", "::1", "fe80::1%lo"):
            self.assertTrue(is_ip_address(text), text)
        for text in ("localhost", "127.1", "1.2.3.4.5", ""):
            self.assertFalse(is_ip_address(text), text)
