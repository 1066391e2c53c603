"""Taken out of echoreply.observe.observer."""

from __future__ import annotations

from attrs import define
from twisted.internet.address import UNIXAddress
from twisted.internet.interfaces import IAddress

from echoreply.net.addresses import format_address


@define(eq=False)
class Listener:
    """
    Where clients come in.

    @ivar layers: what they speak there below messages, from the lowest on, beside TCP: C{PROXY}, C{TLS}, or C{UDP}.
    @ivar host: the address; it is there before the first client.
    """

    layers: tuple[str, ...] = ()
    host: IAddress | None = None

    @property
    def name(self) -> str:
        """The address, as people write it."""
        return format_address(self.host) if self.host else ""

    @property
    def over(self) -> str:
        """The layers, as people say it, such as C{PROXY and TLS}."""
        return " and ".join(self.layers)

    @property
    def transport(self) -> str:
        """What messages travel by: C{tcp}, C{tls}, C{udp} or C{unix}."""
        for layer, transport in (("UDP", "udp"), ("TLS", "tls")):
            if layer in self.layers:
                return transport
        return "unix" if isinstance(self.host, UNIXAddress) else "tcp"
