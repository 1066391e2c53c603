"""Exit statuses and messages of the client."""

from twisted.trial.unittest import SynchronousTestCase

from echoreply.client.bridge import SessionEnd
from echoreply.client.outcome import Outcome, outcome_of


class OutcomeTests(SynchronousTestCase):
    def test_failures_always_have_a_message(self) -> None:
        for session_end in (SessionEnd.CLOSED, SessionEnd.LOST, SessionEnd.UNSENT, SessionEnd.OUTPUT_CLOSED):
            outcome = outcome_of(session_end, to_user=False, to_pipe=False)
            self.assertEqual(outcome, Outcome(1, session_end.value))

    def test_a_lost_connection_has_the_message_of_its_reason(self) -> None:
        outcome = outcome_of(SessionEnd.LOST, to_user=False, to_pipe=True, lost="TLS failed: bad record mac")
        self.assertEqual(outcome, Outcome(1, "TLS failed: bad record mac"))

    def test_a_normal_end_has_a_message_for_a_user_only(self) -> None:
        for session_end in (SessionEnd.CLOSED_ON_REQUEST, SessionEnd.SILENCE):
            self.assertEqual(outcome_of(session_end, to_user=True, to_pipe=True), Outcome(0, session_end.value))
            self.assertEqual(outcome_of(session_end, to_user=False, to_pipe=True), Outcome(0))

    def test_the_reader_of_a_pipe_may_close_it_at_any_time(self) -> None:
        self.assertEqual(outcome_of(SessionEnd.OUTPUT_CLOSED, to_user=True, to_pipe=True), Outcome(0))
