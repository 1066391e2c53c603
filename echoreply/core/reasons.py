"""
Why a client was refused, why a connection ended, and why a datagram was not answered.

Each reason has a C{label}, which logs in JSON and metrics use and which stays as it is, and a C{value}: its text for
people, which may change.
"""

from __future__ import annotations

from enum import Enum


class Reason(Enum):
    """A reason, with a name for machines and a text for people."""

    @property
    def label(self) -> str:
        """The name for machines."""
        return self.name.lower()


class RefusalReason(Reason):
    """Why a connection was refused: the client got no reply on it."""

    TOO_MANY = "too many connections"
    TOO_MANY_FROM_HOST = "too many connections from one host"
    DENIED = "denied by address"
    UNTRUSTED = "not a trusted proxy"


class EndReason(Reason):
    """Why an accepted connection ended."""

    CLIENT = "closed by the client"
    FAREWELL = "farewell"
    RULE = "closed by a rule"
    TOO_LONG = "message too long"
    IDLE = "idle"
    """No message was completed and no byte taken for the whole idle timeout."""
    SHUTDOWN = "server shutting down"
    ABORTED = "aborted: drain timeout"
    RESET = "connection reset or lost"
    WORKER = "worker process died"


class DropReason(Reason):
    """Why a datagram was not answered."""

    DENIED = "denied by address"
    ANSWERING_PORT = "from a port that answers"
    PREFIX = "begins with the prefix"
    FAREWELL = "farewell"
    TOO_LONG = "message too long"
    RATE = "over the rate limit"
    TOO_MANY_HOSTS = "too many hosts at once"
    REPLY_TOO_LONG = "reply too long for a datagram"
    NO_ROOM = "no room to send"
    UNSENDABLE = "reply refused by the system"
