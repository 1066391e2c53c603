"""Bytes in hexadecimal."""

from hypothesis import given, strategies
from twisted.trial.unittest import SynchronousTestCase

from echoreply.client.display import hexdump


class HexdumpTests(SynchronousTestCase):
    def test_a_row_has_its_offset_sixteen_bytes_and_what_prints(self) -> None:
        self.assertEqual(
            list(hexdump(b"server reply:\xe4\xb8\xad\n")),
            [
                "00000000  73 65 72 76 65 72 20 72  65 70 6c 79 3a e4 b8 ad  |server reply:...|",
                "00000010  0a                                                |.|",
            ],
        )

    def test_it_goes_on_where_it_is_told_to(self) -> None:
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
