"""The server's options."""

import io
import os
import re
import sys
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory

from attrs import fields_dict, frozen
from twisted.application.app import ServerOptions
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from echoreply import __version__
from echoreply.core.parsing import nonempty, seconds
from echoreply.scripts import profiles
from echoreply.server.help import Group
from echoreply.server.options import Options, takes
from echoreply.server.settings import Engine, Settings, option


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

    def test_a_positional_argument_is_a_usage_error(self) -> None:
        with self.assertRaises(UsageError) as caught:
            parsed("8088")
        self.assertIn("'8088'", str(caught.exception))

    def test_version_prints_the_version_of_the_package(self) -> None:
        output = io.StringIO()
        with redirect_stdout(output), self.assertRaises(SystemExit) as caught:
            parsed("--version")
        self.assertEqual((output.getvalue(), caught.exception.code), (f"echoreply {__version__}\n", 0))

    def test_parsing_resolves_the_engine(self) -> None:
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

    def test_profiles_are_listed_with_their_summaries(self) -> None:
        lines = self.displayed("--list-profiles").splitlines()
        self.assertEqual([line.split()[0] for line in lines], list(profiles.names()))
        for name, line in zip(profiles.names(), lines, strict=True):
            self.assertTrue(line.endswith(f" {profiles.summary(name)}"), line)

    def test_show_profile_prints_the_script(self) -> None:
        for name in profiles.names():
            self.assertEqual(self.displayed(f"--show-profile={name}"), profiles.text_of(name))

    def test_an_unknown_profile_is_a_usage_error(self) -> None:
        for name in ("--profile", "--show-profile"):
            with self.assertRaises(UsageError) as caught:
                parsed(f"{name}=nobody")
            self.assertEqual(str(caught.exception), f"{name} takes {', '.join(profiles.names())}, not 'nobody'")

    def test_script_and_profile_exclude_each_other(self) -> None:
        with self.assertRaises(UsageError) as caught:
            parsed("--script=a.toml", "--profile=echo")
        self.assertIn("--script and --profile are one or the other", str(caught.exception))

    def test_a_relative_path_is_relative_to_the_directory_at_the_start(self) -> None:
        self.assertEqual(parsed("--script=a.toml").settings.script, os.path.abspath("a.toml"))
        with self.assertRaises(UsageError) as caught:
            parsed("--script=")
        self.assertEqual(str(caught.exception), "--script takes a file, not ''")

    def test_check_prints_the_reply_to_each_message(self) -> None:
        said = self.displayed("--check", "--profile=gateway-api", stdin=b"PING\nhello\n")
        self.assertEqual(
            said,
            'greeting: "Gateway API Test TCP Server\\n"\n"PING": rule 2: "PONG\\n"\n"hello": reply: nothing\n',
        )

    def test_check_without_a_script_uses_the_options(self) -> None:
        said = self.displayed(
            "--check", "--prefix=p:", "--transform=upper", "--max-message=5", stdin=b"a\r\nlonger\nexit"
        )
        self.assertEqual(
            said, '"a": reply: "p:A\\r\\n"\n"longer": longer than 5 bytes, closes\n"exit": close_on, closes\n'
        )

    def test_check_of_an_invalid_script_exits_with_the_reason(self) -> None:
        with self.assertRaises(SystemExit) as caught:
            parsed("--check", "--script=/no/such/file")
        self.assertEqual(caught.exception.code, "/no/such/file: No such file or directory")


@frozen(kw_only=True)
class MoreSettings(Settings):
    reply_delay: float = option(Group.REPLIES, "SECONDS", seconds(zero=True), "wait before a reply", default=1.5)
    quiet: bool = option(Group.MONITORING, "", bool, "log nothing", short="q", default=False)
    tag: tuple[str, ...] = option(
        Group.ACCESS, "TEXT", nonempty, "any text", default=("a",), short="g", repeatable=True
    )


@takes([each for each in MoreSettings.declared() if each not in Settings.declared()])
class MoreOptions(Options):
    settings_type = MoreSettings


