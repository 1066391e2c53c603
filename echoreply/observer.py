"""What a server tells about its connections, to whoever wants to know: a log, counters, a page."""

from __future__ import annotations

from attrs import Factory, define
from twisted.internet.address import UNIXAddress
from twisted.internet.interfaces import IAddress
from zope.interface import Interface, implementer

from echoreply.address import format_address
from echoreply.circumstances import TLSDetails
from echoreply.framing import Block
from echoreply.reasons import CloseReason, DropReason
from echoreply.totals import Totals

Peer = tuple[str, int]
"""Who sent a datagram: the IP address, an IPv4-mapped one as IPv4, and the port."""


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


@define(eq=False)
class Connection:
    """
    One connection and its running totals.

    @ivar number: counts the connections of a factory, from 1.
    @ivar peer: the client's address.
    @ivar host: our own.
    @ivar listener: where it came in.
    @ivar tls: what its handshake has led to, if it has had one.
    @ivar messages: how many have been answered.
    @ivar received: bytes that were read.
    @ivar sent: bytes of replies that were handed to the transport.
    @ivar idle: for how many seconds there had been no progress when somebody last looked, as happens now and then;
        at most the idle timeout.
    @ivar opened: when it was accepted, by the stopwatch of its factory. Without one, 0; so is the next.
    @ivar heard: when it was last heard of: bytes, an end of what it sends, or the silence that ends a message. Where
        much is going on, it may be that this was some seconds earlier: L{echoreply.stopwatch}.
    """

    number: int
    peer: IAddress
    host: IAddress
    listener: Listener = Factory(Listener)
    tls: TLSDetails | None = None
    messages: int = 0
    received: int = 0
    sent: int = 0
    idle: float = 0.0
    opened: float = 0.0
    heard: float = 0.0


class IReplyObserver(Interface):
    """Somebody who wants to know what happens. Called as it happens, so it should be quick."""

    def listening(listener: Listener) -> None:
        """Tell that the server listens."""

    def failed(listener: Listener, peer: IAddress, layer: str, why: str) -> None:
        """
        Tell that a client and the server did not understand each other, below messages.

        @param layer: where, such as C{TLS}.
        @param why: for people.
        """

    def refused(listener: Listener, peer: IAddress, reason: CloseReason) -> None:
        """Tell that a client was refused. Nothing else is told about it."""

    def opened(connection: Connection) -> None:
        """Tell that a connection was accepted."""

    def secured(connection: Connection, details: TLSDetails) -> None:
        """Tell that a client and the server have shaken hands by TLS; the connection knows the details as well."""

    def answered(connection: Connection, messages: Block) -> None:
        """Tell that these messages were answered; the connection's totals include them."""

    def closed(connection: Connection, reason: CloseReason) -> None:
        """Tell that an accepted connection has ended."""

    def answered_datagram(listener: Listener, peer: Peer, message: bytes, sent: int) -> None:
        """
        Tell that a datagram was answered.

        @param message: all of it.
        @param sent: the length of the reply, in bytes.
        """

    def timed(listener: Listener, messages: int, seconds: float) -> None:
        """
        Tell how long messages took, from when they were complete until their replies were written.

        It is told of those for whom the server's L{Stopwatch <echoreply.stopwatch.Stopwatch>} had a look left.
        """

    def dropped(listener: Listener, peer: Peer, message: bytes, reason: DropReason) -> None:
        """Tell that a datagram was not answered."""

    def stopping() -> None:
        """Tell that the server listens no longer, and lets its clients go."""

    def stopped(totals: Totals) -> None:
        """Tell that the server has stopped, and nothing follows; what there was in all."""


@implementer(IReplyObserver)
class NoObserver:
    """An observer that does not look; for others to begin with."""

    def listening(self, listener: Listener) -> None:
        """Ignore it."""

    def failed(self, listener: Listener, peer: IAddress, layer: str, why: str) -> None:
        """Ignore it."""

    def refused(self, listener: Listener, peer: IAddress, reason: CloseReason) -> None:
        """Ignore it."""

    def opened(self, connection: Connection) -> None:
        """Ignore it."""

    def secured(self, connection: Connection, details: TLSDetails) -> None:
        """Ignore it."""

    def answered(self, connection: Connection, messages: Block) -> None:
        """Ignore it."""

    def closed(self, connection: Connection, reason: CloseReason) -> None:
        """Ignore it."""

    def answered_datagram(self, listener: Listener, peer: Peer, message: bytes, sent: int) -> None:
        """Ignore it."""

    def timed(self, listener: Listener, messages: int, seconds: float) -> None:
        """Ignore it."""

    def dropped(self, listener: Listener, peer: Peer, message: bytes, reason: DropReason) -> None:
        """Ignore it."""

    def stopping(self) -> None:
        """Ignore it."""

    def stopped(self, totals: Totals) -> None:
        """Ignore it."""


class Counts(NoObserver):
    """
    Counts. It adds up when it is asked, so a message on a connection costs nothing.

    @ivar open: the connections that have been accepted and have not ended, in this order.
    """

    def __init__(self) -> None:
        # As a set that is in order, which Python has as the keys of a dictionary.
        self.open: dict[Connection, None] = {}
        self._past = Totals()

    def totals(self) -> Totals:
        """Give what there has been until now."""
        present = Totals(
            messages=sum(connection.messages for connection in self.open),
            received=sum(connection.received for connection in self.open),
            sent=sum(connection.sent for connection in self.open),
        )
        return self._past + present

    def refused(self, listener: Listener, peer: IAddress, reason: CloseReason) -> None:
        """Count it."""
        self._past.refusals[reason] += 1

    def failed(self, listener: Listener, peer: IAddress, layer: str, why: str) -> None:
        """Count it."""
        self._past.failures[layer] += 1

    def opened(self, connection: Connection) -> None:
        """Count it."""
        self._past.accepted += 1
        self.open[connection] = None

    def closed(self, connection: Connection, reason: CloseReason) -> None:
        """Count it, and keep its totals."""
        past = self._past
        del self.open[connection]
        past.endings[reason] += 1
        past.messages += connection.messages
        past.received += connection.received
        past.sent += connection.sent

    def answered_datagram(self, listener: Listener, peer: Peer, message: bytes, sent: int) -> None:
        """Count it."""
        self._past.messages += 1
        self._past.received += len(message)
        self._past.sent += sent

    def timed(self, listener: Listener, messages: int, seconds: float) -> None:
        """Count it."""
        self._past.service.observe(seconds, messages)

    def dropped(self, listener: Listener, peer: Peer, message: bytes, reason: DropReason) -> None:
        """Count it."""
        self._past.drops[reason] += 1
        self._past.received += len(message)
