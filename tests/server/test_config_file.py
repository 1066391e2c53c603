"""Options in a TOML file."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from echoreply.server.config_file import read_config
from echoreply.server.options import Options
from echoreply.server.settings import Settings
from tests.server.test_options import parsed

EXAMPLE = Path(__file__).parents[2] / "deploy" / "echoreply.toml"


class ConfigTestCase(SynchronousTestCase):
    def file(self, content: str | bytes) -> str:
        """Return the path of a new file."""
        directory = TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        path = Path(directory.name, "c.toml")
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    def settings(self, text: str, *arguments: str) -> Settings:
        return parsed(f"--config={self.file(text)}", *arguments).settings

    def mistake(self, text: str, *arguments: str) -> str:
        """Return what is said of a file, without its name."""
        path = self.file(text)
        with self.assertRaises(UsageError) as caught:
            parsed(f"--config={path}", *arguments)
        said = str(caught.exception)
        self.assertTrue(said.startswith(path), said)
        self.assertNotIn("\n", said)
        return said.removeprefix(path)


class ValuesTests(ConfigTestCase):
    def test_keys_are_the_names_of_options_and_values_are_what_they_take(self) -> None:
        text = """
            port = 0
            interface = "localhost"
            idle-timeout = 1.5
            max-message = 1_000
            prefix = "你好"
            framing = "line"
            allow = ["10.0.0.0/8", "::1"]
            listen = [9000, "unix:x"]
            web = 9101
            workers = "1"
        """
        options = ["-p0", "-ilocalhost", "--idle-timeout=1.5", "--max-message=1000", "--prefix=你好", "--framing=line"]
        options += ["--allow=10.0.0.0/8", "--allow=::1", "--listen=9000", "-lunix:x", "--web=9101"]
        self.assertEqual(self.settings(text), parsed(*options).settings)

    def test_the_command_line_wins_over_a_value_and_over_a_whole_array(self) -> None:
        text = 'port = 1\npause = 7\nprefix = "x"\nallow = ["10.0.0.0/8"]'
        settings = self.settings(text, "--port=0", "--allow=::1", "--prefix=")
        self.assertEqual(settings, parsed("--port=0", "--allow=::1", "--prefix=", "--pause=7").settings)

    def test_options_that_need_each_other_may_be_split_between_file_and_command_line(self) -> None:
        self.assertEqual(self.settings('alpn = ["a"]', "--tls=0"), parsed("--tls=0", "--alpn=a").settings)

    def test_an_empty_file_sets_no_option(self) -> None:
        self.assertEqual(self.settings("# nothing"), Settings())

    def test_the_settings_of_a_file_reach_workers(self) -> None:
        settings = self.settings('port = 0\nmax-per-host = 3\nprefix = "a b"\ndeny = ["::1"]\nworkers = 2')
        self.assertEqual(parsed(*settings.options()).settings, settings)


class MistakeTests(ConfigTestCase):
    def test_each_names_the_file_the_line_and_the_key(self) -> None:
        for text, said in (
            ("port = 1\nport = 2\n", ", line 2, column 9: Cannot overwrite a value: port is set twice"),
            ("a = [", ", line 1: Invalid value"),
            ("\n# c\nmax_message = 1", ", line 3: max_message is no option of the server; did you mean max-message?"),
            ("x = 1", ", line 1: x is no option of the server"),
            ("check = true", ", line 1: check is no option of the server"),
            ('config = "x"', ", line 1: config is no option of the server"),
            ("pause = 1\n[server]\nport = 1", ", line 2: server is no option of the server"),
            ('"a\\nb" = 1', ", line 1: 'a\\nb' is no option of the server"),
            ("\nmax-message = 0", ", line 2: max-message takes a whole number, 1 or more, not '0'"),
            ("workers = 1.5", ", line 1: workers takes a whole number, 1 or more, or auto, not '1.5'"),
            ("pause = nan", ", line 1: pause takes a number of seconds, more than 0, not 'nan'"),
            ('web = "9101x"', ", line 1: web takes a port or a Twisted server endpoint"),
            ('profile = "none"', ", line 1: profile takes "),
            ('port = 1\nprefix = "\\u0000"', ", line 2: prefix takes a text without NUL, not '\\x00'"),
            ('script = "a\\u0000b"', ", line 1: script takes a text without NUL, not 'a\\x00b'"),
            ('web = "unix:a\\u0000b"', ", line 1: web takes a text without NUL, not 'unix:a\\x00b'"),
            ('listen = ["tcp:1", "a\\u0000"]', ", line 1: listen takes a text without NUL, not 'a\\x00'"),
            ("port = true", ", line 1: port takes a text or a number, not true"),
            ("port = [1]", ", line 1: port takes a text or a number, not an array"),
            ("port = {}", ", line 1: port takes a text or a number, not a table"),
            ("port = 2026-01-01", ", line 1: port takes a text or a number, not a date or time"),
            ('allow = "::1"', ', line 1: allow takes an array of values, such as ["A", "B"], not \'::1\''),
            ("allow = []", ', line 1: allow takes an array of values, such as ["A", "B"], not an empty array'),
            ("allow = [true]", ", line 1: allow takes a text or a number, not true"),
            ('port = 1\nallow = [\n "::1",\n "x",\n]\n', ", line 2: allow takes a network such as "),
            ('port = 1\ncert = "x"', ", line 2: cert is for --tls, which is not given"),
            ('tls = 0\nkey = "x"', ", line 2: key takes the key of a certificate: give --cert, too"),
            ('listen = ["tcp:1"]\ninterface = "::1"', ", line 2: interface is for --port, --tls and --udp"),
            ('profile = "echo"\nscript = "x"', ", line 2: script and profile are one or the other"),
        ):
            found = self.mistake(text)
            self.assertTrue(found.startswith(said), (text, found))

    def test_an_unavailable_engine_is_a_mistake_with_its_place(self) -> None:
        with patch("echoreply.server.engine.find_spec", lambda _: None):
            self.assertEqual(
                self.mistake('\nengine = "uvloop"'),
                ", line 2: engine uvloop needs the package uvloop, which is not installed here",
            )

    def test_a_contradiction_of_file_and_command_line_names_the_key_in_the_file(self) -> None:
        said = ": profile: --script and --profile are one or the other"
        self.assertIn(f", line 1{said}", self.mistake('profile = "echo"', "--script=x"))

    def test_mistakes_on_the_command_line_do_not_name_the_file(self) -> None:
        with self.assertRaises(UsageError) as caught:
            self.settings("port = 1", "--port=x")
        self.assertEqual(str(caught.exception), "--port takes a whole number, 0 to 65535, not 'x'")

    def test_a_file_that_can_not_be_read_is_named(self) -> None:
        for path, said in (
            ("/no/such/file", "/no/such/file: No such file or directory"),
            ("", "--config takes a file, not ''"),
        ):
            with self.assertRaises(UsageError) as caught:
                parsed(f"--config={path}")
            self.assertEqual(str(caught.exception), said)
        binary = self.file(b"\n\xff")
        with self.assertRaises(UsageError) as caught:
            parsed(f"--config={binary}")
        self.assertEqual(str(caught.exception), f"{binary}, line 2: not UTF-8")


class ExampleTests(ConfigTestCase):
    def example(self, without: str) -> str:
        """Return the example with all that it keeps out, but for one of the options that exclude each other."""
        text = re.sub(r"^# (?=[a-z-]+ = |    |\])", "", EXAMPLE.read_text(encoding="utf-8"), flags=re.MULTILINE)
        return re.sub(rf"^{without} = .*", "", text, flags=re.MULTILINE)

    def test_the_example_has_every_option_once(self) -> None:
        names = {name for without in ("script", "profile") for name in tomllib.loads(self.example(without))}
        options = {option.name for option in Settings.declared()}
        self.assertEqual([f"deploy/echoreply.toml lacks: {name}" for name in sorted(options - names)], [])
        self.assertEqual([f"deploy/echoreply.toml has, but should not: {name}" for name in names - options], [])

    def test_the_example_as_it_is_has_the_defaults(self) -> None:
        self.assertEqual(parsed(f"--config={EXAMPLE}").settings, parsed("--port=8088").settings)

    def test_the_example_can_be_read_with_all_that_it_keeps_out(self) -> None:
        settings = self.settings(self.example("profile"))
        self.assertEqual((settings.port, settings.listen[0][-4:], settings.script[:1]), (8088, "9000", "/"))
        self.assertEqual(self.settings(self.example("script")).profile, "echo")

    def test_flags_are_true_or_false(self) -> None:
        flag = next(option for option in Options.declared if option.name == "check")
        self.assertEqual(read_config(self.file("check = true"), [flag]).values, {"check": True})
        with self.assertRaises(ValueError) as caught:
            read_config(self.file("check = 1"), [flag])
        self.assertIn("line 1: check takes true or false, not 1", str(caught.exception))
