"""Reloading files."""

from __future__ import annotations

from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from echoreply.server.reload import Reload


class ReloadTests(SynchronousTestCase):
    def logged(self, reload: Reload) -> list[tuple[object, str]]:
        with capturedLogs() as events:
            reload.attempt()
        return [(event["log_level"], formatEvent(event)) for event in events]

    def test_files_are_read_again_and_that_is_logged(self) -> None:
        read: list[bool] = []
        logged = self.logged(Reload("script {x}", lambda: read.append(True)))
        self.assertEqual(read, [True])
        self.assertEqual(logged, [(LogLevel.info, "script {x} reloaded")])

    def test_what_can_not_be_used_is_logged(self) -> None:
        def read_again() -> None:
            raise ValueError("x.toml, line 1: reply: {")

        logged = self.logged(Reload("script x.toml", read_again))
        self.assertEqual(
            logged,
            [(LogLevel.error, "script x.toml: reload failed, keeping the previous one: x.toml, line 1: reply: {")],
        )

    def test_a_mistake_of_ours_is_not_taken_for_one_in_a_file(self) -> None:
        def read_again() -> None:
            raise ZeroDivisionError

        with self.assertRaises(ZeroDivisionError):
            Reload("script", read_again).attempt()
