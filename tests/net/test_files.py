"""Files that somebody named."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from echoreply.net.files import check_readable, read, read_text


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

    def test_whether_a_file_can_be_read_is_told_without_reading(self) -> None:
        check_readable(self.file(b""))
        pipe, other_end = os.pipe()
        self.addCleanup(os.close, pipe)
        os.write(other_end, b"x")
        os.close(other_end)
        check_readable(f"/dev/fd/{pipe}")
        self.assertEqual(os.read(pipe, 9), b"x")
        with patch("os.access", lambda _path, _mode: False):
            for path, why in (
                ("/no/such\nfile", "'/no/such\\nfile': No such file or directory"),
                ("/", "/: Is a directory"),
                (f"{__file__}/x", f"{__file__}/x: Not a directory"),
                (__file__, f"{__file__}: Permission denied"),
            ):
                with self.assertRaises(ValueError) as caught:
                    check_readable(path)
                self.assertEqual(str(caught.exception), why)

    def test_what_is_no_text_is_told_with_its_line(self) -> None:
        for data, line in ((b"\xff", 1), (b"a\nb\n\xe4\xb8", 3), ("中\n".encode() + b"a\x80\n", 2)):
            path = self.file(data)
            with self.assertRaises(ValueError) as caught:
                read_text(path)
            self.assertEqual(str(caught.exception), f"{path}, line {line}: not UTF-8")
