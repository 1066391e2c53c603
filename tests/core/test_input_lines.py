"""What is typed, made into what is sent."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from echoreply.core.input_lines import MAX_HELD, Eol, InputLines
from tests.support.reference import cut, places


def sent(*reads: bytes, eol: Eol = Eol.LF, lower: bool = False) -> bytes:
    lines = InputLines(eol, lower=lower)
    return b"".join([*(lines.receive(read) for read in reads), lines.finish()])


class LinesTests(SynchronousTestCase):
    def test_a_line_is_sent_when_it_is_complete(self) -> None:
        lines = InputLines()
        self.assertEqual(lines.receive(b"hel"), b"")
        self.assertEqual(lines.receive(b"lo\nwor"), b"hello\n")
        self.assertEqual(lines.finish(), b"wor")
        self.assertEqual(lines.finish(), b"")

    def test_any_byte_is_sent_as_it_is(self) -> None:
        every = bytes(range(256))
        self.assertEqual(sent(every), every)

    def test_a_file_without_newlines_is_not_kept_in_memory(self) -> None:
        lines = InputLines()
        given = b"x" * (MAX_HELD + 1)
        self.assertEqual(lines.receive(given), given)


class EolTests(SynchronousTestCase):
    def test_lf_leaves_what_was_typed_alone(self) -> None:
        self.assertEqual(sent(b"a\r\nb\n"), b"a\r\nb\n")

    def test_crlf_ends_every_line_with_one(self) -> None:
        self.assertEqual(sent(b"a\nb\r\n\nc", eol=Eol.CRLF), b"a\r\nb\r\n\r\nc")

    def test_an_end_that_is_cut_in_the_middle_is_still_one(self) -> None:
        long = b"x" * MAX_HELD
        self.assertEqual(sent(long + b"\r", b"\nb\r\n", eol=Eol.CRLF), long + b"\r\nb\r\n")
        self.assertEqual(sent(long + b"\r", b"\nb\r\n", eol=Eol.NONE), long + b"b")

    def test_none_sends_lines_without_an_end(self) -> None:
        self.assertEqual(sent(b"a\nb\r\n\nc", eol=Eol.NONE), b"abc")


class LowerTests(SynchronousTestCase):
    def test_letters_are_lowered_in_any_alphabet(self) -> None:
        self.assertEqual(sent("HELLO ÄÖ Я 中\n".encode(), lower=True), "hello äö я 中\n".encode())

    def test_bytes_that_are_no_text_stay(self) -> None:
        self.assertEqual(sent(b"A\xff\xc3B\n\xe4", lower=True), b"a\xff\xc3b\n\xe4")

    def test_a_character_cut_by_a_read_is_still_lowered(self) -> None:
        text = "x" * MAX_HELD + "Ä"
        data = text.encode()
        self.assertEqual(sent(data[:-1], data[-1:], lower=True), text.lower().encode())


class QuitTests(SynchronousTestCase):
    def test_quit_in_any_case_is_not_sent_nor_what_follows(self) -> None:
        for word in (b"quit", b"QUIT", b"Quit\r"):
            lines = InputLines()
            self.assertEqual(lines.receive(b"a\n" + word + b"\nb\n"), b"a\n")
            self.assertTrue(lines.quit)
            self.assertEqual(lines.receive(b"c\n"), b"")
            self.assertEqual(lines.finish(), b"")

    def test_quit_needs_no_newline_at_the_end(self) -> None:
        lines = InputLines()
        self.assertEqual(lines.receive(b"quit"), b"")
        self.assertFalse(lines.quit)
        self.assertEqual(lines.finish(), b"")
        self.assertTrue(lines.quit)

    def test_quit_within_a_line_is_only_text(self) -> None:
        lines = InputLines()
        text = b"do not quit\nquit now\n quit\n"
        self.assertEqual(lines.receive(text), text)
        self.assertFalse(lines.quit)

    def test_the_end_of_a_very_long_line_is_not_a_line_of_its_own(self) -> None:
        long = b"x" * (MAX_HELD + 1)
        lines = InputLines()
        self.assertEqual(lines.receive(long) + lines.receive(b"quit\nexit\n"), long + b"quit\nexit\n")
        self.assertFalse(lines.quit)
        self.assertTrue(lines.exit)

    @given(st.lists(st.sampled_from([b"quit", b"QUIT", b"\n", b"\r\n", b"a", b"exit", b"\xff"])).map(b"".join), places)
    def test_cutting_what_is_typed_changes_nothing(self, text: bytes, places: list[int]) -> None:
        for eol in Eol:
            self.assertEqual(sent(*cut(text, places), eol=eol), sent(text, eol=eol))


class ExitTests(SynchronousTestCase):
    def test_exit_is_sent_and_known(self) -> None:
        lines = InputLines()
        self.assertEqual(lines.receive(b"a\nexit\n"), b"a\nexit\n")
        self.assertTrue(lines.exit)

    def test_exit_is_what_a_server_takes_for_it(self) -> None:
        for text in (b"Exit\n", b"exit now\n", b"a exit\n"):
            lines = InputLines()
            lines.receive(text)
            self.assertFalse(lines.exit, text)

    def test_lowered_it_counts_too(self) -> None:
        lines = InputLines(lower=True)
        self.assertEqual(lines.receive(b"EXIT\n"), b"exit\n")
        self.assertTrue(lines.exit)


class LastLineTests(SynchronousTestCase):
    def test_exit_is_followed_by_what_was_typed_unless_it_is_to_be_the_last(self) -> None:
        for last, expected in ((False, b"a\nexit\nb\nc\n"), (True, b"a\nexit\n")):
            lines = InputLines(exit_is_last=last)
            self.assertEqual(lines.receive(b"a\nexit\nb\n") + lines.receive(b"c\n") + lines.finish(), expected)
            self.assertEqual((lines.exit, lines.over), (True, last))

    def test_exit_that_ends_the_input_is_sent_as_it_is(self) -> None:
        lines = InputLines(exit_is_last=True)
        self.assertEqual(lines.receive(b"a\nexit") + lines.finish(), b"a\nexit")
        self.assertTrue(lines.over)

    def test_after_quit_it_is_over(self) -> None:
        lines = InputLines()
        lines.receive(b"quit\n")
        self.assertTrue(lines.over)
