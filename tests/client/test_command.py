"""The client's command line, and when lines are edited."""

from __future__ import annotations

from contextlib import redirect_stderr
from io import StringIO

from twisted.trial.unittest import SynchronousTestCase

from echoreply.client.command import EDITOR, check_editor, make_parser, parse_arguments
from echoreply.core.input_lines import Eol


class OptionsTests(SynchronousTestCase):
    def test_defaults_are_as_the_help_tells(self) -> None:
        options = parse_arguments([])
        self.assertIs(options.eol, Eol.LF)
        defaults = {option.name: option.default for option in make_parser().options}
        self.assertEqual((defaults["eol"], defaults["connect-timeout"]), ("lf", f"{options.connect_timeout:g}"))
        for option in make_parser().options:
            if option.flags and not option.metavar and option.group != "Print and exit":
                self.assertFalse(getattr(options, option.key or "family"), option)

    def test_a_negative_wait_is_told(self) -> None:
        output = StringIO()
        with redirect_stderr(output), self.assertRaises(SystemExit):
            parse_arguments(["--wait", "-1"])
        self.assertEqual(
            output.getvalue(), "echoreply-client: --wait takes a number of seconds, more than 0, not '-1'\n"
        )

    def test_what_needs_the_editor_is_told_without_one(self) -> None:
        names = [option for option in make_parser().options if option.group == EDITOR]
        self.assertEqual(len(names), 5)
        for option in names:
            arguments = [f"--{option.name}", *(["x"] if option.metavar else [])]
            output = StringIO()
            with redirect_stderr(output), self.assertRaises(SystemExit) as caught:
                check_editor(parse_arguments(arguments))
            said = f"--{option.name} requires an interactive terminal, without --plain or TERM=dumb"
            self.assertEqual((caught.exception.code, output.getvalue()), (2, f"echoreply-client: {said}\n"))
        check_editor(parse_arguments(["--raw", "--plain"]))
