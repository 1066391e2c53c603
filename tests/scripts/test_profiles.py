"""The profiles that come with the server: their names, scripts and summaries."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from echoreply.scripts.profiles import DEFAULT_PROFILE, names, summary, text_of
from echoreply.scripts.source import script_of_toml


class ProfilesTests(SynchronousTestCase):
    def test_they_are_named_in_order(self) -> None:
        self.assertEqual(names(), tuple(sorted(names())))
        self.assertIn(DEFAULT_PROFILE, names())
        self.assertIn("echo", names())

    def test_each_is_a_script_with_a_summary_in_a_line(self) -> None:
        for name in names():
            script_of_toml(text_of(name), name)
            self.assertTrue(text_of(name).startswith(f"# {summary(name)}\n"), name)
            self.assertTrue(summary(name).isprintable())

    def test_one_that_there_is_not_is_told_with_those_there_are(self) -> None:
        for name in ("nobody", "", "../profiles/echo", "echo.toml"):
            with self.assertRaises(ValueError) as caught:
                text_of(name)
            self.assertEqual(str(caught.exception), f"takes {', '.join(names())}, not {name!r}")
