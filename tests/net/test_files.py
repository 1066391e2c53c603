"""Files that somebody named."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from echoreply.net.files import read, read_text


class FilesTests(SynchronousTestCase):
    def file(self, data: bytes) -> str:
        path = Path(tempfile.mkdtemp()) / "file"
        self.addCleanup(shutil.rmtree, path.parent)
        path.write_bytes(data)
        return str(path)

    def test_a_file_is_read_as_it_is(self) -> None:
        data = bytes(range(256))
        self.assertEqual(read(self.file(data)), data)

    def test_text_keeps_the_ends_of_its_lines_and_loses_its_mark(self) -> None:
        self.assertEqual(read_text(self.file("a\r\n中\n".encode())), "a\r\n中\n")
        self.assertEqual(read_text(self.file(b"\xef\xbb\xbfa")), "a")

    def test_what_can_not_be_read_is_told_with_its_name(self) -> None:
        directory = str(Path(self.file(b"")).absolute().parent)
        for path, why in (("/no/such/file", "No such file or directory"), (directory, "Is a directory")):
            for attempt in (read, read_text):
                with self.assertRaises(ValueError) as caught:
                    attempt(path)
                self.assertEqual(str(caught.exception), f"{path}: {why}")

    def test_what_is_no_text_is_told_with_its_line(self) -> None:
        for data, line in ((b"\xff", 1), (b"a\nb\n\xe4\xb8", 3), ("中\n".encode() + b"a\x80\n", 2)):
            path = self.file(data)
            with self.assertRaises(ValueError) as caught:
                read_text(path)
            self.assertEqual(str(caught.exception), f"{path}, line {line}: not UTF-8")
