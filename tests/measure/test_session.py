"""The parts of C{echoreply-measure} that need no server: its output, its files, and signals before the run."""

from __future__ import annotations

import errno
import os
import shutil
import signal
from argparse import Namespace
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from echoreply.measure import session as session_module
from echoreply.measure.command import parse_arguments
from echoreply.measure.report import Style
from echoreply.measure.session import Output, Session, compare, descriptor_shortage, style_of, unwritable
from tests.measure.test_result import result


class ClosedPipe(StringIO):
    def flush(self) -> None:
        raise BrokenPipeError(errno.EPIPE, "broken pipe")


class Terminal(StringIO):
    def __init__(self, encoding: str) -> None:
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return True


class FilesTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        directory = TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.folder = Path(directory.name)


class OutputTests(SynchronousTestCase):
    def test_lines_are_written(self) -> None:
        stream = StringIO()
        Output(stream, lambda: None).write("one", "two")
        self.assertEqual(stream.getvalue(), "one\ntwo\n")

    def test_a_failure_is_reported_once_and_ends_the_output(self) -> None:
        failures: list[None] = []
        stream = ClosedPipe()
        output = Output(stream, lambda: failures.append(None))
        for line in ("one", "two"):
            output.write(line)
        self.assertIsInstance(output.failure, BrokenPipeError)
        self.assertEqual((len(failures), stream.getvalue()), (1, "one\n"))


class StyleTests(SynchronousTestCase):
    def test_a_file_has_eighty_columns(self) -> None:
        self.assertEqual(style_of(StringIO()).columns, 80)

    def test_a_terminal_has_its_own_width_and_blocks_if_its_encoding_has_them(self) -> None:
        self.patch(shutil, "get_terminal_size", lambda: os.terminal_size((132, 40)))
        self.assertEqual(style_of(Terminal("utf-8")), Style(132))
        self.assertEqual(style_of(Terminal("latin-1")), Style(132, blocks=False))


class DescriptorTests(SynchronousTestCase):
    def test_more_connections_than_the_limit_of_open_files_permits_are_an_error(self) -> None:
        for limit, connections, said in (
            (None, 10**9, ""),
            (10_000, 10, ""),
            (100, 1000, r"^--connections takes at most \d+ \(limit of open files: 100\), not 1000$"),
        ):
            self.patch(session_module, "set_limit", lambda limit=limit: limit and (limit, limit))
            self.assertRegex(descriptor_shortage(connections), said or "^$")


class FileTests(FilesTestCase):
    def test_a_file_that_can_be_written_does_not_change(self) -> None:
        there, new = self.folder / "there", self.folder / "new"
        there.write_text("text")
        self.assertEqual((unwritable(str(there)), unwritable(str(new))), ("", ""))
        self.assertEqual((there.read_text(), new.exists()), ("text", False))

    def test_a_file_that_can_not_be_written_is_named_with_the_reason(self) -> None:
        self.assertEqual(unwritable(str(self.folder)), f"cannot write to {self.folder}: is a directory")
        self.assertRegex(unwritable(str(self.folder / "no" / "file")), ": no such file or directory$")


class CompareTests(FilesTestCase):
    def compare(self, *paths: Path) -> tuple[int, list[str]]:
        said: list[str] = []
        options = Namespace(compare=[str(path) for path in paths], chart=str(self.folder / "chart.svg"))
        return compare(options, said.append), said

    def test_a_missing_file_and_one_that_is_no_result_are_named(self) -> None:
        good, other = self.folder / "good", self.folder / "other"
        good.write_text(result().to_json())
        status, said = self.compare(good, other)
        self.assertEqual((status, said), (2, [f"cannot read {other}: no such file or directory"]))
        other.write_text("{}")
        status, (line,) = self.compare(good, other)
        self.assertEqual((status, line.startswith(f"{other} ")), (2, True))


class SessionTests(SynchronousTestCase):
    def session(self, *arguments: str) -> tuple[Session, list[str]]:
        said: list[str] = []
        reactor: Any = MemoryReactorClock()
        return Session(reactor, parse_arguments(arguments), said.append), said

    def measured(self, session: Session) -> int:
        coroutine = session.measure()
        with self.assertRaises(StopIteration) as caught:
            coroutine.send(None)
        status: int = caught.exception.value
        return status

    def test_a_signal_before_the_run_ends_the_program(self) -> None:
        session, _ = self.session()
        self.assertEqual([session.interrupt(number) for number in (signal.SIGINT, signal.SIGTERM)], [130, 143])

    def test_a_mistake_ends_the_run_before_it_connects(self) -> None:
        self.patch(session_module, "set_limit", lambda: (100, 100))
        for arguments, wanted in (
            (["--tls", "--ca=/no/such/file"], "/no/such/file"),
            (["--connections=1000"], "--connections takes at most"),
            (["--json=/no/such/folder/x"], "cannot write to /no/such/folder/x: no such file or directory"),
        ):
            session, said = self.session(*arguments)
            self.assertEqual(self.measured(session), 2)
            self.assertIn(wanted, " ".join(said))
            self.assertEqual(len(said), 1)
