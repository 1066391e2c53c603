"""Framing: where a message ends, and which of its bytes are its body."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from echoreply.core.framing import MAX_TERMINATOR, AutoFramer, Block, LineFramer, ReadFramer, too_long
from tests.support.reference import cut, places, streams


class BlockTests(SynchronousTestCase):
    def test_a_run_of_lines_is_given_line_by_line(self) -> None:
        self.assertEqual(list(Block(b"a\n\nb\r\n", 3).messages()), [b"a\n", b"\n", b"b\r\n"])
        self.assertEqual(Block(b"a\n\nb\r\n", 3).bodies(), [b"a", b"", b"b"])

    def test_a_single_message_keeps_the_newlines_within(self) -> None:
        self.assertEqual(list(Block(b"a\nb\n", 1).messages()), [b"a\nb\n"])
        self.assertEqual(Block(b"a\nb\n", 1).bodies(), [b"a\nb"])

    def test_no_more_messages_are_given_than_asked_for(self) -> None:
        self.assertEqual(Block(b"a\nb\nc\n", 3).bodies(2), [b"a", b"b"])
        self.assertEqual(Block(b"a\n", 1).bodies(0), [])
        self.assertEqual(Block(b"a\n", 1).bodies(5), [b"a"])


class SplitTests(SynchronousTestCase):
    def test_a_terminator_is_the_last_lf_and_crs_before_it(self) -> None:
        for message, parts in {
            b"a\n": (b"a", b"\n"),
            b"a\r\r\n": (b"a", b"\r\r\n"),
            b"a\nb\r\n": (b"a\nb", b"\r\n"),
            b"a\n\n": (b"a\n", b"\n"),
            b"a\r": (b"a\r", b""),
            b"a": (b"a", b""),
            b"\n": (b"", b"\n"),
            b"": (b"", b""),
        }.items():
            self.assertEqual(Block.split(message), parts)

    @given(st.binary())
    def test_nothing_is_lost(self, message: bytes) -> None:
        self.assertEqual(b"".join(Block.split(message)), message)


class TooLongTests(SynchronousTestCase):
    def test_the_limit_itself_is_not_too_long(self) -> None:
        self.assertFalse(too_long(b"x" * 8, 8))
        self.assertTrue(too_long(b"x" * 9, 8))

    def test_the_terminators_own_bytes_do_not_count(self) -> None:
        self.assertFalse(too_long(b"x" * 8 + b"\r\r", 8))

    def test_cr_inside_a_message_counts(self) -> None:
        self.assertTrue(too_long(b"x" * 7 + b"\r\rx", 8))

    def test_a_terminator_may_not_grow_without_end(self) -> None:
        self.assertFalse(too_long(b"\r" * (8 + MAX_TERMINATOR), 8))
        self.assertTrue(too_long(b"\r" * (9 + MAX_TERMINATOR), 8))


class LineFramerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.framer = LineFramer(max_message=8)

    def test_lines_of_one_read_come_as_one_block_without_a_copy(self) -> None:
        read = b"a\nb\n"
        block = self.framer.receive(read)
        assert block is not None
        self.assertIs(block.data, read)
        self.assertEqual(block.count, 2)

    def test_a_line_that_is_not_complete_waits_for_its_end(self) -> None:
        self.assertEqual(self.framer.receive(b"a\nhel"), Block(b"a\n", 1))
        self.assertTrue(self.framer.unfinished)
        self.assertEqual(self.framer.receive(b"lo\n"), Block(b"hello\n", 1))
        self.assertFalse(self.framer.unfinished)

    def test_what_is_left_is_a_message_when_no_more_comes(self) -> None:
        self.assertIsNone(self.framer.receive(b"rest"))
        self.assertEqual(self.framer.finish(), Block(b"rest", 1))
        self.assertIsNone(self.framer.finish())

    def test_it_knows_when_a_client_lf_seen(self) -> None:
        self.framer.receive(b"hi")
        self.assertFalse(self.framer.lf_seen)
        self.framer.receive(b"\n")
        self.assertTrue(self.framer.lf_seen)

    def test_a_line_that_never_ends_is_noticed_and_no_longer_kept(self) -> None:
        for _ in range(9):
            self.assertFalse(self.framer.overflow)
            self.framer.receive(b"x")
        self.assertTrue(self.framer.overflow)
        self.assertIsNone(self.framer.receive(b"y\nz\n"))
        self.assertIsNone(self.framer.finish())

    def test_cr_without_end_is_noticed_too(self) -> None:
        for _ in range(8 + MAX_TERMINATOR):
            self.framer.receive(b"\r")
            self.assertFalse(self.framer.overflow)
        self.framer.receive(b"\r")
        self.assertTrue(self.framer.overflow)

    @given(streams, places)
    def test_no_byte_is_lost_or_moved_however_a_stream_is_cut(self, stream: bytes, places: list[int]) -> None:
        framer = LineFramer(max_message=10_000)
        blocks = [framer.receive(read) for read in cut(stream, places)]
        blocks.append(framer.finish())
        given = [block for block in blocks if block]
        self.assertEqual(b"".join(block.data for block in given), stream)
        *lines, rest = stream.split(b"\n")
        messages = [message for block in given for message in block.messages()]
        self.assertEqual(messages, [line + b"\n" for line in lines] + ([rest] if rest else []))


class AutoFramerTests(SynchronousTestCase):
    def test_silence_ends_a_message_until_there_was_an_lf(self) -> None:
        framer = AutoFramer(max_message=8)
        self.assertFalse(framer.awaits_silence)
        framer.receive(b"a")
        self.assertTrue(framer.awaits_silence)
        self.assertEqual(framer.finish(), Block(b"a", 1))
        framer.receive(b"b\nc")
        self.assertFalse(framer.awaits_silence)
        line = LineFramer(max_message=8)
        line.receive(b"a")
        self.assertFalse(line.awaits_silence)


class ReadFramerTests(SynchronousTestCase):
    def test_every_read_is_a_message(self) -> None:
        framer = ReadFramer(10)
        self.assertEqual(framer.receive(b"a\nb\nc"), Block(b"a\nb\nc", 1))
        self.assertIsNone(framer.finish())
