"""Close words, and the quick search for them in many messages."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from echoreply.core.close_words import EXIT_OR_QUIT, CloseWords
from echoreply.core.framing import Block


class CloseWordTests(SynchronousTestCase):
    def test_exit_and_quit_are_close_words_once_cr_and_lf_are_stripped_from_both_ends(self) -> None:
        for message in (b"exit", b"quit", b"exit\r\n", b"\r\nquit\n\r", b"\rexit"):
            self.assertIn(message, EXIT_OR_QUIT)
            self.assertTrue(Block(message, 1).may_hold(EXIT_OR_QUIT), message)

    @given(
        st.lists(
            st.sampled_from([b"exit", b"quit", b"\rexit", b"quit\r", b"fine", b"longer", b"longer\r", b""]), min_size=1
        )
    )
    def test_none_is_overlooked_among_others(self, messages: list[bytes]) -> None:
        block = Block(b"".join(message + b"\n" for message in messages), len(messages))
        if any(message in EXIT_OR_QUIT for message in messages):
            self.assertTrue(block.may_hold(EXIT_OR_QUIT))
        if {*messages} <= {b"longer"} or {*messages} <= {b"fine", b""}:
            self.assertFalse(block.may_hold(EXIT_OR_QUIT))

    def test_nothing_else_is(self) -> None:
        for message in (b"", b"Exit", b"exit ", b" quit", b"exitquit", b"exit\0", b"exit\nquit"):
            self.assertNotIn(message, EXIT_OR_QUIT)


class WordsTests(SynchronousTestCase):
    WORDS = st.frozensets(st.text("abcx\r", max_size=4).map(str.encode).map(lambda word: word.strip(b"\r")), max_size=4)
    MESSAGES = st.lists(st.text("abcx\r", max_size=5).map(str.encode), min_size=1)

    @given(WORDS, MESSAGES)
    def test_any_words_are_found_among_others(self, words: frozenset[bytes], messages: list[bytes]) -> None:
        close_words = CloseWords(words)
        block = Block(b"".join(message + b"\n" for message in messages), len(messages))
        if any(message in close_words for message in messages):
            self.assertTrue(block.may_hold(close_words))

    def test_no_words_are_in_nothing(self) -> None:
        close_words = CloseWords(frozenset())
        self.assertNotIn(b"exit", close_words)
        self.assertFalse(Block(b"exit\nquit\n", 2).may_hold(close_words))
        self.assertFalse(Block(b"exit\n", 1).may_hold(close_words))

    def test_the_empty_word_is_an_empty_line(self) -> None:
        close_words = CloseWords(frozenset({b""}))
        self.assertIn(b"\r\n", close_words)
        self.assertTrue(Block(b"a\n\nb\n", 3).may_hold(close_words))
