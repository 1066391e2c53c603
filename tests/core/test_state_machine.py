"""A state that follows a table."""

from __future__ import annotations

from enum import Enum, auto

from twisted.trial.unittest import SynchronousTestCase

from echoreply.core.state_machine import IllegalTransitionError, StateMachine, strict


class Door(Enum):
    OPEN = auto()
    CLOSED = auto()


class Hand(Enum):
    PULL = auto()
    PUSH = auto()


TABLE = strict({Door.OPEN: {Hand.PULL: Door.CLOSED}, Door.CLOSED: {Hand.PUSH: Door.OPEN}})


class StateMachineTests(SynchronousTestCase):
    def test_an_event_of_the_table_changes_the_state(self) -> None:
        machine = StateMachine(TABLE, Door.OPEN)
        machine.process(Hand.PULL)
        self.assertIs(machine.state, Door.CLOSED)
        machine.process(Hand.PUSH)
        self.assertIs(machine.state, Door.OPEN)

    def test_any_other_event_raises_and_changes_nothing(self) -> None:
        machine = StateMachine(TABLE, Door.OPEN)
        with self.assertRaisesRegex(IllegalTransitionError, "PUSH is not allowed in the state OPEN"):
            machine.process(Hand.PUSH)
        self.assertIs(machine.state, Door.OPEN)
