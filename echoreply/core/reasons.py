"""Why conversations and connections end, and why datagrams are not answered."""

from __future__ import annotations

from enum import Enum


class CloseReason(Enum):
    """Why a connection ended, or was refused."""

    CLIENT = "closed by the client"
    FAREWELL = "farewell"
    RULE = "closed by a rule"
    TOO_LONG = "message too long"
    TOO_MANY = "too many connections"
    TOO_MANY_FROM_HOST = "too many connections from one host"
    DENIED = "denied by address"
    UNTRUSTED = "not a trusted proxy"
    IDLE = "idle"
    """No message, and no byte taken, for as long as a client may be idle."""
    SHUTDOWN = "server shutting down"
    ABORTED = "aborted, since the server did not wait longer to shut down"
    RESET = "connection reset or lost"
    WORKER = "worker process died"


class DropReason(Enum):
    """Why a datagram was not answered."""

    DENIED = "denied by address"
    ANSWERING_PORT = "from a port that answers"
    PREFIX = "begins with the prefix"
    FAREWELL = "farewell"
    TOO_LONG = "message too long"
    RATE = "more than the rate"
    TOO_MANY_HOSTS = "too many hosts at once"
    REPLY_TOO_LONG = "reply too long for a datagram"
    NO_ROOM = "no room to send"
    UNSENDABLE = "reply refused by the system"
