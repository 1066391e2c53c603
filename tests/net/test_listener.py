"""Listeners, and how they are named."""

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.trial.unittest import SynchronousTestCase

from echoreply.net.listener import Layer, Listener

HOST = IPv4Address("TCP", "127.0.0.1", 8088)


class LayerTests(SynchronousTestCase):
    def test_the_names_stay_what_they_are(self) -> None:
        """Dashboards, alerts and programs that read the log depend on them."""
        self.assertEqual([layer.label for layer in Layer], ["PROXY", "TLS", "UDP"])


class ListenerTests(SynchronousTestCase):
    def test_its_name_is_its_address_once_that_is_known(self) -> None:
        for host, name in (
            (None, ""),
            (HOST, "127.0.0.1:8088"),
            (IPv6Address("TCP", "::1", 8088), "[::1]:8088"),
            (UNIXAddress("/run/x"), "unix:/run/x"),
        ):
            self.assertEqual(Listener(host=host).name, name)

    def test_the_transport_is_that_of_messages(self) -> None:
        path = UNIXAddress("/run/x")
        for layers, host, transport in (
            ((), HOST, "tcp"),
            ((Layer.PROXY,), HOST, "tcp"),
            ((Layer.PROXY, Layer.TLS), HOST, "tls"),
            ((Layer.UDP,), HOST, "udp"),
            ((), path, "unix"),
            ((Layer.TLS,), path, "tls"),
        ):
            self.assertEqual(Listener(layers, host).transport, transport)

    def test_two_listeners_on_one_address_differ(self) -> None:
        self.assertNotEqual(Listener(host=HOST), Listener(host=HOST))
