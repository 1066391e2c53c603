"""The server's options."""

import io
from contextlib import redirect_stdout

from attrs import fields_dict
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from echoreply import __version__
from echoreply.engine import Engine
from echoreply.options import Options
from echoreply.settings import Settings


def parsed(*arguments: str) -> Options:
    options = Options()
    options.parseOptions(arguments)
    return options


class OptionsTests(SynchronousTestCase):
    def test_without_options_the_settings_are_the_defaults(self) -> None:
        self.assertEqual(parsed().settings, Settings())

    def test_every_setting_has_an_option(self) -> None:
        options = Options()
        for name in fields_dict(Settings):
            self.assertIn(name.replace("_", "-"), options)

    def test_short_options_are_the_long_ones(self) -> None:
        settings = parsed("-p", "0", "-i", "127.0.0.1", "--prefix", "").settings
        self.assertEqual(settings, Settings(port=0, interface="127.0.0.1", prefix=b""))

    def test_a_bad_value_is_a_usage_error(self) -> None:
        with self.assertRaises(UsageError) as caught:
            parsed("--port", "99999")
        self.assertEqual(str(caught.exception), "--port takes a whole number, 0 to 65535, not '99999'")

    def test_an_argument_is_a_usage_error(self) -> None:
        with self.assertRaises(UsageError) as caught:
            parsed("8088")
        self.assertIn("'8088'", str(caught.exception))

    def test_the_version_is_ours(self) -> None:
        output = io.StringIO()
        with redirect_stdout(output), self.assertRaises(SystemExit) as caught:
            parsed("--version")
        self.assertEqual((output.getvalue(), caught.exception.code), (f"echoreply {__version__}\n", 0))

    def test_the_engine_is_settled_once_they_are_parsed(self) -> None:
        self.assertIs(parsed().engine, Engine.TWISTED, "these tests run on a reactor")
        with self.assertRaises(UsageError) as caught:
            parsed("--engine", "fast")
        self.assertEqual(str(caught.exception), "--engine takes auto, twisted or uvloop, not 'fast'")
