"""One client's conversation: reads in, replies out."""

import tracemalloc

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from echoreply.core.conversation import REPLIES_AT_ONCE, Conversation, Rules
from echoreply.core.framing import Framing
from echoreply.core.reasons import EndReason
from echoreply.core.replies import Replies, Transform
from tests.support.reference import cut, expected, places, streams


def take(conversation: Conversation) -> bytes:
    """Return all replies that are owed."""
    replies = b""
    while block := conversation.next_replies():
        replies += block.replies
    return replies


def converse(reads: list[bytes], rules: Rules) -> bytes:
    """
    Give all replies to what is read in these pieces, until the client closes its sending side.

    They must be the same bytes whether each read that can be is answered at once, or none is.
    """
    plain, fast = Conversation(rules), Conversation(rules)
    plain_replies = fast_replies = b""
    for read in reads:
        plain.receive(read)
        plain_replies += take(plain)
        if block := fast.answer(read):
            fast_replies += block.replies
        else:
            fast.receive(read)
            fast_replies += take(fast)
    for conversation in (plain, fast):
        conversation.finish_message()
    plain_replies += take(plain)
    fast_replies += take(fast)
    assert fast_replies == plain_replies, (fast_replies, plain_replies)
    assert fast.ending is plain.ending
    return plain_replies


class OrderTests(SynchronousTestCase):
    def test_replies_come_one_a_message_and_in_order(self) -> None:
        self.assertEqual(converse([b"a\nb\n", b"c\n"], Rules(Replies(b">"))), b">a\n>b\n>c\n")

    def test_what_has_not_been_taken_is_kept(self) -> None:
        conversation = Conversation(Rules(Replies(b">")))
        conversation.receive(b"a\n")
        conversation.receive(b"b\n")
        self.assertFalse(conversation.answered)
        self.assertEqual(take(conversation), b">a\n>b\n")
        self.assertTrue(conversation.answered)

    def test_a_batch_is_bounded_however_many_messages_a_read_holds(self) -> None:
        conversation = Conversation(Rules())
        conversation.receive(b"\n" * 65536)
        sizes, messages = [], 0
        while block := conversation.next_replies():
            sizes.append(len(block.replies))
            messages += block.count
        self.assertEqual(messages, 65536)
        self.assertEqual(sum(sizes), 65536 * len(b"server reply:\n"))
        self.assertLessEqual(max(sizes), REPLIES_AT_ONCE)
        self.assertGreater(min(sizes[:-1]), REPLIES_AT_ONCE / 4)

    def test_a_long_line_before_short_ones_goes_alone(self) -> None:
        conversation = Conversation(Rules())
        conversation.receive(b"x" * 65536 + b"\n" + b"a\n" * 10)
        block = conversation.next_replies()
        assert block is not None
        self.assertEqual(block.count, 1)
        self.assertEqual(take(conversation), b"server reply:a\n" * 10)


class AnswerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.conversation = Conversation(Rules(Replies(b">"), max_message=1000))
        self.conversation.receive(b"hello\n")
        take(self.conversation)

    def test_whole_lines_are_answered_at_once(self) -> None:
        block = self.conversation.answer(b"a\n\nbye\r\n")
        assert block is not None
        self.assertEqual((block.replies, block.count), (b">a\n>\n>bye\r\n", 3))
        self.assertEqual(list(block.messages()), [b"a\n", b"\n", b"bye\r\n"])

    def test_nothing_else_is(self) -> None:
        for read in (b"a", b"a\nb", b"exit\n", b"a\n\rquit\r\n", b"x" * 1000 + b"\n", b"\n" * 999 * REPLIES_AT_ONCE):
            self.assertIsNone(self.conversation.answer(read), read[:20])

    def test_not_before_everything_earlier_was_answered(self) -> None:
        for read in (b"a\n", b"rest"):
            self.conversation.receive(read)
            self.assertIsNone(self.conversation.answer(b"b\n"))
        self.assertEqual(take(self.conversation), b">a\n")
        self.assertIsNone(self.conversation.answer(b"b\n"))
        self.conversation.receive(b"\n")
        take(self.conversation)
        self.assertIsNotNone(self.conversation.answer(b"b\n"))

    def test_a_client_whose_first_line_was_answered_so_is_a_line_client(self) -> None:
        conversation = Conversation(Rules())
        self.assertIsNotNone(conversation.answer(b"a\n"))
        conversation.receive(b"b")
        self.assertFalse(conversation.awaits_silence)

    def test_not_inside_a_line_that_a_silence_has_cut(self) -> None:
        conversation = Conversation(Rules())
        conversation.receive(b"a")
        conversation.finish_message()
        take(conversation)
        self.assertIsNone(conversation.answer(b"b\n"))

    def test_not_when_every_read_is_a_message(self) -> None:
        self.assertIsNone(Conversation(Rules(framing=Framing.READ)).answer(b"a\n"))

    def test_not_after_the_end(self) -> None:
        self.conversation.end(EndReason.SHUTDOWN, "too many connections")
        self.assertIsNone(self.conversation.answer(b"a\n"))
        take(self.conversation)
        self.assertIsNone(self.conversation.answer(b"a\n"))

    def test_a_read_does_not_become_gigabytes_to_see_that_they_are_too_many(self) -> None:
        conversation = Conversation(Rules(Replies(b"p" * 50_000)))
        tracemalloc.start()
        try:
            self.assertIsNone(conversation.answer(b"\n" * 1000))
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        self.assertLess(most, 1 << 20)


