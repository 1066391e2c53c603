"""
The states of a server's connection, and the transitions between them.

L{TRANSITIONS} is all there is to it: an event that it does not list for a state is a bug, and raises. docs/states.md
shows the same table to people.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class State(StrEnum):
    """The state of a connection, from its making to its end."""

    OPEN = "open"
    """Messages are read and answered."""
    DRAINING = "draining"
    """The server stops: what had arrived by then is answered, then the connection is closed."""
    CLIENT_FINISHED = "client finished"
    """The client has closed its sending side, and does not take replies fast enough: some are owed yet."""
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
    """An event that changes the state of a connection, or could."""

    CLIENT_FINISH = "client finishes"
    """The client closes its sending side."""
    HALF_CLOSE = "half-close"
    """Everything is answered: close our sending side."""
    CLOSE = "close"
    """Close the whole connection, after the last replies."""
    FLUSH = "flushed"
    """The transport has sent everything, and closed our sending side."""
    DRAIN = "drain"
    """The server stops."""
    ABORT = "abort"
    """Reset the connection."""
    LOSE = "lost"
    """The transport says that the connection is gone."""


class IllegalTransition(Exception):  # noqa: N818  # as h11 has LocalProtocolError
    """An event that can't happen in a state."""


TRANSITIONS: Mapping[State, Mapping[Event, State]] = {
    State.OPEN: {
        Event.CLIENT_FINISH: State.CLIENT_FINISHED,
        Event.HALF_CLOSE: State.CLOSING,
        Event.CLOSE: State.DISCONNECTING,
        Event.DRAIN: State.DRAINING,
        Event.ABORT: State.ABORTED,
        Event.LOSE: State.CLOSED,
    },
    State.DRAINING: {
        Event.CLIENT_FINISH: State.CLIENT_FINISHED,
        Event.HALF_CLOSE: State.CLOSING,
        Event.CLOSE: State.DISCONNECTING,
        Event.DRAIN: State.DRAINING,
        Event.ABORT: State.ABORTED,
        Event.LOSE: State.CLOSED,
    },
    State.CLIENT_FINISHED: {
        Event.CLOSE: State.DISCONNECTING,
        Event.DRAIN: State.CLIENT_FINISHED,
        Event.ABORT: State.ABORTED,
        Event.LOSE: State.CLOSED,
    },
    State.CLOSING: {
        Event.CLIENT_FINISH: State.DISCONNECTING,
        Event.CLOSE: State.DISCONNECTING,
        Event.FLUSH: State.LINGERING,
        Event.DRAIN: State.CLOSING,
        Event.ABORT: State.ABORTED,
        Event.LOSE: State.CLOSED,
    },
    State.LINGERING: {
        Event.CLIENT_FINISH: State.LINGERING,
        Event.CLOSE: State.LINGERING,
        Event.DRAIN: State.LINGERING,
        Event.ABORT: State.ABORTED,
        Event.LOSE: State.CLOSED,
    },
    State.DISCONNECTING: {
        Event.CLIENT_FINISH: State.DISCONNECTING,
        Event.FLUSH: State.DISCONNECTING,
        Event.DRAIN: State.DISCONNECTING,
        Event.ABORT: State.ABORTED,
        Event.LOSE: State.CLOSED,
    },
    State.ABORTED: {
        Event.CLIENT_FINISH: State.ABORTED,
        Event.FLUSH: State.ABORTED,
        Event.DRAIN: State.ABORTED,
        Event.ABORT: State.ABORTED,
        Event.LOSE: State.CLOSED,
    },
    State.CLOSED: {},
}

ANSWERING = frozenset({State.OPEN, State.DRAINING, State.CLIENT_FINISHED})
"""The states in which messages are answered, and the reason for the end is still open."""


def after(state: State, event: Event) -> State:
    """
    Return the state that follows an event.

    @raise IllegalTransition: the event can't happen in that state.
    """
    following = TRANSITIONS[state].get(event)
    if following is None:
        raise IllegalTransition(f"{event} can't happen while {state}")
    return following
