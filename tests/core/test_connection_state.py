"""The table of a connection's states, held against its page in the docs."""

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from echoreply.core.connection_state import TRANSITIONS, Event, IllegalTransition, State

PAGE = (Path(__file__).parents[2] / "docs" / "states.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("\n## ReplyProtocol\n")[2].partition("\n## ")[0]


def documented() -> dict[str, dict[str, str]]:
    """Return the table: for each state the state after each event, empty for an event that can't happen."""
    heading, _, *rows = [line for line in SECTION.splitlines() if line.startswith("|")]
    events = [cell.strip() for cell in heading.split("|")[2:-1]]
    table = {}
    for row in rows:
        state, *following = [cell.strip() for cell in row.split("|")[1:-1]]
        table[state] = dict(zip(events, following, strict=True))
    return table


class TableTests(SynchronousTestCase):
    def test_the_docs_have_every_state_and_event_and_what_follows(self) -> None:
        table = documented()
        self.assertEqual(list(table), [state.value for state in State])
        for state in State:
            self.assertEqual(list(table[state]), [event.value for event in Event])
            for event in Event:
                if table[state][event]:
                    self.assertEqual(TRANSITIONS[state][event], table[state][event], (state, event))
                else:
                    with self.assertRaises(IllegalTransition):
                        TRANSITIONS[state][event]

    def test_the_docs_say_what_each_state_and_event_is(self) -> None:
        for name in [*State, *Event]:
            self.assertIn(f"\n- **{name}**: ", SECTION)

    def test_an_illegal_transition_names_the_state_and_the_event(self) -> None:
        with self.assertRaisesRegex(IllegalTransition, "'lost' can't happen while 'closed'"):
            TRANSITIONS[State.CLOSED][Event.LOSE]

    def test_every_state_can_be_reached_and_every_connection_can_end(self) -> None:
        reached = {State.OPEN}
        while following := {after for state in reached for after in TRANSITIONS[state].values()} - reached:
            reached |= following
        self.assertEqual(reached, set(State))
        for state in reached - {State.CLOSED}:
            self.assertIs(TRANSITIONS[state][Event.LOSE], State.CLOSED)
            self.assertIs(TRANSITIONS[state][Event.ABORT], State.ABORTED)
