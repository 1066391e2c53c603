"""The line editor's texts. What it does is tested on a terminal emulator, in C{tests/end_to_end/test_editor.py}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from echoreply.client.command import PROGRAM
from echoreply.client.editor import HELP_KEY, KEYS


class KeysTests(SynchronousTestCase):
    def test_each_line_of_the_help_fits_a_terminal_of_eighty_columns(self) -> None:
        for line in (*KEYS, f"type lines to send them; quit or Ctrl-D exits, {HELP_KEY} shows help"):
            self.assertLessEqual(len(f"{PROGRAM}: {line}"), 80, line)
