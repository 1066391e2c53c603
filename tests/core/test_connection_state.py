"""The table of a connection's states, held against its page in the docs."""

from twisted.trial.unittest import SynchronousTestCase

from echoreply.core.connection_state import TRANSITIONS, Event, State
from echoreply.core.state_machine import IllegalTransitionError
from tests.support.state_tables import PAGE, documented, in_words

SECTION = PAGE.read_text(encoding="utf-8").partition("\n## ReplyProtocol\n")[2].partition("\n## ")[0]


class TableTests(SynchronousTestCase):
    def test_the_docs_have_every_state_and_event_and_what_follows(self) -> None:
        self.assertEqual(documented("ReplyProtocol"), in_words(TRANSITIONS))
        self.assertEqual(list(TRANSITIONS), list(State))

    def test_an_event_without_a_transition_raises(self) -> None:
        for state in State:
            for event in set(Event) - set(TRANSITIONS[state]):
                with self.assertRaises(IllegalTransitionError, msg=(state, event)):
                    TRANSITIONS[state][event]

    def test_the_docs_say_what_each_state_and_event_is(self) -> None:
        for name in [*State, *Event]:
            self.assertIn(f"\n- **{name}**: ", SECTION)

    def test_an_illegal_transition_names_the_state_and_the_event(self) -> None:
        with self.assertRaisesRegex(IllegalTransitionError, "LOSE is not allowed in the state CLOSED"):
            TRANSITIONS[State.CLOSED][Event.LOSE]

    def test_every_state_can_be_reached_and_every_connection_can_end(self) -> None:
        reached = {State.OPEN}
        while following := {after for state in reached for after in TRANSITIONS[state].values()} - reached:
            reached |= following
        self.assertEqual(reached, set(State))
        for state in reached - {State.CLOSED}:
            self.assertIs(TRANSITIONS[state][Event.LOSE], State.CLOSED)
            self.assertIs(TRANSITIONS[state][Event.ABORT], State.ABORTED)
