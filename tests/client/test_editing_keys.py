"""The keys that edit a line, pressed on a line in memory."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from prompt_toolkit.buffer import Buffer
from prompt_toolkit.keys import Keys
from twisted.trial.unittest import SynchronousTestCase

from echoreply.client.editing_keys import editing_keys

FLAG = "\N{REGIONAL INDICATOR SYMBOL LETTER D}\N{REGIONAL INDICATOR SYMBOL LETTER E}"
ACCENTED = "e\N{COMBINING ACUTE ACCENT}"


class EditingKeysTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.entered: list[str] = []
        self.line = Buffer(accept_handler=self.enter, multiline=False)
        self.bindings = editing_keys(self.line)

    def enter(self, line: Buffer) -> bool:
        self.entered.append(line.text)
        return False

    def press(self, key: Keys, arg: int = 1, data: str = "") -> None:
        *_, binding = self.bindings.get_bindings_for_keys((key,))
        binding.handler(cast(Any, SimpleNamespace(current_buffer=self.line, arg=arg, data=data)))

    def test_the_cursor_moves_by_visible_characters(self) -> None:
        self.line.text = FLAG + ACCENTED + "x"
        places = []
        for key, arg in ((Keys.Right, 1), (Keys.Right, 2), (Keys.Right, 1), (Keys.Left, 2), (Keys.Left, 5)):
            self.press(key, arg)
            places.append(self.line.cursor_position)
        self.assertEqual(places, [2, 5, 5, 2, 0])

    def test_a_visible_character_is_deleted_as_a_whole(self) -> None:
        self.line.text = "a" + FLAG + ACCENTED
        self.line.cursor_position = 3
        self.press(Keys.Backspace)
        self.assertEqual((self.line.text, self.line.cursor_position), ("a" + ACCENTED, 1))
        self.press(Keys.Delete)
        self.assertEqual(self.line.text, "a")
        self.press(Keys.Delete)
        self.press(Keys.Backspace, 2)
        self.assertEqual(self.line.text, "")

    def test_tab_inserts_a_tab(self) -> None:
        self.press(Keys.Tab)
        self.assertEqual(self.line.text, "\t")

    def test_pasted_lines_are_entered_and_an_unfinished_one_is_left_for_editing(self) -> None:
        self.line.insert_text("typed ")
        self.press(Keys.BracketedPaste, data="one\r\ntwo\rthree\nfour")
        self.assertEqual(self.entered, ["typed one", "two", "three"])
        self.assertEqual(self.line.text, "four")
