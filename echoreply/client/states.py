"""
The states of the interactive client and of one bridged connection, and their transitions.

C{docs/states.md} has the same tables.
"""

from __future__ import annotations

from enum import Enum, auto

from echoreply.core.state_machine import Transitions, strict


class InteractiveState(Enum):
    """The state of the interactive client."""

    STARTING = auto()
    """The terminal is not ready yet."""
    CONNECTING = auto()
    """An attempt to connect is in progress."""
    CONNECTED = auto()
    """Lines are sent as they are entered."""
    ENDING = auto()
    """The client has sent C{exit} or closed its sending side, and expects the server to close."""
    BACKING_OFF = auto()
    """There is no connection; the next attempt is scheduled."""
    ENDED = auto()
    """The outcome is known. This state is final."""


class InteractiveEvent(Enum):
    """An event that changes an L{InteractiveState}."""

    START = auto()
    """The terminal is ready."""
    CONNECT = auto()
    """A connection was established."""
    REQUEST_END = auto()
    """C{exit} was sent, or the sending side was closed."""
    BACK_OFF = auto()
    """An attempt failed, or the connection was lost, and the client will try again."""
    RETRY = auto()
    """The delay before the next attempt is over."""
    END = auto()
    """The client gives up, the connection has ended for good, or the user or a signal ends the client."""


INTERACTIVE: Transitions[InteractiveState, InteractiveEvent] = strict(
    {
        InteractiveState.STARTING: {
            InteractiveEvent.START: InteractiveState.CONNECTING,
            InteractiveEvent.END: InteractiveState.ENDED,
        },
        InteractiveState.CONNECTING: {
            InteractiveEvent.CONNECT: InteractiveState.CONNECTED,
            InteractiveEvent.BACK_OFF: InteractiveState.BACKING_OFF,
            InteractiveEvent.END: InteractiveState.ENDED,
        },
        InteractiveState.CONNECTED: {
            InteractiveEvent.REQUEST_END: InteractiveState.ENDING,
            InteractiveEvent.BACK_OFF: InteractiveState.BACKING_OFF,
            InteractiveEvent.END: InteractiveState.ENDED,
        },
        InteractiveState.ENDING: {
            # Lines may follow "exit", and "quit" may, too.
            InteractiveEvent.REQUEST_END: InteractiveState.ENDING,
            InteractiveEvent.END: InteractiveState.ENDED,
        },
        InteractiveState.BACKING_OFF: {
            InteractiveEvent.RETRY: InteractiveState.CONNECTING,
            InteractiveEvent.END: InteractiveState.ENDED,
        },
        InteractiveState.ENDED: {},
    }
)


class BridgeState(Enum):
    """The state of a bridged connection's sending side."""

    OPEN = auto()
    """Input is read and sent."""
    FINISHING = auto()
    """The sending side is closing: some of the input may not have been sent yet."""
    FINISHED = auto()
    """All input has been sent; the client waits for the last replies."""
    ENDED = auto()
    """The connection is closed or closing; received bytes may still be being written."""


class BridgeEvent(Enum):
    """An event that changes a L{BridgeState}."""

    FINISH = auto()
    """The input has ended, or C{quit} was read."""
    SENT = auto()
    """The transport has sent everything and closed its sending side."""
    END = auto()
    """The connection was closed, lost, or given up, or the output was closed."""


BRIDGE: Transitions[BridgeState, BridgeEvent] = strict(
    {
        BridgeState.OPEN: {
            BridgeEvent.FINISH: BridgeState.FINISHING,
            BridgeEvent.END: BridgeState.ENDED,
        },
        BridgeState.FINISHING: {
            # The input ends after "quit", too.
            BridgeEvent.FINISH: BridgeState.FINISHING,
            BridgeEvent.SENT: BridgeState.FINISHED,
            BridgeEvent.END: BridgeState.ENDED,
        },
        BridgeState.FINISHED: {
            BridgeEvent.FINISH: BridgeState.FINISHED,
            # TLS reports it when the server's close_notify arrives, and again when its own is sent.
            BridgeEvent.SENT: BridgeState.FINISHED,
            BridgeEvent.END: BridgeState.ENDED,
        },
        BridgeState.ENDED: {
            # The first reason counts; input and transport may still report their own ends.
            BridgeEvent.FINISH: BridgeState.ENDED,
            BridgeEvent.SENT: BridgeState.ENDED,
            BridgeEvent.END: BridgeState.ENDED,
        },
    }
)
