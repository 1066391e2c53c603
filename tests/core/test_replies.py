"""The replies to messages, and error lines."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from echoreply.core.framing import Block
from echoreply.core.replies import Replies, Transform, error_line


class RepliesTests(SynchronousTestCase):
    def test_a_reply_is_the_prefix_and_the_message_with_its_own_terminator(self) -> None:
        self.assertEqual(Replies().to(Block(b"hello\r\r\n", 1)), b"server reply:hello\r\r\n")

    def test_every_line_of_a_block_gets_a_reply(self) -> None:
        self.assertEqual(Replies(b"> ").to(Block(b"a\n\nb\n", 3)), b"> a\n> \n> b\n")

    def test_a_message_without_newline_is_answered_without_one(self) -> None:
        self.assertEqual(Replies(b">").to(Block(b"a", 1)), b">a")

    def test_newlines_within_a_single_message_are_only_bytes(self) -> None:
        self.assertEqual(Replies(b">").to(Block(b"a\nb\n", 1)), b">a\nb\n")

    @given(
        st.lists(st.binary(max_size=5).map(lambda line: line.replace(b"\n", b"") + b"\n"), min_size=1),
        st.sampled_from([b"", b">", b"\n", b"a\nb", b"server reply:"]),
        st.sampled_from(Transform),
    )
    def test_whole_lines_are_counted_and_answered_like_any_messages(
        self, lines: list[bytes], prefix: bytes, transform: Transform
    ) -> None:
        replies, data = Replies(prefix, transform), b"".join(lines)
        expected = replies.to(Block(data, len(lines)))
        self.assertEqual(replies.to_lines(data), (expected, len(lines)))

    def test_any_byte_comes_back_as_it_was(self) -> None:
        every = bytes(range(256)).replace(b"\n", b"")
        self.assertEqual(Replies(b"").to(Block(every, 1)), every)

    def test_a_transform_changes_ascii_letters_of_the_message_and_nothing_else(self) -> None:
        message = "aZ1 ä中\xff".encode() + b"\xff\n"
        upper, lower = Replies(b"Pre:", Transform.UPPER), Replies(b"Pre:", Transform.LOWER)
        self.assertEqual(upper.to(Block(message, 1)), b"Pre:" + "AZ1 ä中\xff".encode() + b"\xff\n")
        self.assertEqual(lower.to(Block(message, 1)), b"Pre:" + "az1 ä中\xff".encode() + b"\xff\n")


class ErrorLineTests(SynchronousTestCase):
    def test_an_error_is_a_line_of_its_own(self) -> None:
        self.assertEqual(error_line("too many connections"), b"server error: too many connections\n")
