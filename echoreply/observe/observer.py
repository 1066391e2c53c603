"""The interface of observers, which the server notifies of its events: the log, totals, the live page."""

from __future__ import annotations

from attrs import Factory, define
from twisted.internet.interfaces import IAddress

from echoreply.core.connection_info import TLSDetails
from echoreply.core.framing import Block
from echoreply.core.reasons import DropReason, EndReason, RefusalReason
from echoreply.net.listener import Layer, Listener

Peer = tuple[str, int]
"""The sender of a datagram: the IP address, an IPv4-mapped one as IPv4, and the port."""


@define(eq=False)
class Connection:
    """
    One connection and its running totals.

    @ivar number: the connection's number among those of its factory, from 1.
    @ivar peer: the client's address.
    @ivar host: the server's address.
    @ivar listener: the listener that accepted the connection.
    @ivar tls: the result of the TLS handshake, once it is complete.
    @ivar messages: messages answered.
    @ivar received: bytes read.
    @ivar sent: bytes of replies handed to the transport.
    @ivar idle: seconds without progress at the last check, at most the idle timeout. Checks happen several times per
        idle timeout.
    @ivar opened: when the connection was accepted, by the factory's sampling clock. 0 without a sampling clock.
    @ivar heard: when the client last sent bytes or closed its sending side, or when a pause completed a message, by
        the sampling clock. Up to a window of L{echoreply.observe.sampling} too early on a busy server. 0 without a
        sampling clock.
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


class ReplyObserver:
    """
    An observer of the server: the interface, and the base class of observers.

    Each method handles one kind of event, and does nothing here. A subclass overrides those that it needs. The server
    calls them synchronously, so they should return quickly.

    A new kind of event needs a new method here, and its callers. L{Publisher <echoreply.observe.publisher.Publisher>}
    passes on calls of every method of this class, whatever its name and its positional arguments.
    """

    def listening(self, listener: Listener, /) -> None:
        """Handle that the server has started to listen on an address."""

    def failed(self, listener: Listener, peer: IAddress, layer: Layer, why: str, /) -> None:
        """
        Handle that a layer below the messages failed, such as a TLS handshake.

        @param layer: the layer that failed.
        @param why: the reason, as text for people.
        """

    def refused(self, listener: Listener, peer: IAddress, reason: RefusalReason, /) -> None:
        """Handle that a client was refused. No other method is called for its connection."""

    def opened(self, connection: Connection, /) -> None:
        """Handle that a connection was accepted."""

    def handshake_completed(self, connection: Connection, details: TLSDetails, /) -> None:
        """Handle that a TLS handshake completed. C{connection.tls} is set already."""

    def answered(self, connection: Connection, messages: Block, /) -> None:
        """Handle that messages were answered. The connection's totals include them already."""

    def closed(self, connection: Connection, reason: EndReason, /) -> None:
        """Handle that an accepted connection ended."""

    def answered_datagram(self, listener: Listener, peer: Peer, message: bytes, sent: int, /) -> None:
        """
        Handle that a datagram was answered.

        @param message: the whole datagram.
        @param sent: bytes of the reply.
        """

    def timed(self, listener: Listener, messages: int, seconds: float, /) -> None:
        """
        Handle the service time of messages: from when they were complete until their replies were written.

        Called only for messages that the L{sampling clock <echoreply.observe.sampling.SamplingClock>} samples.
        """

    def dropped(self, listener: Listener, peer: Peer, message: bytes, reason: DropReason, /) -> None:
        """Handle that a datagram was not answered."""

    def stopping(self) -> None:
        """Handle that the server has stopped listening and drains its connections."""

    def stopped(self) -> None:
        """Handle that the server has stopped. No other method is called afterwards."""
