"""
Mistakes that end the client before there is an editor.

The rest needs a terminal and runs the reactor: C{tests/end_to_end/test_editor.py}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from echoreply.client.command import parse_arguments
from echoreply.client.outcome import Outcome
from echoreply.client.terminal import run


class MistakeTests(SynchronousTestCase):
    def run_with(self, *arguments: str) -> Outcome:
        reactor: Any = MemoryReactorClock()
        said: list[str] = []
        outcome = run(reactor, parse_arguments(arguments), said.append, "echoreply-client", {})
        self.assertEqual(said, [])
        self.assertFalse(reactor.hasRun)
        return outcome

    def test_a_transcript_that_can_not_be_written_is_named(self) -> None:
        outcome = self.run_with("--transcript=/no/such/folder/x")
        self.assertEqual(outcome, Outcome(2, "--transcript: /no/such/folder/x: no such file or directory"))

    def test_authorities_that_can_not_be_read_are_named(self) -> None:
        outcome = self.run_with("--tls", "--ca=/no/such/file")
        self.assertEqual(outcome.status, 2)
        self.assertIn("/no/such/file", outcome.message)
