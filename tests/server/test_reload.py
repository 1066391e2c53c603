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

    def test_a_reload_is_logged(self) -> None:
        read: list[bool] = []
        logged = self.logged(Reload("script {x}", lambda: read.append(True)))
        self.assertEqual(read, [True])
        self.assertEqual(logged, [(LogLevel.info, "script {x} reloaded")])

    def test_a_failed_reload_is_logged(self) -> None:
        def read_again() -> None:
            raise ValueError("x.toml, line 1: reply: {")

        logged = self.logged(Reload("script x.toml", read_again))
        self.assertEqual(
            logged,
            [(LogLevel.error, "script x.toml: reload failed, keeping the previous one: x.toml, line 1: reply: {")],
        )

    def test_an_unexpected_exception_is_not_reported_as_an_invalid_file(self) -> None:
        def read_again() -> None:
            raise ZeroDivisionError

        with self.assertRaises(ZeroDivisionError):
            Reload("script", read_again).attempt()
