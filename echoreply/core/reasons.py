"""
The reasons why clients are refused, connections end, and datagrams are not answered.

Each reason has a C{label}, a stable name for JSON logs, metrics and the page's feed; and a C{value},
its text for people, which may change.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar


class Reason(Enum):
    """A reason, with a name for machines and a text for people."""

    @property
    def label(self) -> str:
        """The name for machines, such as C{too_many}."""
        return self.name.lower()


_AnyReason = TypeVar("_AnyReason", bound=Reason)


def by_label(counts: Mapping[_AnyReason, int]) -> dict[str, int]:
    """Return counts of reasons by the reasons' labels."""
    return {reason.label: count for reason, count in counts.items()}


class RefusalReason(Reason):
    """The reason why a connection was refused: it was closed without a reply to any message."""

    TOO_MANY = "too many connections"
    TOO_MANY_FROM_HOST = "too many connections from one host"
    DENIED = "denied by address"
    UNTRUSTED = "not a trusted proxy"


class EndReason(Reason):
    """The reason why an accepted connection ended."""

    CLIENT = "closed by the client"
    CLOSE_WORD = "close word received"
    RULE = "closed by a rule"
    TOO_LONG = "message too long"
    IDLE = "idle"
    """The client completed no message, and took no byte of a reply, for the whole idle timeout."""
    SHUTDOWN = "server shutting down"
    ABORTED = "aborted: drain timeout"
    RESET = "connection reset or lost"
    WORKER = "worker process died"


class DropReason(Reason):
    """The reason why a datagram was not answered."""

    DENIED = "denied by address"
    ANSWERING_PORT = "from a port that answers"
    PREFIX = "begins with the prefix"
    CLOSE_WORD = "close word received"
    TOO_LONG = "message too long"
    RATE = "over the rate limit"
    TOO_MANY_HOSTS = "too many hosts at once"
    REPLY_TOO_LONG = "reply too long for a datagram"
    NO_ROOM = "no room to send"
    UNSENDABLE = "reply refused by the system"
