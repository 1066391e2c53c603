"""The line editor's texts. What it does is tested on a terminal emulator, in C{tests/end_to_end/test_editor.py}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from echoreply.client.command import PROGRAM
from echoreply.client.editor import HELP_KEY, KEYS
from echoreply.client.interactive import EXITS_WHEN_SENT, QUEUED_UNTIL_CONNECTED


class KeysTests(SynchronousTestCase):
    def test_each_line_of_the_help_fits_a_terminal_of_eighty_columns(self) -> None:
        hint = f"type lines to send; quit or Ctrl-D exits, {HELP_KEY} shows help"
        for line in (*KEYS, hint, EXITS_WHEN_SENT, QUEUED_UNTIL_CONNECTED):
            self.assertLessEqual(len(f"{PROGRAM}: {line}"), 80, line)
