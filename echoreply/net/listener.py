"""A listener: a listening address of the server, and the layers between its transport and the messages."""

from __future__ import annotations

from attrs import define
from twisted.internet.address import UNIXAddress
from twisted.internet.interfaces import IAddress

from echoreply.core.labelled import Labelled
from echoreply.net.addresses import format_address


class Layer(Labelled):
    """A protocol that a listener speaks below messages, beside TCP."""

    PROXY = "PROXY"
    TLS = "TLS"
    UDP = "UDP"

    @property
    def label(self) -> str:
        """The name for machines, such as C{PROXY}: in capitals, unlike the labels of reasons."""
        return self.name


@define(eq=False)
class Listener:
    """
    A listening address, as logs, metrics and connections refer to it. It holds no socket.

    @ivar layers: the layers below messages, from the lowest on, beside TCP.
    @ivar host: the address; set before the first client is accepted.
    """

    layers: tuple[Layer, ...] = ()
    host: IAddress | None = None

    @property
    def name(self) -> str:
        """The address as text; empty before it is known."""
        return format_address(self.host) if self.host else ""

    @property
    def transport(self) -> str:
        """The transport of messages: C{tcp}, C{tls}, C{udp} or C{unix}."""
        for layer, transport in ((Layer.UDP, "udp"), (Layer.TLS, "tls")):
            if layer in self.layers:
                return transport
        return "unix" if isinstance(self.host, UNIXAddress) else "tcp"
