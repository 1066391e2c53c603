"""The server's options."""

import io
import os
import sys
from contextlib import redirect_stdout

from attrs import fields_dict
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from echoreply import __version__
from echoreply.scripts import profiles
from echoreply.server.options import Options
from echoreply.server.settings import Engine, Settings


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


class ScriptTests(SynchronousTestCase):
    def displayed(self, *arguments: str, stdin: bytes = b"") -> str:
        """Give what is displayed instead of serving."""
        output = io.StringIO()
        self.patch(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with redirect_stdout(output), self.assertRaises(SystemExit) as caught:
            parsed(*arguments)
        self.assertEqual(caught.exception.code, 0)
        return output.getvalue()

    def test_the_profiles_are_listed_with_what_they_are(self) -> None:
        lines = self.displayed("--list-profiles").splitlines()
        self.assertEqual([line.split()[0] for line in lines], list(profiles.names()))
        for name, line in zip(profiles.names(), lines, strict=True):
            self.assertTrue(line.endswith(f" {profiles.summary(name)}"), line)

    def test_a_profile_is_shown_as_it_is(self) -> None:
        for name in profiles.names():
            self.assertEqual(self.displayed(f"--show-profile={name}"), profiles.text_of(name))

    def test_one_that_there_is_not_is_a_usage_error(self) -> None:
        for option in ("--profile", "--show-profile"):
            with self.assertRaises(UsageError) as caught:
                parsed(f"{option}=nobody")
            self.assertEqual(str(caught.exception), f"{option} takes {', '.join(profiles.names())}, not 'nobody'")

    def test_a_script_is_one_or_a_profile_is(self) -> None:
        with self.assertRaises(UsageError) as caught:
            parsed("--script=a.toml", "--profile=echo")
        self.assertIn("--script and --profile are one or the other", str(caught.exception))

    def test_a_script_is_found_from_where_the_command_was_given(self) -> None:
        self.assertEqual(parsed("--script=a.toml").settings.script, os.path.abspath("a.toml"))
        with self.assertRaises(UsageError) as caught:
            parsed("--script=")
        self.assertEqual(str(caught.exception), "--script takes a file, not ''")

    def test_check_tells_what_each_message_would_get(self) -> None:
        said = self.displayed("--check", "--profile=gateway-api", stdin=b"PING\nhello\n")
        self.assertEqual(
            said,
            'greeting: "Gateway API Test TCP Server\\n"\n"PING": rule 2: "PONG\\n"\n"hello": reply: nothing\n',
        )

    def test_without_a_script_it_tells_what_the_options_do(self) -> None:
        said = self.displayed(
            "--check", "--prefix=p:", "--transform=upper", "--max-message=5", stdin=b"a\r\nlonger\nexit"
        )
        self.assertEqual(
            said, '"a": reply: "p:A\\r\\n"\n"longer": longer than 5 bytes, closes\n"exit": close_on, closes\n'
        )

    def test_check_of_a_script_that_can_not_be_used_ends_with_why(self) -> None:
        with self.assertRaises(SystemExit) as caught:
            parsed("--check", "--script=/no/such/file")
        self.assertEqual(caught.exception.code, "/no/such/file: No such file or directory")
