"""The records of a test's server: the messages and connections that it has received."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field, frozen
from twisted.internet.address import IPv4Address

from echoreply.core.framing import Block
from echoreply.core.reasons import EndReason
from echoreply.observe.observer import Connection, ReplyObserver


@frozen
class ReceivedConnection:
    """
    A snapshot of a connection.

    @ivar peer: the client's IP address and port.
    @ivar messages: the messages that have been answered, in order, without their terminators.
    @ivar received: the number of bytes that were read.
    @ivar ended: why the connection ended; C{None} while it is open.
    """

    peer: tuple[str, int]
    messages: list[bytes]
    received: int
    ended: EndReason | None = None


@define
class _Entry:
    messages: list[bytes] = field(factory=list)
    ended: EndReason | None = None


class Recorder(ReplyObserver):
    """
    An observer that keeps all messages and connections of TCP clients over IPv4.

    @param changed: called when something was recorded.
    """

    def __init__(self, changed: Callable[[], object]) -> None:
        self._changed = changed
        self._messages: list[bytes] = []
        self._entries: dict[Connection, _Entry] = {}

    @property
    def messages(self) -> list[bytes]:
        """The messages that have been answered on all connections, in order, without their terminators."""
        return list(self._messages)

    @property
    def connections(self) -> list[ReceivedConnection]:
        """The connections, in the order in which they were accepted."""
        return [
            ReceivedConnection(_address(connection), list(entry.messages), connection.received, entry.ended)
            for connection, entry in self._entries.items()
        ]

    def opened(self, connection: Connection) -> None:
        self._entries[connection] = _Entry()
        self._changed()

    def answered(self, connection: Connection, messages: Block) -> None:
        bodies = messages.bodies()
        self._messages += bodies
        self._entries[connection].messages += bodies
        self._changed()

    def closed(self, connection: Connection, reason: EndReason) -> None:
        self._entries[connection].ended = reason
        self._changed()


def _address(connection: Connection) -> tuple[str, int]:
    peer = connection.peer
    assert isinstance(peer, IPv4Address)
    return peer.host, peer.port
