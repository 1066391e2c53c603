"""The ports that a server listens on, for replies that tell of them."""

from __future__ import annotations

from twisted.internet.interfaces import IAddress

from echoreply.address import plain_address
from echoreply.circumstances import Ports
from echoreply.observer import NoObserver


class PortsObserver(NoObserver):
    """
    Takes note of the ports that are listened on.

    @ivar ports: those it has been told of.
    """

    def __init__(self) -> None:
        self.ports = Ports()

    def listening(self, host: IAddress, over: str) -> None:
        """Keep the first port of each kind."""
        port = plain_address(host).port
        transport = "udp" if over == "UDP" else "tls" if over.endswith("TLS") else "tcp"
        if port and getattr(self.ports, transport) is None:
            setattr(self.ports, transport, port)
