"""
The states of a server's connection, and the transitions between them.

L{TRANSITIONS} has them all: C{TRANSITIONS[state][event]} is the state that follows. An event that is not listed for a
state can't happen in it, and raises L{IllegalTransitionError
<echoreply.core.state_machine.IllegalTransitionError>}. docs/states.md has the same table.
"""

from __future__ import annotations

from enum import StrEnum

from echoreply.core.state_machine import Transitions, strict


class State(StrEnum):
    """The state of a connection, from when it is accepted until it is gone."""

    OPEN = "open"
    """Messages are read and answered."""
    DRAINING = "draining"
    """The server is stopping: messages that had arrived by then are answered, then the connection is closed."""
    CLIENT_FINISHED = "client finished"
    """The client has closed its sending side, and some replies are still owed: it takes them slowly."""
    CLOSING = "closing"
    """All replies are written, and our sending side closes behind them. What the client sends is dropped."""
    LINGERING = "lingering"
    """Our sending side is closed. The connection closes once the client has closed its own, or is quiet."""
    DISCONNECTING = "disconnecting"
    """The whole connection closes once the last replies have left."""
    ABORTED = "aborted"
    """The connection is being reset. Replies that have not left are lost."""
    CLOSED = "closed"
    """The connection is gone."""


class Event(StrEnum):
    """An event that may change the state of a connection."""

    CLIENT_FINISH = "client finishes"
    """The client closes its sending side."""
    HALF_CLOSE = "half-close"
    """Everything is answered: close our sending side."""
    CLOSE = "close"
    """Close the whole connection, after the last replies."""
    FLUSH = "flushed"
    """The transport has sent everything, and closed our sending side."""
    DRAIN = "drain"
    """The server is stopping."""
    ABORT = "abort"
    """Reset the connection."""
    LOSE = "lost"
    """The transport reports that the connection is gone."""


# Module-level names: looking a member up in its enum takes as long as a whole transition.
OPEN = State.OPEN
DRAINING = State.DRAINING
CLIENT_FINISHED = State.CLIENT_FINISHED
CLOSING = State.CLOSING
LINGERING = State.LINGERING
DISCONNECTING = State.DISCONNECTING
ABORTED = State.ABORTED
CLOSED = State.CLOSED

CLIENT_FINISH = Event.CLIENT_FINISH
HALF_CLOSE = Event.HALF_CLOSE
CLOSE = Event.CLOSE
FLUSH = Event.FLUSH
DRAIN = Event.DRAIN
ABORT = Event.ABORT
LOSE = Event.LOSE


TRANSITIONS: Transitions[State, Event] = strict(
    {
        OPEN: {
            CLIENT_FINISH: CLIENT_FINISHED,
            HALF_CLOSE: CLOSING,
            CLOSE: DISCONNECTING,
            DRAIN: DRAINING,
            ABORT: ABORTED,
            LOSE: CLOSED,
        },
        DRAINING: {
            CLIENT_FINISH: CLIENT_FINISHED,
            HALF_CLOSE: CLOSING,
            CLOSE: DISCONNECTING,
            DRAIN: DRAINING,
            ABORT: ABORTED,
            LOSE: CLOSED,
        },
        CLIENT_FINISHED: {
            CLOSE: DISCONNECTING,
            DRAIN: CLIENT_FINISHED,
            ABORT: ABORTED,
            LOSE: CLOSED,
        },
        CLOSING: {
            CLIENT_FINISH: DISCONNECTING,
            CLOSE: DISCONNECTING,
            FLUSH: LINGERING,
            DRAIN: CLOSING,
            ABORT: ABORTED,
            LOSE: CLOSED,
        },
        LINGERING: {
            CLIENT_FINISH: LINGERING,
            CLOSE: LINGERING,
            DRAIN: LINGERING,
            ABORT: ABORTED,
            LOSE: CLOSED,
        },
        DISCONNECTING: {
            CLIENT_FINISH: DISCONNECTING,
            FLUSH: DISCONNECTING,
            DRAIN: DISCONNECTING,
            ABORT: ABORTED,
            LOSE: CLOSED,
        },
        ABORTED: {
            CLIENT_FINISH: ABORTED,
            FLUSH: ABORTED,
            DRAIN: ABORTED,
            ABORT: ABORTED,
            LOSE: CLOSED,
        },
        CLOSED: {},
    }
)

ANSWERING = frozenset({OPEN, DRAINING, CLIENT_FINISHED})
"""The states in which messages are answered, and the connection has no end reason yet."""
