"""
The states of a TLS connection: one for each direction, and the events that change them.

Each direction of a TLS connection ends by itself (RFC 8446, section 6.1), so each has a state of its own, and an event
may change both.

A transition that is not in the tables is a bug in this package: neither a peer nor a protocol can cause one.
C{docs/states.md} has the same tables.
"""

from __future__ import annotations

from enum import Enum

from echoreply.core.state_machine import Transitions, strict


class Reading(Enum):
    """The direction from the peer to the protocol."""

    IDLE = "idle"
    """There is no connection yet."""
    HANDSHAKING = "handshaking"
    """The handshake is in progress."""
    OPEN = "open"
    """Bytes from the peer are decrypted and passed on."""
    ENDED = "ended"
    """The peer has sent its close_notify, or closed after ours. Further bytes are dropped."""
    FAILED = "failed"
    """The connection was truncated, or OpenSSL has rejected a record. Further bytes are dropped."""
    LOST = "lost"
    """The connection is gone."""


class Writing(Enum):
    """The direction from the protocol to the peer."""

    HOLDING = "holding"
    """There are no keys yet: bytes that the protocol writes are held."""
    ENDING = "ending"
    """The protocol has closed its side while bytes were held: they are sent before it is closed."""
    OPEN = "open"
    """Bytes that the protocol writes are encrypted and sent."""
    ENDED = "ended"
    """Our close_notify has been sent, or, without keys, only a FIN. Bytes that the protocol writes are dropped."""
    CUT = "cut"
    """The connection has failed, was aborted, or is gone: nothing more is sent, not even a close_notify."""


class Event(Enum):
    """An event of a connection."""

    CONNECTED = "connected"
    """The transport below is connected."""
    KEYS = "keys"
    """The handshake is complete."""
    PEER_CLOSED = "peer closed"
    """The peer's close_notify has arrived, or its FIN after our close_notify."""
    HALF_CLOSE = "half-close"
    """The protocol closes its side while bytes are held."""
    CLOSED = "closed"
    """Our side ends: close_notify is sent, or, without keys, only a FIN."""
    FAILURE = "failure"
    """A FIN has arrived without a close_notify, or OpenSSL has raised an error."""
    ABORT = "abort"
    """The protocol aborts the connection."""
    LOST = "lost"
    """The transport below has lost the connection."""


READING: Transitions[Reading, Event] = strict(
    {
        Reading.IDLE: {
            Event.CONNECTED: Reading.HANDSHAKING,
        },
        Reading.HANDSHAKING: {
            Event.KEYS: Reading.OPEN,
            # The peer may close before there are keys, too, once it has our FIN.
            Event.PEER_CLOSED: Reading.ENDED,
            Event.FAILURE: Reading.FAILED,
            Event.LOST: Reading.LOST,
        },
        Reading.OPEN: {
            Event.PEER_CLOSED: Reading.ENDED,
            Event.FAILURE: Reading.FAILED,
            Event.LOST: Reading.LOST,
        },
        Reading.ENDED: {
            Event.LOST: Reading.LOST,
        },
        Reading.FAILED: {
            Event.LOST: Reading.LOST,
        },
        Reading.LOST: {},
    }
)

WRITING: Transitions[Writing, Event] = strict(
    {
        Writing.HOLDING: {
            Event.KEYS: Writing.OPEN,
            Event.HALF_CLOSE: Writing.ENDING,
            Event.CLOSED: Writing.ENDED,
            Event.FAILURE: Writing.CUT,
            Event.ABORT: Writing.CUT,
            Event.LOST: Writing.CUT,
        },
        Writing.ENDING: {
            Event.KEYS: Writing.ENDING,
            Event.CLOSED: Writing.ENDED,
            Event.FAILURE: Writing.CUT,
            Event.ABORT: Writing.CUT,
            Event.LOST: Writing.CUT,
        },
        Writing.OPEN: {
            Event.CLOSED: Writing.ENDED,
            Event.FAILURE: Writing.CUT,
            Event.ABORT: Writing.CUT,
            Event.LOST: Writing.CUT,
        },
        Writing.ENDED: {
            # The handshake continues after our FIN.
            Event.KEYS: Writing.ENDED,
            Event.FAILURE: Writing.CUT,
            Event.ABORT: Writing.CUT,
            Event.LOST: Writing.CUT,
        },
        Writing.CUT: {
            # Until an abort takes effect, the transport below may still report events.
            Event.KEYS: Writing.CUT,
            Event.FAILURE: Writing.CUT,
            Event.ABORT: Writing.CUT,
            Event.LOST: Writing.CUT,
        },
    }
)
