"""What a server tells about its connections, to whoever wants to know: a log, counters, a page."""

from __future__ import annotations

from enum import Enum

from attrs import define
from twisted.internet.interfaces import IAddress
from zope.interface import Interface, implementer

from echoreply.framing import Block


class CloseReason(Enum):
    """Why a connection ended."""

    CLIENT = "closed by the client"
    FAREWELL = "exit or quit"
    TOO_LONG = "message too long"
    SHUTDOWN = "server shutting down"
    ABORTED = "aborted, since the server did not wait longer to shut down"
    RESET = "connection reset"
    UNREAD = "the client does not read its replies"


@define(eq=False)
class Connection:
    """
    One accepted connection and its running totals.

    @ivar number: counts the connections of a factory, from 1.
    @ivar peer: the client's address.
    @ivar host: our own.
    @ivar messages: how many have been answered.
    @ivar received: bytes that were read.
    @ivar sent: bytes of replies that were handed to the transport.
    """

    number: int
    peer: IAddress
    host: IAddress
    messages: int = 0
    received: int = 0
    sent: int = 0


class IReplyObserver(Interface):
    """Somebody who wants to know what happens. Called as it happens, so it should be quick."""

    def listening(host: IAddress) -> None:
        """Tell that the server listens on an address."""

    def opened(connection: Connection) -> None:
        """Tell that a connection was accepted."""

    def answered(connection: Connection, messages: Block) -> None:
        """Tell that these messages were answered; the connection's totals include them."""

    def closed(connection: Connection, reason: CloseReason) -> None:
        """Tell that a connection has ended."""

    def stopped() -> None:
        """Tell that the server has stopped, and nothing follows."""


@implementer(IReplyObserver)
class NoObserver:
    """An observer that does not look."""

    def listening(self, host: IAddress) -> None:
        """Ignore it."""

    def opened(self, connection: Connection) -> None:
        """Ignore it."""

    def answered(self, connection: Connection, messages: Block) -> None:
        """Ignore it."""

    def closed(self, connection: Connection, reason: CloseReason) -> None:
        """Ignore it."""

    def stopped(self) -> None:
        """Ignore it."""
