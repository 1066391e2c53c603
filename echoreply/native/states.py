"""
The states of a L{NativeTransport <echoreply.native.transport.NativeTransport>}, and the tables of their transitions.

A transport has four independent states: its life, how it is being closed, its reading side and its writing side. A
registered producer has a fifth. Each table maps a state and an event to the state that follows, as in
C{self.state = self.state.after["pause"]}. An event that is not listed for a state is an error: the look-up raises
L{IllegalEventError}. An event that leads to the same state is permitted, since a Twisted transport allows most calls
even when they come late.

C{docs/states.md} shows the same tables and explains them.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Literal, TypeVar

LifeEvent = Literal["attached", "lost"]
ClosingEvent = Literal["lose", "abort", "end", "fail"]
ReadingEvent = Literal["data", "end", "pause", "resume", "deliver", "stop"]
WritingEvent = Literal["close", "written"]
PushEvent = Literal["full", "room"]
PullEvent = Literal["ask", "turn"]

S = TypeVar("S", bound=Enum)
E = TypeVar("E", bound=str)


class Life(Enum):
    """Whether there is a connection."""

    after: Mapping[LifeEvent, Life]

    ATTACHING = "the event loop does not have the socket yet; what the protocol asks for is kept until it does"
    CONNECTED = "the event loop reads and writes the socket"
    LOST = "the connection has ended"


class Closing(Enum):
    """Whether the connection is being closed by this side, and how."""

    after: Mapping[ClosingEvent, Closing]

    NOT_CLOSING = "nothing closes the connection"
    WHEN_WRITTEN = "loseConnection: it closes once everything is written and no producer has more to write"
    ABORTED = "abortConnection: it closes now, with a reset"
    PEER_CLOSED = "it closes now: the peer has closed its sending side, and the protocol does not support half-close"
    FAILED = "it closes now: a method of the protocol has raised an exception"


class Reading(Enum):
    """The reading side."""

    after: Mapping[ReadingEvent, Reading]

    OPEN = "data is passed to the protocol as it is read"
    PAUSED = "the protocol has paused reading, and nothing has been read since"
    HOLDING = "paused; data that the event loop had read already is held"
    DELIVERING = "resumed; the held data is passed to the protocol in the next turn"
    HOLDING_END = "paused; the end of input is held, and perhaps data before it"
    DELIVERING_END = "resumed; the end of input, and data held before it, is passed to the protocol in the next turn"
    ENDED = "the protocol has been notified that the peer has closed its sending side"
    STOPPED = "the connection is being closed or lost: what is still read is discarded"


class Writing(Enum):
    """The writing side."""

    after: Mapping[WritingEvent, Writing]

    OPEN = "it can be written to"
    CLOSING = "loseWriteConnection: it closes once everything is written and no producer has more to write"
    CLOSED = "the peer has been sent the end of our data; what is written is discarded"


class Push(Enum):
    """A registered push producer."""

    after: Mapping[PushEvent, Push]

    FLOWING = "it may write"
    PAUSED = "it is to wait until everything is written"


class Pull(Enum):
    """A registered pull producer."""

    after: Mapping[PullEvent, Pull]

    IDLE = "it is asked for more when something is written, or when everything is"
    ASKING = "it is asked for more in the event loop's next turn"


class IllegalEventError(RuntimeError):
    """An event happened in a state that does not allow it: a bug in this package."""


class _Row(dict[E, S]):
    """The transitions from one state. Only a look-up that fails calls a method."""

    def __init__(self, state: S, transitions: Mapping[E, S]) -> None:
        super().__init__(transitions)
        self._state = state

    def __missing__(self, event: E) -> S:
        raise IllegalEventError(f"{event!r} is not allowed in the state {self._state.name}")


def _table(table: Mapping[S, Mapping[E, S]]) -> Mapping[S, Mapping[E, S]]:
    """Set the attribute C{after} of each state to its row of a table. Return the table of these rows."""
    rows = {state: _Row(state, transitions) for state, transitions in table.items()}
    for state, row in rows.items():
        state.after = row  # type: ignore[attr-defined]
    return rows


LIFE: Mapping[Life, Mapping[LifeEvent, Life]] = _table(
    {
        Life.ATTACHING: {"attached": Life.CONNECTED, "lost": Life.LOST},
        Life.CONNECTED: {"lost": Life.LOST},
        # The reactor may stop while the event loop attaches a socket.
        Life.LOST: {"attached": Life.LOST, "lost": Life.LOST},
    }
)

CLOSING: Mapping[Closing, Mapping[ClosingEvent, Closing]] = _table(
    {
        Closing.NOT_CLOSING: {
            "lose": Closing.WHEN_WRITTEN,
            "abort": Closing.ABORTED,
            "end": Closing.PEER_CLOSED,
            "fail": Closing.FAILED,
        },
        Closing.WHEN_WRITTEN: {
            "lose": Closing.WHEN_WRITTEN,
            "abort": Closing.ABORTED,
            "end": Closing.WHEN_WRITTEN,
            "fail": Closing.FAILED,
        },
        Closing.ABORTED: {
            "lose": Closing.ABORTED,
            "abort": Closing.ABORTED,
            "end": Closing.ABORTED,
            "fail": Closing.FAILED,
        },
        Closing.PEER_CLOSED: {
            "lose": Closing.PEER_CLOSED,
            "abort": Closing.PEER_CLOSED,
            "end": Closing.PEER_CLOSED,
            "fail": Closing.FAILED,
        },
        Closing.FAILED: {
            "lose": Closing.FAILED,
            "abort": Closing.FAILED,
            "end": Closing.FAILED,
            "fail": Closing.FAILED,
        },
    }
)

READING: Mapping[Reading, Mapping[ReadingEvent, Reading]] = _table(
    {
        Reading.OPEN: {
            "data": Reading.OPEN,
            "end": Reading.ENDED,
            "pause": Reading.PAUSED,
            "resume": Reading.OPEN,
            "deliver": Reading.OPEN,
            "stop": Reading.STOPPED,
        },
        Reading.PAUSED: {
            "data": Reading.HOLDING,
            "end": Reading.HOLDING_END,
            "pause": Reading.PAUSED,
            "resume": Reading.OPEN,
            "deliver": Reading.PAUSED,
            "stop": Reading.STOPPED,
        },
        Reading.HOLDING: {
            "data": Reading.HOLDING,
            "end": Reading.HOLDING_END,
            "pause": Reading.HOLDING,
            "resume": Reading.DELIVERING,
            "deliver": Reading.HOLDING,
            "stop": Reading.STOPPED,
        },
        Reading.DELIVERING: {
            "data": Reading.DELIVERING,
            "end": Reading.DELIVERING_END,
            "pause": Reading.HOLDING,
            "resume": Reading.DELIVERING,
            "deliver": Reading.OPEN,
            "stop": Reading.STOPPED,
        },
        Reading.HOLDING_END: {
            "pause": Reading.HOLDING_END,
            "resume": Reading.DELIVERING_END,
            "deliver": Reading.HOLDING_END,
            "stop": Reading.STOPPED,
        },
        Reading.DELIVERING_END: {
            "pause": Reading.HOLDING_END,
            "resume": Reading.DELIVERING_END,
            "deliver": Reading.ENDED,
            "stop": Reading.STOPPED,
        },
        Reading.ENDED: {
            "pause": Reading.ENDED,
            "resume": Reading.ENDED,
            "deliver": Reading.ENDED,
            "stop": Reading.STOPPED,
        },
        Reading.STOPPED: {
            "data": Reading.STOPPED,
            "end": Reading.STOPPED,
            "pause": Reading.STOPPED,
            "resume": Reading.STOPPED,
            "deliver": Reading.STOPPED,
            "stop": Reading.STOPPED,
        },
    }
)

WRITING: Mapping[Writing, Mapping[WritingEvent, Writing]] = _table(
    {
        Writing.OPEN: {"close": Writing.CLOSING, "written": Writing.OPEN},
        Writing.CLOSING: {"close": Writing.CLOSING, "written": Writing.CLOSED},
        Writing.CLOSED: {"close": Writing.CLOSED, "written": Writing.CLOSED},
    }
)

PUSH: Mapping[Push, Mapping[PushEvent, Push]] = _table(
    {
        Push.FLOWING: {"full": Push.PAUSED, "room": Push.FLOWING},
        Push.PAUSED: {"full": Push.PAUSED, "room": Push.FLOWING},
    }
)

PULL: Mapping[Pull, Mapping[PullEvent, Pull]] = _table(
    {
        Pull.IDLE: {"ask": Pull.ASKING},
        Pull.ASKING: {"ask": Pull.ASKING, "turn": Pull.IDLE},
    }
)
