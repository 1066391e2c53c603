"""A short run of the fuzz target."""

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from tests.fuzz import Conversations

SHORT = settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))


class FuzzTests(SynchronousTestCase):
    def test_every_reply_is_that_of_the_contract(self) -> None:
        run_state_machine_as_test(Conversations, settings=SHORT)
