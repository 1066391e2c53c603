"""Rows of the interactive client."""

from hypothesis import given, strategies
from twisted.trial.unittest import SynchronousTestCase

from echoreply.client.display import Display, Unfinished, hexdump
from echoreply.client.round_trips import Piece, RoundTrips


def whole(data: bytes, seconds: float | None = None) -> Piece:
    return Piece(data, True, True, seconds)


def begun(data: bytes) -> Piece:
    return Piece(data, True, False, None)


def more(data: bytes) -> Piece:
    return Piece(data, False, data.endswith(b"\n"), None)


class RowsTests(SynchronousTestCase):
    def display(self, **options: bool) -> Display:
        return Display("client", **{"colour": False, **options})

    def test_lines_replies_and_messages_differ_in_colour(self) -> None:
        display = self.display(colour=True, times=True)
        self.assertEqual(display.entered(b"hello\n"), b"\x1b[36m> hello\x1b[0m\r\n")
        self.assertEqual(display.message("connected"), b"\x1b[33mclient: connected\x1b[0m\r\n")
        self.assertEqual(display.received(whole(b"hi\n", 0.5), 80), b"< \x1b[33m[  500.00 ms] \x1b[0mhi\r\n")

    def test_without_colours_marks_tell_lines_replies_and_messages_apart(self) -> None:
        display = self.display()
        shown = display.entered(b"hello\n") + display.received(whole(b"hi\n"), 80) + display.message("connected")
        self.assertEqual(shown, b"> hello\r\n< hi\r\nclient: connected\r\n")

    def test_control_characters_of_replies_and_lines_are_escaped(self) -> None:
        display = self.display()
        self.assertEqual(display.received(whole(b"\x1b[2J\x07\r\n"), 80), b"< \\x1b[2J\\x07\\x0d\r\n")
        self.assertEqual(display.entered(b"\x1b[2J\xff\n"), b"> \\x1b[2J\\xff\r\n")

    def test_unless_that_is_asked_for(self) -> None:
        display = self.display(raw=True)
        self.assertEqual(display.received(whole(b"\x1b[2J\xff\n"), 80), b"< \x1b[2J\xff\n")
        self.assertEqual(display.received(begun(b"\x1b[2J"), 80), b"< \x1b[2J\r\n")

    def test_round_trip_times_and_unsolicited_replies_are_shown(self) -> None:
        display = self.display(times=True)
        self.assertEqual(display.received(whole(b"a\n", 0.00123), 80), b"< [    1.23 ms] a\r\n")
        self.assertEqual(display.received(whole(b"b\n"), 80), b"< [unsolicited] b\r\n")

    def test_a_datagram_of_several_lines_is_shown_as_one_reply(self) -> None:
        self.assertEqual(self.display().received(whole(b"a\nb"), 80), b"< a\r\nb\r\n")


class UnfinishedTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.display = Display("client", colour=False)

    def test_a_row_without_its_end_is_kept_back_until_it_comes(self) -> None:
        self.assertEqual(self.display.received(begun(b"hel"), 80), b"")
        self.assertEqual(self.display.unfinished, Unfinished("< ", "", "hel"))
        self.assertEqual(self.display.received(more(b"lo\n"), 80), b"< hello\r\n")
        self.assertIsNone(self.display.unfinished)

    def test_a_line_or_a_message_ends_the_row(self) -> None:
        self.display.received(begun(b"hel"), 80)
        self.assertEqual(self.display.entered(b"x\n"), b"< hel\r\n> x\r\n")
        self.assertEqual(self.display.received(more(b"lo\n"), 80), b"< lo\r\n")

    def test_another_reply_ends_the_row_of_one_that_had_no_end(self) -> None:
        self.display.received(begun(b"one"), 80)
        self.assertEqual(self.display.received(begun(b"two"), 80), b"< one\r\n")

    def test_the_complete_rows_of_a_long_one_are_shown(self) -> None:
        self.assertEqual(self.display.received(begun(b"x" * 25), 10), b"< xxxxxxxx\r\nxxxxxxxxxx\r\n")
        self.assertEqual(self.display.unfinished, Unfinished("", "", "xxxxxxx"))
        self.assertEqual(self.display.received(more(b"yyyy\n"), 10), b"xxxxxxxyyyy\r\n")

    def test_a_wide_character_is_not_cut_in_two(self) -> None:
        shown = self.display.received(begun("中中中é中".encode()), 7)
        self.assertEqual(shown.decode(), "< 中中\r\n")
        self.assertEqual(self.display.unfinished, Unfinished("", "", "中é中"))

    def test_a_character_cut_by_the_network_is_shown_once_the_rest_arrives(self) -> None:
        data = "中\n".encode()
        self.display.received(begun(data[:2]), 80)
        self.assertEqual(self.display.received(more(data[2:]), 80).decode(), "< 中\r\n")

    def test_the_unfinished_row_is_shown_at_the_end(self) -> None:
        self.display.received(begun(b"a" + "中".encode()[:2]), 80)
        self.assertEqual(self.display.ended(), b"< a\\xe4\\xb8\r\n")
        self.assertEqual(self.display.ended(), b"")

    @given(strategies.lists(strategies.text("a中\n\t\u0301").map(str.encode)), strategies.integers(1, 20))
    def test_however_it_is_cut_nothing_is_lost(self, reads: list[bytes], columns: int) -> None:
        display, trips = Display("client", colour=False), RoundTrips()
        shown = b"".join(display.received(piece, columns) for read in reads for piece in trips.received(read, 0))
        shown += display.ended()

        def plain(text: str) -> str:
            return "".join(text.split())

        self.assertEqual(plain(shown.decode().replace("< ", "")), plain(b"".join(reads).decode()))


class DumpTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.display = Display("client", colour=False, dump=True, times=True)

    def test_both_ways_are_dumped_each_with_its_own_offsets(self) -> None:
        self.assertEqual(self.display.entered(b"hello\n"), b"")
        shown = self.display.sent(b"hello\r\n") + self.display.sent(b"a")
        self.assertEqual(
            shown.decode().splitlines(),
            [
                "> 00000000  68 65 6c 6c 6f 0d 0a                              |hello..|",
                "> 00000007  61                                                |a|",
            ],
        )
        self.assertEqual(
            self.display.received(whole(b"x\n", 1), 80).decode().splitlines(),
            ["< [ 1000.00 ms]", "< 00000000  78 0a                                             |x.|"],
        )
        self.assertIn(b"< 00000002  79", self.display.received(begun(b"y"), 80))

    def test_nothing_is_kept_back(self) -> None:
        self.assertIn(b"|ab|", self.display.received(begun(b"ab"), 80))
        self.assertIsNone(self.display.unfinished)

    def test_an_empty_datagram_has_a_row(self) -> None:
        self.assertEqual(self.display.received(whole(b""), 80), b"< [unsolicited]\r\n< 00000000\r\n")

    def test_offsets_start_at_0_with_each_connection(self) -> None:
        self.display.sent(b"hello\n")
        self.display.connected()
        self.assertIn(b"00000000", self.display.sent(b"hello\n"))


class HexdumpTests(SynchronousTestCase):
    def test_a_row_has_an_offset_sixteen_bytes_and_printable_characters(self) -> None:
        self.assertEqual(
            list(hexdump(b"server reply:\xe4\xb8\xad\n")),
            [
                "00000000  73 65 72 76 65 72 20 72  65 70 6c 79 3a e4 b8 ad  |server reply:...|",
                "00000010  0a                                                |.|",
            ],
        )

    def test_it_continues_at_the_given_offset(self) -> None:
        rows = hexdump(b"~" * 17, 0x1FF)
        self.assertEqual([row.split("  ")[0] for row in rows], ["000001ff", "0000020f"])

    def test_nothing_has_no_row(self) -> None:
        self.assertEqual(list(hexdump(b"")), [])

    @given(strategies.binary())
    def test_every_byte_can_be_read_from_it_and_a_row_fits_a_terminal(self, data: bytes) -> None:
        rows = list(hexdump(data))
        self.assertEqual(bytes.fromhex("".join(row[10:58] for row in rows)), data)
        for row in rows:
            self.assertTrue(row.isascii() and row.isprintable() and len(row) <= 78)