class DeclarationTests(SynchronousTestCase):
    """One declaration is all that a new option needs."""

    def parsed(self, *arguments: str) -> MoreSettings:
        options = MoreOptions()
        options.parseOptions(arguments)
        assert isinstance(options.settings, MoreSettings)
        return options.settings

    def test_a_declared_option_is_parsed(self) -> None:
        settings = self.parsed()
        self.assertEqual((settings.reply_delay, settings.quiet, settings.tag), (1.5, False, ("a",)))
        settings = self.parsed("--reply-delay=0", "-q", "-g", "x", "--tag=y")
        self.assertEqual((settings.reply_delay, settings.quiet, settings.tag), (0.0, True, ("x", "y")))
        self.assertEqual(self.parsed(*settings.options()), settings)
        with self.assertRaises(UsageError) as caught:
            self.parsed("--reply-delay=soon")
        self.assertEqual(str(caught.exception), "--reply-delay takes a number of seconds, 0 or more, not 'soon'")

    def test_a_declared_option_is_in_the_help(self) -> None:
        text = str(MoreOptions())
        self.assertIn("  --reply-delay SECONDS   wait before a reply [1.5]\n", text)
        self.assertIn("  -q, --quiet             log nothing\n", text)
        self.assertIn("  -g, --tag TEXT          any text; repeatable [a]\n", text)

    def test_a_declared_option_can_be_set_in_a_file(self) -> None:
        directory = TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        path = Path(directory.name, "c.toml")
        path.write_text('reply-delay = 2\nquiet = true\ntag = ["z"]\n')
        settings = self.parsed(f"--config={path}")
        self.assertEqual((settings.reply_delay, settings.quiet, settings.tag), (2.0, True, ("z",)))


class CommandLineTests(SynchronousTestCase):
    def refused(self, *arguments: str) -> str:
        with self.assertRaises(UsageError) as caught:
            parsed(*arguments)
        return str(caught.exception)

    def test_errors_of_getopt_are_reworded(self) -> None:
        for arguments, said in (
            (["--wob", "5"], "unknown option --wob; see --help"),
            (["-z"], "unknown option -z; see --help"),
            (["--a\nb"], "unknown option '--a\\nb'; see --help"),
            (["--port"], "--port takes a value, and none is given"),
            (["-p"], "-p takes a value, and none is given"),
            (["--check=yes"], "--check takes no value"),
            (["--p=5"], "--p may be several options; see --help"),
            (["8088"], "takes options and nothing else, not '8088'"),
        ):
            self.assertEqual(self.refused(*arguments), said)

    def test_a_mistake_in_twistds_subcommand_is_one_line_without_the_help(self) -> None:
        class Twistd(ServerOptions):
            subCommands = (("echoreply", None, Options, ""),)

        with self.assertRaises(SystemExit) as caught:
            Twistd().parseOptions(["echoreply", "--web", "9101x"])
        self.assertRegex(str(caught.exception.code), r"^twistd echoreply: --web takes .*, not '9101x'$")

    def test_a_mistake_of_check_has_the_name_of_the_program(self) -> None:
        class Twistd(ServerOptions):
            subCommands = (("echoreply", None, Options, ""),)

        with self.assertRaises(SystemExit) as caught:
            Twistd().parseOptions(["echoreply", "--check", "--script=/no/such"])
        self.assertEqual(caught.exception.code, "twistd echoreply: /no/such: No such file or directory")

    def test_help_is_shown_once(self) -> None:
        output = io.StringIO()
        with redirect_stdout(output), self.assertRaises(SystemExit) as caught:
            parsed("--help")
        self.assertEqual((output.getvalue(), caught.exception.code), (str(Options()), 0))

    def test_shells_complete_every_option_with_its_help(self) -> None:
        output = io.BytesIO()
        self.patch(Options, "_shellCompFile", output)
        with self.assertRaises(SystemExit):
            parsed("--_shell-completion", "zsh:2")
        text = output.getvalue().decode()
        for each in Options.declared:
            self.assertRegex(text, rf"(?m)^['\"]\*?(\([^)]*\))?--{each.name}=?\[{re.escape(each.help[:5])}")
            if each.metavar == "FILE":
                self.assertRegex(text, rf"(?m)--{each.name}=\[.*:_files")
