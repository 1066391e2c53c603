"""State machines: tables of transitions that raise an error for any other transition, and an object with a state."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Generic, TypeVar

StateT = TypeVar("StateT", bound=Enum)
EventT = TypeVar("EventT", bound=Enum)

Transitions = Mapping[StateT, Mapping[EventT, StateT]]
"""For each state, the events that it allows, and the state that each leads to."""


class IllegalTransitionError(RuntimeError):
    """An event happened in a state that does not allow it: a bug in this program."""


class _Row(dict[EventT, StateT]):
    """The transitions from one state. Looking one up checks it without a function call, which would slow hot paths."""

    def __init__(self, state: StateT, row: Mapping[EventT, StateT]) -> None:
        super().__init__(row)
        self._state = state

    def __missing__(self, event: EventT) -> StateT:
        raise IllegalTransitionError(f"{event.name} is not allowed in the state {self._state.name}")


def strict(table: Transitions[StateT, EventT]) -> Transitions[StateT, EventT]:
    """
    Return a table whose look-ups, C{table[state][event]}, raise L{IllegalTransitionError} for an event not in its row.

    @param table: has a row for every state.
    """
    return {state: _Row(state, row) for state, row in table.items()}


class StateMachine(Generic[StateT, EventT]):
    """
    Holds a state, and changes it along a table.

    @param transitions: a table that L{strict} has returned.
    @ivar state: the current state.
    """

    def __init__(self, transitions: Transitions[StateT, EventT], state: StateT) -> None:
        self._transitions = transitions
        self.state = state

    def process(self, event: EventT) -> None:
        """
        Enter the state that an event leads to.

        @raise IllegalTransitionError: the table has no such transition. The state stays as it is.
        """
        self.state = self._transitions[self.state][event]
