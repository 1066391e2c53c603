"""A listener: an address that the server listens on, and the layers between its transport and messages."""

from __future__ import annotations

from enum import Enum

from attrs import define
from twisted.internet.address import UNIXAddress
from twisted.internet.interfaces import IAddress

from echoreply.net.addresses import format_address


class Layer(Enum):
    """What is spoken below messages, beside TCP."""

    PROXY = "PROXY"
    TLS = "TLS"
    UDP = "UDP"


@define(eq=False)
class Listener:
    """
    An address that the server listens on.

    @ivar layers: what is spoken there below messages, from the lowest on, beside TCP.
    @ivar host: the address; set before the first client is accepted.
    """

    layers: tuple[Layer, ...] = ()
    host: IAddress | None = None

    @property
    def name(self) -> str:
        """The address, as people write it."""
        return format_address(self.host) if self.host else ""

    @property
    def over(self) -> str:
        """The layers, as people say it, such as C{PROXY and TLS}."""
        return " and ".join(layer.value for layer in self.layers)

    @property
    def transport(self) -> str:
        """The transport of messages: C{tcp}, C{tls}, C{udp} or C{unix}."""
        for layer, transport in ((Layer.UDP, "udp"), (Layer.TLS, "tls")):
            if layer in self.layers:
                return transport
        return "unix" if isinstance(self.host, UNIXAddress) else "tcp"
