"""A state that is one word, changed by named events along a table of transitions; anything else raises."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Generic, TypeVar

StateT = TypeVar("StateT", bound=Enum)
EventT = TypeVar("EventT", bound=Enum)

Transitions = Mapping[StateT, Mapping[EventT, StateT]]
"""For each state, the events that it allows, and the state that each leads to."""


class IllegalTransitionError(RuntimeError):
    """An event happened in a state that does not allow it: a fault in this program."""


class StateMachine(Generic[StateT, EventT]):
    """
    Holds a state, and changes it along a table.

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
        try:
            self.state = self._transitions[self.state][event]
        except KeyError:
            raise IllegalTransitionError(f"{event.name} is not allowed in the state {self.state.name}") from None
