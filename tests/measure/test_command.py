"""The command line of C{echoreply-measure}."""

from __future__ import annotations

import re
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

from twisted.trial.unittest import SynchronousTestCase

from echoreply.connect.options import Parser, add_connect_options
from echoreply.measure import messages
from echoreply.measure.command import make_parser, parse_arguments
from echoreply.measure.plan import make_plan, settings_of
from echoreply.measure.schedule import ConstantRate, Interval, Unlimited


class OptionsTests(SynchronousTestCase):
    def refused(self, *arguments: str) -> str:
        """Parse what can't be; give what is said."""
        said = StringIO()
        with redirect_stderr(said), self.assertRaises(SystemExit) as raised:
            parse_arguments(arguments)
        self.assertEqual(raised.exception.code, 2)
        text = said.getvalue()
        self.assertEqual((text.count("\n"), text[:19]), (1, "echoreply-measure: "))
        return text

    def test_without_options_it_is_as_ping(self) -> None:
        options = parse_arguments([])
        self.assertEqual((options.host, options.port, options.load), ("127.0.0.1", 8088, False))
        plan = make_plan(options)
        self.assertIsInstance(plan.schedule, Interval)
        self.assertEqual((plan.connections, plan.size, plan.prefix, plan.duration), (1, 64, b"server reply:", None))
        self.assertEqual(settings_of(options)["interval"], 1.0)

    def test_one_of_the_options_for_it_makes_it_a_load(self) -> None:
        for option in ("--connections=2", "--depth=2", "--duration=3", "--rate=4"):
            self.assertTrue(parse_arguments([option]).load)
        plan = make_plan(parse_arguments(["--connections", "100", "--depth", "3", "--size", "9"]))
        self.assertIsInstance(plan.schedule, Unlimited)
        self.assertEqual((plan.connections, plan.depth, plan.size, plan.duration), (100, 3, 9, 10.0))
        plan = make_plan(parse_arguments(["--rate", "2.5", "--count", "7"]))
        self.assertIsInstance(plan.schedule, ConstantRate)
        self.assertEqual((plan.connections, plan.depth, plan.duration), (1, 1, None))

    def test_a_prefix_is_any_line_of_bytes(self) -> None:
        self.assertEqual(parse_arguments(["--prefix", ""]).prefix, b"")
        self.assertEqual(parse_arguments(["--prefix", "é\udcff%d"]).prefix, b"\xc3\xa9\xff%d")
        self.assertIsNone(make_plan(parse_arguments(["--any"])).prefix)
        self.assertIsNone(settings_of(parse_arguments(["--any"]))["prefix"])
        self.assertIn("takes a text without newlines", self.refused("--prefix", "a\nb"))

    def test_what_does_not_go_together_is_told(self) -> None:
        for arguments, words in (
            (["-i", "1", "--rate", "2"], "-i is for a message at a time, --rate for a load"),
            (["--duration", "1", "--count", "2"], "both say when to end"),
            (["--any", "--prefix", "x"], "--any takes any reply"),
            (["--compare", "a", "b"], "needs --chart"),
            (["--compare", "a", "b", "--chart", "c.svg", "--rate", "1"], "does not go with --rate"),
            (["--compare", "a", "b", "--chart", "c.svg", "host"], "unrecognized|HOST"),
            (["--chart", "c.png"], "--chart takes the name of an .svg file, not 'c.png'"),
            (["--tls", "--udp"], "--tls does not go with --udp"),
            (["-4", "--unix", "x"], "-4 does not go with --unix"),
        ):
            self.assertTrue(re.search(words, self.refused(*arguments)), arguments)

    def test_a_rate_is_in_messages_per_second(self) -> None:
        for arguments in (["--rate", "-1"], ["--rate=-1"], ["--rate=0"], ["--rate", "inf"], ["--rate", "nan"]):
            value = arguments[-1].removeprefix("--rate=")
            said = f"--rate takes a number of messages per second, more than 0, not '{value}'\n"
            self.assertTrue(self.refused(*arguments).endswith(said), arguments)

    def test_a_value_may_begin_with_a_dash(self) -> None:
        self.assertEqual(parse_arguments(["--prefix", "-a b"]).prefix, b"-a b")
        self.assertEqual(parse_arguments(["--prefix", "--any", "host"]).prefix, b"--any")
        self.assertTrue(self.refused("-c", "-1").endswith("--count takes a whole number, 1 or more, not '-1'\n"))
        self.assertTrue(self.refused("-i", "-1").endswith("-i takes a number of seconds, more than 0, not '-1'\n"))

    def test_what_no_value_can_be_is_told(self) -> None:
        for arguments in (
            ["-i", "0"],
            ["-c", "0"],
            ["--connections", "x"],
            ["--depth=-1"],
            ["--size", str(messages.MIN_SIZE - 1)],
            ["--size", str(messages.MAX_SIZE + 1)],
            ["--duration", "inf"],
            ["--rate", "0"],
            ["host", "99999"],
            ["--json", ""],
        ):
            self.assertIn("takes", self.refused(*arguments))
        for size in (messages.MIN_SIZE, messages.MAX_SIZE):
            self.assertEqual(parse_arguments(["--size", str(size)]).size, size)


class HelpTests(SynchronousTestCase):
    def shown(self) -> str:
        said = StringIO()
        with redirect_stdout(said), self.assertRaises(SystemExit) as raised:
            parse_arguments(["--help"])
        self.assertEqual(raised.exception.code, 0)
        return said.getvalue()

    def test_it_is_as_wide_as_a_terminal_and_has_a_line_for_each_option(self) -> None:
        lines = self.shown().splitlines()
        options = make_parser().options
        self.assertLess(len(lines), len(options) + 30)
        self.assertLess(max(map(len, lines)), 80)
        for option in options:
            self.assertEqual(len([line for line in lines if line.startswith(f"  {option.invocation}  ")]), 1, option)

    def test_it_names_every_option(self) -> None:
        parser = Parser("x", "")
        add_connect_options(parser)
        names = {name for action in parser._actions for name in action.option_strings}
        names |= {"-i", "-c", "--count", "--connections", "--depth", "--duration", "--rate", "--size", "--prefix"}
        names |= {"--any", "--json", "--chart", "--compare", "--version"}
        self.assertEqual(names - set(re.findall(r"(?<![\w-])--?[\w-]+", self.shown())), set())
