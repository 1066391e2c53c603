"""
The states of a L{NativeTransport <echoreply.native.transport.NativeTransport>}, and the tables of their transitions.

A transport has four states at once, since each changes for reasons of its own: its life, how it is being closed, its
reading side and its writing side. A registered producer has a fifth. Each table maps a state and an event to the state
that follows. An event that a table does not list in a state is refused: L{IllegalTransitionError} is raised. An event that
leads to the same state is permitted and changes nothing, as most calls of a Twisted transport do when they come late.

C{docs/states.md} shows the same tables and explains them.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Literal, NoReturn, TypeVar


class IllegalTransitionError(Exception):
    """Something happened that cannot happen in this state, such as data after the end of input."""


class State(Enum):
    """A word of state. The members of a subclass exclude each other."""

    # A lookup in a table calls this, and Enum's own is written in Python.
    __hash__ = object.__hash__


class Life(State):
    """Whether there is a connection."""

    ATTACHING = "the event loop does not have the socket yet; what the protocol asks for is kept until it does"
    CONNECTED = "the event loop reads and writes the socket"
    LOST = "the connection has ended"


class Closing(State):
    """Whether the connection is being closed by this side, and how."""

    NOT_CLOSING = "nothing closes the connection"
    WHEN_WRITTEN = "loseConnection: it closes once everything is written and no producer has more to write"
    ABORTED = "abortConnection: it closes now, with a reset"
    PEER_CLOSED = "it closes now: the peer has closed its sending side, and the protocol does not support half-close"
    FAILED = "it closes now: a method of the protocol has raised an exception"


class Reading(State):
    """The reading side."""

    OPEN = "data is passed to the protocol as it is read"
    PAUSED = "the protocol has paused reading, and nothing has been read since"
    HOLDING = "paused; data that the event loop had read already is held"
    DELIVERING = "resumed; the held data is passed to the protocol in the next turn"
    HOLDING_END = "paused; the end of input is held, and perhaps data before it"
    DELIVERING_END = "resumed; the end of input, and data held before it, is passed to the protocol in the next turn"
    ENDED = "the protocol has been told that the peer has closed its sending side"
    STOPPED = "the connection is being closed or lost: what is still read is discarded"


class Writing(State):
    """The writing side."""

    OPEN = "it can be written to"
    CLOSING = "loseWriteConnection: it closes once everything is written and no producer has more to write"
    CLOSED = "the peer has been sent the end of our data; what is written is discarded"


class Push(State):
    """A registered push producer."""

    FLOWING = "it may write"
    PAUSED = "it is to wait until everything is written"


class Pull(State):
    """A registered pull producer."""

    IDLE = "it is asked for more when something is written, or when everything is"
    ASKING = "it is asked for more in the event loop's next turn"


LifeEvent = Literal["attached", "lost"]
ClosingEvent = Literal["lose", "abort", "end", "fail"]
ReadingEvent = Literal["data", "end", "pause", "resume", "deliver", "stop"]
WritingEvent = Literal["close", "written"]
PushEvent = Literal["full", "room"]
PullEvent = Literal["ask", "turn"]

S = TypeVar("S", bound=State)
E = TypeVar("E", bound=str)


class Transitions(dict[E, S]):
    """The transitions from one state: event to next state. A lookup of any other event is refused."""

    __slots__ = ("state",)

    def __init__(self, state: S, after: Mapping[E, S]) -> None:
        super().__init__(after)
        self.state = state

    def __missing__(self, event: E) -> NoReturn:
        """
        Refuse an event.

        @raise IllegalTransitionError: always.
        """
        raise IllegalTransitionError(f"{event!r} is refused in {self.state}")


def _table(after: Mapping[S, Mapping[E, S]]) -> dict[S, Transitions[E, S]]:
    return {state: Transitions(state, events) for state, events in after.items()}


LIFE: dict[Life, Transitions[LifeEvent, Life]] = _table(
    {
        Life.ATTACHING: {"attached": Life.CONNECTED, "lost": Life.LOST},
        Life.CONNECTED: {"lost": Life.LOST},
        # The reactor may stop while the event loop attaches a socket.
        Life.LOST: {"attached": Life.LOST, "lost": Life.LOST},
    }
)

CLOSING: dict[Closing, Transitions[ClosingEvent, Closing]] = _table(
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

READING: dict[Reading, Transitions[ReadingEvent, Reading]] = _table(
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

WRITING: dict[Writing, Transitions[WritingEvent, Writing]] = _table(
    {
        Writing.OPEN: {"close": Writing.CLOSING, "written": Writing.OPEN},
        Writing.CLOSING: {"close": Writing.CLOSING, "written": Writing.CLOSED},
        Writing.CLOSED: {"close": Writing.CLOSED, "written": Writing.CLOSED},
    }
)

PUSH: dict[Push, Transitions[PushEvent, Push]] = _table(
    {
        Push.FLOWING: {"full": Push.PAUSED, "room": Push.FLOWING},
        Push.PAUSED: {"full": Push.PAUSED, "room": Push.FLOWING},
    }
)

PULL: dict[Pull, Transitions[PullEvent, Pull]] = _table(
    {
        Pull.IDLE: {"ask": Pull.ASKING},
        Pull.ASKING: {"ask": Pull.ASKING, "turn": Pull.IDLE},
    }
)