class CloseWordTests(SynchronousTestCase):
    def test_earlier_messages_are_answered_and_what_follows_is_not(self) -> None:
        for close_word in (b"exit\n", b"quit\r\n"):
            conversation = Conversation(Rules(Replies(b">")))
            conversation.receive(b"a\n" + close_word + b"b\n")
            self.assertEqual(take(conversation), b">a\n")
            self.assertIs(conversation.ending, EndReason.CLOSE_WORD)
            conversation.receive(b"c\n")
            self.assertEqual(take(conversation), b"")
            self.assertTrue(conversation.answered)

    def test_a_close_word_needs_no_newline_at_the_end(self) -> None:
        conversation = Conversation(Rules())
        conversation.receive(b"exit")
        self.assertIsNone(conversation.ending)
        conversation.finish_message()
        self.assertEqual(take(conversation), b"")
        self.assertIs(conversation.ending, EndReason.CLOSE_WORD)

    def test_a_word_within_a_message_is_no_close_word(self) -> None:
        self.assertEqual(converse([b"do not exit\nquitter\n"], Rules(Replies(b""))), b"do not exit\nquitter\n")


class MaxMessageTests(SynchronousTestCase):
    def test_a_message_of_the_longest_length_is_answered_with_any_terminator(self) -> None:
        for terminator in (b"", b"\n", b"\r\n"):
            message = b"x" * 65536 + terminator
            self.assertEqual(converse([message], Rules()), b"server reply:" + message)

    def test_a_longer_one_gets_the_owed_replies_and_an_error(self) -> None:
        for rest in (b"", b"\n", b"\nb\n"):
            conversation = Conversation(Rules(Replies(b">"), max_message=8))
            conversation.receive(b"a\n" + b"x" * 9 + rest)
            self.assertEqual(take(conversation), b">a\nserver error: message longer than 8 bytes\n")
            self.assertIs(conversation.ending, EndReason.TOO_LONG)

    def test_the_error_does_not_wait_for_the_messages_end(self) -> None:
        conversation = Conversation(Rules(max_message=8))
        conversation.receive(b"x" * 9)
        self.assertFalse(conversation.answered)
        self.assertEqual(take(conversation), b"server error: message longer than 8 bytes\n")

    def test_the_error_is_a_line_of_its_own_also_after_a_reply_without_newline(self) -> None:
        conversation = Conversation(Rules(Replies(b">"), max_message=8))
        conversation.receive(b"hello")
        conversation.finish_message()
        self.assertEqual(take(conversation), b">hello")
        conversation.receive(b"x" * 9)
        self.assertEqual(take(conversation), b"\nserver error: message longer than 8 bytes\n")

    def test_the_replies_before_an_error_are_never_lost(self) -> None:
        conversation = Conversation(Rules(Replies(b">"), max_message=8))
        conversation.receive(b"hello")
        conversation.finish_message()
        take(conversation)
        conversation.receive(b"a\n" + b"x" * 9 + b"\n")
        self.assertEqual(take(conversation), b">a\nserver error: message longer than 8 bytes\n")


class EndTests(SynchronousTestCase):
    def test_an_error_line_is_all_that_is_said(self) -> None:
        conversation = Conversation(Rules())
        conversation.end(EndReason.SHUTDOWN, "too many connections")
        self.assertFalse(conversation.answered)
        self.assertEqual(take(conversation), b"server error: too many connections\n")
        self.assertIs(conversation.ending, EndReason.SHUTDOWN)
        conversation.receive(b"hello\n")
        self.assertEqual(take(conversation), b"")

    def test_it_follows_the_replies_that_are_owed(self) -> None:
        conversation = Conversation(Rules(Replies(b">")))
        conversation.receive(b"a\nb")
        conversation.finish_message()
        conversation.end(EndReason.SHUTDOWN, "too many connections")
        self.assertEqual(take(conversation), b">a\n>b\nserver error: too many connections\n")


