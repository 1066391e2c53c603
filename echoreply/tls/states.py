"""
The states of a TLS connection: one for each direction, and the events that change them.

Each direction of a TLS connection ends by itself (RFC 8446, section 6.1), so each has a state of its own, and an event
may change both.

A transition that the tables lack is a mistake in this package: neither a peer nor a protocol can cause one.
C{docs/states.md} shows the tables, and a test compares them.
"""

from __future__ import annotations

from enum import Enum

from echoreply.core.state_machine import Transitions, strict


class Reading(Enum):
    """The direction from the peer to the protocol."""

    IDLE = "idle"
    """There is no connection yet."""
    HANDSHAKING = "handshaking"
    """What the peer sends belongs to the handshake."""
    OPEN = "open"
    """What the peer sends is decrypted, and passed on."""
    ENDED = "ended"
    """The peer has sent its close_notify, or closed after ours. What follows is dropped."""
    FAILED = "failed"
    """The connection was cut, or OpenSSL has rejected what the peer sent. What follows is dropped."""
    LOST = "lost"
    """The connection is gone."""


class Writing(Enum):
    """The direction from the protocol to the peer."""

    HOLDING = "holding"
    """There are no keys yet: what the protocol writes is held."""
    ENDING = "ending"
    """The protocol has closed its side while bytes were held: they are sent once there are keys, and nothing else."""
    OPEN = "open"
    """What the protocol writes is encrypted, and sent."""
    ENDED = "ended"
    """Our close_notify is sent, or, without keys, a FIN alone. What the protocol writes is dropped."""
    CUT = "cut"
    """The connection has failed, was aborted, or is gone: nothing more is sent, no close_notify either."""


class Event(Enum):
    """What happens to a connection."""

    CONNECTED = "connected"
    """The transport below is there."""
    KEYS = "keys"
    """The handshake is complete."""
    PEER_CLOSED = "peer closed"
    """The peer's close_notify has come, or its FIN after our close_notify."""
    HALF_CLOSE = "half-close"
    """The protocol closes its side while bytes are held."""
    CLOSED = "closed"
    """Our side ends: close_notify is sent, or, without keys, a FIN alone."""
    FAILURE = "failure"
    """A FIN came without a close_notify, or OpenSSL has raised an error."""
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
            # The peer, too, may close before there are keys, once our FIN has come.
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
            # A handshake goes on after a FIN of ours.
            Event.KEYS: Writing.ENDED,
            Event.FAILURE: Writing.CUT,
            Event.ABORT: Writing.CUT,
            Event.LOST: Writing.CUT,
        },
        Writing.CUT: {
            # Until an abort is carried out, the transport below may still tell something.
            Event.KEYS: Writing.CUT,
            Event.FAILURE: Writing.CUT,
            Event.ABORT: Writing.CUT,
            Event.LOST: Writing.CUT,
        },
    }
)
