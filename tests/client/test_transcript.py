"""A file that keeps both ways."""

import ast
import os
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, strategies
from twisted.trial.unittest import SynchronousTestCase

from echoreply.client.transcript import RECEIVED, SENT, Transcript, record


class RecordTests(SynchronousTestCase):
    def test_it_has_the_time_the_direction_and_the_bytes(self) -> None:
        self.assertEqual(
            record(RECEIVED, b'"a\\\t\x1b\xff\xe4\xb8\xad\r\n', 1795421700.25),
            '2026-11-23T08:15:00.250000Z < "\\"a\\\\\\t\\x1b\\xff中\\r\\n"\n',
        )

    @given(strategies.binary())
    def test_every_byte_can_be_read_from_it_and_it_is_one_line(self, data: bytes) -> None:
        line = record(SENT, data, 0)
        self.assertTrue(line.endswith('"\n') and line[:-1].isprintable())
        quoted = line.split(" ", 2)[2]
        # What is no ASCII stands for its UTF-8.
        literal = "".join(c if c.isascii() else "".join(f"\\x{b:02x}" for b in c.encode()) for c in quoted)
        self.assertEqual(ast.literal_eval("b" + literal), data)


class TranscriptTests(SynchronousTestCase):
    def setUp(self) -> None:
        temporary = TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.path = Path(temporary.name, "transcript")
        self.said: list[str] = []

    def test_each_line_has_a_record_and_is_there_at_once(self) -> None:
        transcript = Transcript(str(self.path), self.said.append)
        self.addCleanup(transcript.close)
        transcript.keep(SENT, b"a\n", 0)
        transcript.keep(RECEIVED, b"x\ny\nz", 1.5)
        self.assertEqual(
            self.path.read_text().splitlines(),
            [
                '1970-01-01T00:00:00.000000Z > "a\\n"',
                '1970-01-01T00:00:01.500000Z < "x\\n"',
                '1970-01-01T00:00:01.500000Z < "y\\n"',
                '1970-01-01T00:00:01.500000Z < "z"',
            ],
        )

    def test_a_datagram_has_one_record(self) -> None:
        transcript = Transcript(str(self.path), self.said.append)
        self.addCleanup(transcript.close)
        transcript.keep(RECEIVED, b"x\ny", 0, whole=True)
        transcript.keep(RECEIVED, b"", 0, whole=True)
        self.assertEqual([line.split()[2] for line in self.path.read_text().splitlines()], ['"x\\ny"', '""'])

    def test_it_appends_to_the_file(self) -> None:
        self.path.write_text("earlier\n")
        transcript = Transcript(str(self.path), self.said.append)
        self.addCleanup(transcript.close)
        transcript.keep(SENT, b"a\n", 0)
        self.assertEqual(len(self.path.read_text().splitlines()), 2)

    def test_a_file_that_can_not_be_written_is_an_error(self) -> None:
        with self.assertRaises(OSError):
            Transcript(os.path.join(self.path, "missing"), self.said.append)

    def test_a_write_error_is_reported_once(self) -> None:
        if not Path("/dev/full").exists():
            self.skipTest("there is no /dev/full")
        transcript = Transcript("/dev/full", self.said.append)
        transcript.keep(SENT, b"a\n", 0)
        transcript.keep(SENT, b"b\n", 0)
        self.assertEqual(self.said, ["transcript stopped: /dev/full: no space left on device"])
