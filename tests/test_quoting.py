"""Peers' bytes, quoted."""

import ast

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from echoreply.quoting import quote


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
