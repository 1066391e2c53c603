"""
The reasons why clients are refused, connections end, and datagrams are not answered.

Each reason has a C{label}, a stable name for JSON logs, metrics and the page's feed; and a C{value}, its text for
people, which may change.
"""

from __future__ import annotations

from typing import Self

from echoreply.core.labelled import Labelled


class Reason(Labelled):
    """A reason, with a label such as C{too_many} and a text for people."""


class RefusalReason(Reason):
    """
    The reason why a connection was refused: it was closed without a reply to any message.

    @ivar error: the reason in the error line that the client gets; C{None} if it gets no line.
    """

    error: str | None

    TOO_MANY = "too many connections", "too many connections"
    # Clients get the same line for both limits.
    TOO_MANY_FROM_HOST = "too many connections from one host", "too many connections"
    DENIED = "denied by address", None
    UNTRUSTED = "not a trusted proxy", None

    def __new__(cls, text: str, error: str | None) -> Self:
        reason = object.__new__(cls)
        reason._value_ = text
        reason.error = error
        return reason


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
