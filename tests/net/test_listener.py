"""Listeners: their names, transports and layers."""

from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.trial.unittest import SynchronousTestCase

from echoreply.net.listener import Layer, Listener

ADDRESS = IPv4Address("TCP", "192.0.2.9", 8088)


class LayerTests(SynchronousTestCase):
    def test_the_names_stay_what_they_are(self) -> None:
        """Dashboards, alerts and programs that read the log depend on them."""
        self.assertEqual([layer.label for layer in Layer], ["PROXY", "TLS", "UDP"])


class ListenerTests(SynchronousTestCase):
    def test_its_name_is_its_address_once_that_is_known(self) -> None:
        listener = Listener()
        self.assertEqual(listener.name, "")
        listener.host = ADDRESS
        self.assertEqual(listener.name, "192.0.2.9:8088")

    def test_its_transport_is_the_one_of_its_messages(self) -> None:
        path = UNIXAddress("/run/echoreply.sock")
        for layers, host, transport in (
            ((), ADDRESS, "tcp"),
            ((Layer.PROXY,), ADDRESS, "tcp"),
            ((Layer.PROXY, Layer.TLS), ADDRESS, "tls"),
            ((Layer.UDP,), ADDRESS, "udp"),
            ((), path, "unix"),
            ((Layer.TLS,), path, "tls"),
            ((), None, "tcp"),
        ):
            self.assertEqual(Listener(layers, host).transport, transport)
