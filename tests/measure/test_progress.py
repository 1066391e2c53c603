"""The progress bar of a load test."""

from __future__ import annotations

import os
import sys
from io import StringIO
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from echoreply.measure.measurements import Measurements, WrongReply
from echoreply.measure.progress import INTERVAL, ProgressBar


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


class ProgressBarTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.terminal = Terminal()
        self.patch(sys, "stderr", self.terminal)
        environment = patch.dict(os.environ, {"TERM": "xterm", "COLUMNS": "80"})
        environment.start()
        self.addCleanup(environment.stop)
        self.measurements = Measurements()

    def shown(self) -> str:
        """Return what was written since it was last asked."""
        text = self.terminal.getvalue()
        self.terminal.seek(0)
        self.terminal.truncate()
        return text

    def test_it_shows_the_rate_since_the_last_update_and_wrong_replies(self) -> None:
        for duration, count in ((10.0, None), (None, 5000), (None, None)):
            self.measurements = Measurements()
            with ProgressBar(duration, count) as bar:
                self.shown()
                self.measurements.answered = 1000
                bar.show(INTERVAL, self.measurements)
                shown = self.shown()
                self.assertIn("1,000/s", shown)
                self.assertNotIn("wrong", shown)
                self.measurements.answered = 1500
                self.measurements.record_wrong(WrongReply(b"a\n", b"b\n", "differs"))
                bar.show(3 * INTERVAL, self.measurements)
                shown = self.shown()
                self.assertIn("250/s", shown)
                self.assertIn("1 wrong", shown)

    def test_it_is_updated_once_in_an_interval(self) -> None:
        with ProgressBar(None, None) as bar:
            self.shown()
            bar.show(INTERVAL * 0.9, self.measurements)
            self.assertEqual(self.shown(), "")
