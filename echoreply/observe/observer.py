"""What a server tells about its connections, to whoever wants to know: a log, counters, a page."""

from __future__ import annotations

from attrs import Factory, define
from twisted.internet.interfaces import IAddress
from zope.interface import Interface, implementer

from echoreply.core.connection_info import TLSDetails
from echoreply.core.framing import Block
from echoreply.core.reasons import DropReason, EndReason, RefusalReason
from echoreply.net.listener import Layer, Listener
from echoreply.observe.totals import Totals

Peer = tuple[str, int]
"""Who sent a datagram: the IP address, an IPv4-mapped one as IPv4, and the port."""


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
    @ivar opened: when it was accepted, by the sampling_clock of its factory. Without one, 0; so is the next.
    @ivar heard: when it was last heard of: bytes, an end of what it sends, or the silence that ends a message. Where
        much is going on, it may be that this was some seconds earlier: L{echoreply.observe.sampling}.
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

    def failed(listener: Listener, peer: IAddress, layer: Layer, why: str) -> None:
        """
        Tell that a client and the server did not understand each other, below messages.

        @param layer: where, such as C{TLS}.
        @param why: for people.
        """

    def refused(listener: Listener, peer: IAddress, reason: RefusalReason) -> None:
        """Tell that a client was refused. Nothing else is told about it."""

    def opened(connection: Connection) -> None:
        """Tell that a connection was accepted."""

    def secured(connection: Connection, details: TLSDetails) -> None:
        """Tell that a client and the server have shaken hands by TLS; the connection knows the details as well."""

    def answered(connection: Connection, messages: Block) -> None:
        """Tell that these messages were answered; the connection's totals include them."""

    def closed(connection: Connection, reason: EndReason) -> None:
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

        Only the messages that the server's L{sampling clock <echoreply.observe.sampling.SamplingClock>} samples.
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

    def failed(self, listener: Listener, peer: IAddress, layer: Layer, why: str) -> None:
        """Ignore it."""

    def refused(self, listener: Listener, peer: IAddress, reason: RefusalReason) -> None:
        """Ignore it."""

    def opened(self, connection: Connection) -> None:
        """Ignore it."""

    def secured(self, connection: Connection, details: TLSDetails) -> None:
        """Ignore it."""

    def answered(self, connection: Connection, messages: Block) -> None:
        """Ignore it."""

    def closed(self, connection: Connection, reason: EndReason) -> None:
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