class SilenceTests(SynchronousTestCase):
    def test_silence_is_awaited_only_before_the_first_newline(self) -> None:
        conversation = Conversation(Rules())
        self.assertFalse(conversation.awaits_silence)
        conversation.receive(b"hel")
        self.assertTrue(conversation.awaits_silence)
        conversation.receive(b"lo\nwor")
        take(conversation)
        self.assertFalse(conversation.awaits_silence)

    def test_silence_ends_a_message_and_the_next_waits_again(self) -> None:
        conversation = Conversation(Rules(Replies(b">")))
        for message in (b"hello", b"again"):
            conversation.receive(message)
            conversation.finish_message()
            self.assertEqual(take(conversation), b">" + message)
            self.assertFalse(conversation.awaits_silence)

    def test_a_line_client_is_never_cut_by_silence(self) -> None:
        conversation = Conversation(Rules(framing=Framing.LINE))
        conversation.receive(b"hello")
        self.assertFalse(conversation.awaits_silence)

    def test_what_is_too_long_does_not_wait(self) -> None:
        conversation = Conversation(Rules(max_message=2))
        conversation.receive(b"hello")
        self.assertFalse(conversation.awaits_silence)


class ReadFramingTests(SynchronousTestCase):
    RULES = Rules(Replies(b">"), Framing.READ)

    def test_a_read_is_a_message(self) -> None:
        self.assertEqual(converse([b"a\nb\n", b"c"], self.RULES), b">a\nb\n>c")

    def test_a_read_that_is_a_close_word_ends_it(self) -> None:
        self.assertEqual(converse([b"a", b"exit\r\n", b"b"], self.RULES), b">a")

    def test_without_a_prefix_it_is_rfc_862(self) -> None:
        every = bytes(range(256))
        self.assertEqual(converse([every, every], Rules(Replies(b""), Framing.READ)), every * 2)

    def test_a_read_longer_than_the_longest_message_is_an_error(self) -> None:
        rules = Rules(Replies(b">"), Framing.READ, max_message=8)
        self.assertEqual(
            converse([b"12345678", b"123456789"], rules), b">12345678\nserver error: message longer than 8 bytes\n"
        )


class CutTests(SynchronousTestCase):
    """However the network cuts or joins the bytes, the replies are the same."""

    @given(streams, places, st.sampled_from([b"", b"server reply:", b"\n"]), st.sampled_from([1, 4, 8, 1000]))
    @example(b"a\nexit\nb\n", [3], b">", 4)
    @example(b"\r" * 1028 + b"\n", [8], b">", 4)
    @example(b"\r" * 1029 + b"\n", [8], b">", 4)
    @example(b"xxxx\r\r\r\r\n", [5, 6, 7, 8], b">", 4)
    def test_the_replies_are_those_of_the_contract(
        self, stream: bytes, places: list[int], prefix: bytes, max_message: int
    ) -> None:
        for framing in (Framing.LINE, Framing.AUTO):
            rules = Rules(Replies(prefix), framing, max_message)
            self.assertEqual(converse(cut(stream, places), rules), expected(stream, prefix, max_message))

    def test_a_long_conversation_cut_at_every_byte(self) -> None:
        stream = b"a\nhello\r\n\n\r\r\nlonger than most\n\0\xff\n" + "中文\n".encode() + b"exit\nlater\n"
        whole = converse([stream], Rules())
        for place in range(len(stream) + 1):
            self.assertEqual(converse([stream[:place], stream[place:]], Rules()), whole)
        self.assertEqual(converse([bytes([byte]) for byte in stream], Rules()), whole)

    @given(streams, places)
    def test_messages_that_are_not_taken_at_once_are_answered_the_same(self, stream: bytes, places: list[int]) -> None:
        conversation = Conversation(Rules(max_message=8))
        for read in cut(stream, places):
            conversation.receive(read)
        conversation.finish_message()
        self.assertEqual(take(conversation), expected(stream, b"server reply:", 8))

    @given(streams, places)
    def test_a_transform_is_that_of_the_whole_stream(self, stream: bytes, places: list[int]) -> None:
        rules = Rules(Replies(b"", Transform.UPPER), max_message=1000)
        self.assertEqual(converse(cut(stream, places), rules), expected(stream, b"", 1000).upper())
