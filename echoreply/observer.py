"""What a server tells about its connections, to whoever wants to know: a log, counters, a page."""

from __future__ import annotations

from collections import Counter

from attrs import define
from twisted.internet.interfaces import IAddress
from zope.interface import Interface, implementer

from echoreply.framing import Block
from echoreply.reasons import CloseReason, DropReason

Peer = tuple[str, int]
"""Who sent a datagram: the IP address, an IPv4-mapped one as IPv4, and the port."""


@define(eq=False)
class Connection:
    """
    One connection and its running totals.

    @ivar number: counts the connections of a factory, from 1.
    @ivar peer: the client's address.
    @ivar host: our own.
    @ivar messages: how many have been answered.
    @ivar received: bytes that were read.
    @ivar sent: bytes of replies that were handed to the transport.
    @ivar idle: for how many seconds there had been no progress when somebody last looked, as happens now and then;
        at most the idle timeout.
    """

    number: int
    peer: IAddress
    host: IAddress
    messages: int = 0
    received: int = 0
    sent: int = 0
    idle: float = 0.0


class IReplyObserver(Interface):
    """Somebody who wants to know what happens. Called as it happens, so it should be quick."""

    def listening(host: IAddress, over: str) -> None:
        """Tell that the server listens on an address, and what it speaks there below messages, such as C{TLS}."""

    def failed(peer: IAddress, layer: str, why: str) -> None:
        """
        Tell that a client and the server did not understand each other, below messages.

        @param layer: where, such as C{TLS}.
        @param why: for people.
        """

    def refused(peer: IAddress, reason: CloseReason) -> None:
        """Tell that a client was refused. Nothing else is told about it."""

    def opened(connection: Connection) -> None:
        """Tell that a connection was accepted."""

    def identified(connection: Connection, identity: str) -> None:
        """Tell whom the certificate names that a client has shown: its subject, as RFC 4514 writes it."""

    def answered(connection: Connection, messages: Block) -> None:
        """Tell that these messages were answered; the connection's totals include them."""

    def closed(connection: Connection, reason: CloseReason) -> None:
        """Tell that an accepted connection has ended."""

    def answered_datagram(peer: Peer, message: bytes, sent: int) -> None:
        """
        Tell that a datagram was answered.

        @param message: all of it.
        @param sent: the length of the reply, in bytes.
        """

    def dropped(peer: Peer, message: bytes, reason: DropReason) -> None:
        """Tell that a datagram was not answered."""

    def stopped(counts: Counts) -> None:
        """Tell that the server has stopped, and nothing follows."""


@implementer(IReplyObserver)
class NoObserver:
    """An observer that does not look; for others to begin with."""

    def listening(self, host: IAddress, over: str) -> None:
        """Ignore it."""

    def failed(self, peer: IAddress, layer: str, why: str) -> None:
        """Ignore it."""

    def refused(self, peer: IAddress, reason: CloseReason) -> None:
        """Ignore it."""

    def opened(self, connection: Connection) -> None:
        """Ignore it."""

    def identified(self, connection: Connection, identity: str) -> None:
        """Ignore it."""

    def answered(self, connection: Connection, messages: Block) -> None:
        """Ignore it."""

    def closed(self, connection: Connection, reason: CloseReason) -> None:
        """Ignore it."""

    def answered_datagram(self, peer: Peer, message: bytes, sent: int) -> None:
        """Ignore it."""

    def dropped(self, peer: Peer, message: bytes, reason: DropReason) -> None:
        """Ignore it."""

    def stopped(self, counts: Counts) -> None:
        """Ignore it."""


class Counts(NoObserver):
    """
    What an operator asks first. At any time C{accepted} is C{open} and all C{endings} together.

    It adds up when it is asked, so a message on a connection costs nothing.

    @ivar accepted: connections that were taken.
    @ivar refusals: how many were not, by reason.
    @ivar endings: how many of those accepted have ended, by reason.
    @ivar drops: how many datagrams were not answered, by reason.
    """

    def __init__(self) -> None:
        self.accepted = 0
        self.refusals: Counter[CloseReason] = Counter()
        self.endings: Counter[CloseReason] = Counter()
        self.drops: Counter[DropReason] = Counter()
        self._open: set[Connection] = set()
        self._messages = self._received = self._sent = 0

    @property
    def open(self) -> int:
        """How many connections have been accepted and have not ended."""
        return len(self._open)

    @property
    def messages(self) -> int:
        """How many messages were answered."""
        return self._messages + sum(connection.messages for connection in self._open)

    @property
    def received(self) -> int:
        """Bytes that were read."""
        return self._received + sum(connection.received for connection in self._open)

    @property
    def sent(self) -> int:
        """Bytes of replies that were handed to transports or, as datagrams, to the kernel."""
        return self._sent + sum(connection.sent for connection in self._open)

    def add(
        self,
        *,
        accepted: int,
        refusals: Counter[CloseReason],
        endings: Counter[CloseReason],
        messages: int,
        received: int,
        sent: int,
    ) -> None:
        """Add what others have counted, whose connections have all ended."""
        self.accepted += accepted
        self.refusals += refusals
        self.endings += endings
        self._messages += messages
        self._received += received
        self._sent += sent

    def refused(self, peer: IAddress, reason: CloseReason) -> None:
        """Count it."""
        self.refusals[reason] += 1

    def opened(self, connection: Connection) -> None:
        """Count it."""
        self.accepted += 1
        self._open.add(connection)

    def closed(self, connection: Connection, reason: CloseReason) -> None:
        """Count it, and keep its totals."""
        self._open.remove(connection)
        self.endings[reason] += 1
        self._messages += connection.messages
        self._received += connection.received
        self._sent += connection.sent

    def answered_datagram(self, peer: Peer, message: bytes, sent: int) -> None:
        """Count it."""
        self._messages += 1
        self._received += len(message)
        self._sent += sent

    def dropped(self, peer: Peer, message: bytes, reason: DropReason) -> None:
        """Count it."""
        self.drops[reason] += 1
        self._received += len(message)
