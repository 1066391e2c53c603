"""Peers' bytes, quoted."""

import ast
import unicodedata

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from echoreply.core.quoting import TerminalText, quote


class QuoteTests(SynchronousTestCase):
    def test_text_stays_readable(self) -> None:
        self.assertEqual(quote("hello, 中文 é".encode()), '"hello, 中文 é"')

    def test_controls_and_escapes_can_only_be_read(self) -> None:
        self.assertEqual(quote(b"\x1b[31mred\x07\n\r\t\0\x7f"), r'"\x1b[31mred\x07\n\r\t\x00\x7f"')

    def test_c1_controls_bidirectional_marks_and_line_separators_are_quoted_too(self) -> None:
        self.assertEqual(quote("\x9b31m".encode()), r'"\xc2\x9b31m"')
        self.assertEqual(quote("\u202e\u2028".encode()), r'"\xe2\x80\xae\xe2\x80\xa8"')

    def test_bytes_that_are_no_text_are_named(self) -> None:
        self.assertEqual(quote(b"\xff\xc3("), r'"\xff\xc3("')

    def test_quotes_and_backslashes_cannot_forge_an_end(self) -> None:
        self.assertEqual(quote(b'" \\x41'), r'"\" \\x41"')

    def test_a_long_message_is_shown_in_part_with_its_length(self) -> None:
        self.assertEqual(quote(b"x" * 9, 4), '"xxxx"... (9 bytes)')
        self.assertEqual(quote(b"x" * 4, 4), '"xxxx"')

    @given(st.binary())
    def test_every_byte_can_be_told_from_what_is_shown_and_all_of_it_prints(self, data: bytes) -> None:
        shown = quote(data)
        self.assertTrue(shown.isprintable())
        # As Python reads it: characters that print stand for their UTF-8, escapes for one byte each.
        readable = "".join(c if c.isascii() else "".join(f"\\x{b:02x}" for b in c.encode()) for c in shown)
        self.assertEqual(ast.literal_eval("b" + readable), data)


class TerminalTextTests(SynchronousTestCase):
    def show(self, *reads: bytes) -> str:
        text = TerminalText()
        return (b"".join(map(text.receive, reads)) + text.finish()).decode()

    def test_text_with_tabs_and_newlines_stays_as_it_is(self) -> None:
        text = "hello,\t中文\nis 'é' \\ \"e\"? 👩\u200d🔬\u3000\n"
        self.assertEqual(self.show(text.encode()), text)

    def test_controls_are_shown_and_do_nothing(self) -> None:
        self.assertEqual(self.show(b"\x1b]0;title\x07a\rb\0\x7f\x08\n"), "\\x1b]0;title\\x07a\\x0db\\x00\\x7f\\x08\n")

    def test_so_are_c1_controls_be_they_utf_8_or_not(self) -> None:
        self.assertEqual(self.show("\x9b2J".encode(), b"\x9b2J"), "\\xc2\\x9b2J\\x9b2J")

    def test_a_character_cut_in_two_is_shown_when_it_is_whole(self) -> None:
        text = TerminalText()
        self.assertEqual(text.receive("中".encode()[:2]), b"")
        self.assertEqual(text.receive("中".encode()[2:]), "中".encode())

    def test_one_that_never_becomes_whole_is_shown_in_the_end(self) -> None:
        self.assertEqual(self.show("中".encode()[:2]), "\\xe4\\xb8")

    @given(st.lists(st.binary(max_size=8)))
    def test_nothing_that_drives_a_terminal_comes_through_however_it_is_cut(self, reads: list[bytes]) -> None:
        shown = self.show(*reads)
        self.assertEqual(shown, self.show(b"".join(reads)))
        for character in shown:
            self.assertTrue(character in "\t\n" or unicodedata.category(character) not in ("Cc", "Cs"), repr(character))
