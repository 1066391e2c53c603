"""The ports that a server listens on, for replies that tell of them."""

from __future__ import annotations

from echoreply.address import plain_address
from echoreply.circumstances import Ports
from echoreply.observer import Listener, NoObserver


class PortsObserver(NoObserver):
    """
    Takes note of the ports that are listened on.

    @ivar ports: those it has been told of.
    """

    def __init__(self) -> None:
        self.ports = Ports()

    def listening(self, listener: Listener) -> None:
        """Keep the first port of each kind."""
        if not listener.host:
            return
        port = plain_address(listener.host).port
        if port and getattr(self.ports, listener.transport) is None:
            setattr(self.ports, listener.transport, port)
