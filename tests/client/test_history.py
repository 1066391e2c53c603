"""The history of the line editor, from one run to the next."""

import os
import stat
from pathlib import Path
from tempfile import TemporaryDirectory

from twisted.trial.unittest import SynchronousTestCase

from echoreply.client.history import MAX_LINES, History, history_path


class PathTests(SynchronousTestCase):
    def test_it_is_in_the_state_directory(self) -> None:
        for environment, expected in (
            ({"XDG_STATE_HOME": "/state", "HOME": "/home/me"}, "/state/echoreply/history"),
            ({"HOME": "/home/me"}, "/home/me/.local/state/echoreply/history"),
            ({"XDG_STATE_HOME": "relative", "HOME": "/home/me"}, "/home/me/.local/state/echoreply/history"),
            ({"XDG_STATE_HOME": "", "HOME": "/home/me"}, "/home/me/.local/state/echoreply/history"),
        ):
            self.assertEqual(str(history_path(environment)), expected)


class HistoryTests(SynchronousTestCase):
    def setUp(self) -> None:
        temporary = TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.path = Path(temporary.name, "state", "echoreply", "history")
        self.said: list[str] = []

    def history(self) -> History:
        return History(self.path, self.said.append)

    def test_the_next_run_has_the_lines_as_they_were_typed(self) -> None:
        lines = ["hello", " 中文 é ", "tab\there", "a\rb", "\udcff", "# no comment"]
        history = self.history()
        for line in lines:
            history.add(line)
        self.assertEqual(self.history().lines, lines)
        self.assertEqual(self.said, [])

    def test_two_clients_add_to_the_same_file(self) -> None:
        one, other = self.history(), self.history()
        one.add("1")
        other.add("2")
        one.add("3")
        self.assertEqual(self.history().lines, ["1", "2", "3"])

    def test_it_is_for_its_owner_only_also_if_it_was_not(self) -> None:
        self.history()
        self.path.chmod(0o644)
        self.history().add("secret")
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(self.path.parent.stat().st_mode), 0o700)

    def test_of_a_long_one_the_latest_lines_are_kept(self) -> None:
        history = self.history()
        self.path.write_text("".join(f"{n}\n" for n in range(2 * MAX_LINES - 1)))
        self.assertEqual(self.history().lines[-1], f"{2 * MAX_LINES - 2}")
        self.assertEqual(len(self.history().lines), MAX_LINES)
        history.add("last")
        kept = self.history().lines
        self.assertEqual((kept[0], kept[-1]), (str(MAX_LINES), "last"))
        self.assertEqual(self.path.read_text().count("\n"), MAX_LINES)
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)
        self.assertEqual(os.listdir(self.path.parent), ["history"])

    def test_a_last_line_without_its_end_gets_one(self) -> None:
        self.history()
        self.path.write_text("a\nb")
        self.history().add("c")
        self.assertEqual(self.history().lines, ["a", "b", "c"])

    def test_a_path_that_is_no_regular_file_is_reported_once_and_unchanged(self) -> None:
        self.path.parent.mkdir(parents=True)
        os.mkfifo(self.path)
        history = self.history()
        history.add("hello")
        self.assertEqual(history.lines, [])
        self.assertEqual(self.said, [f"history is not saved: {self.path}: not a regular file"])

    def test_a_directory_that_can_not_be_created_is_reported_once(self) -> None:
        self.path.parent.parent.write_text("a file in its place")
        history = self.history()
        history.add("hello")
        self.assertEqual(self.said, [f"history is not saved: {self.path}: not a directory"])

    def test_a_write_error_is_reported_once(self) -> None:
        history = self.history()
        self.path.unlink()
        self.path.mkdir()
        history.add("hello")
        history.add("hello")
        self.assertEqual(self.said, [f"history is not saved: {self.path}: is a directory"])

    def test_none_is_neither_known_nor_kept(self) -> None:
        history = History(None, self.said.append)
        history.add("hello")
        self.assertEqual((history.lines, self.said), ([], []))
