"""What a client's command line says of where to connect."""

from __future__ import annotations

from contextlib import redirect_stderr
from io import StringIO

from twisted.trial.unittest import SynchronousTestCase

from echoreply.client.command import make_parser
from echoreply.client.command import parse_arguments as client
from echoreply.connect.options import TLS
from echoreply.measure.command import parse_arguments as measure

PARSERS = {"echoreply-client": client, "echoreply-measure": measure}


class TargetTests(SynchronousTestCase):
    def test_a_host_may_have_its_port(self) -> None:
        for arguments, host, port in (
            ([], "127.0.0.1", 8088),
            (["-6"], "::1", 8088),
            (["name"], "name", 8088),
            (["name", "80"], "name", 80),
            (["name:80"], "name", 80),
            (["192.0.2.1:80"], "192.0.2.1", 80),
            (["::1"], "::1", 8088),
            (["::1", "80"], "::1", 80),
            (["[::1]"], "::1", 8088),
            (["[::1]", "80"], "::1", 80),
            (["[::1]:80"], "::1", 80),
            (["[fe80::1%lo]:80"], "fe80::1%lo", 80),
            (["name", "--tls", "80"], "name", 80),
            (["--tls", "name:80", "--insecure"], "name", 80),
            (["--", "--x"], "--x", 8088),
            (["--", "--x", "80"], "--x", 80),
            (["-4", "--", "name", "80"], "name", 80),
            (["name", "--", "80"], "name", 80),
            (["name", "80", "--"], "name", 80),
        ):
            for parse in PARSERS.values():
                options = parse(arguments)
                self.assertEqual((options.host, options.port), (host, port), arguments)


class MistakeTests(SynchronousTestCase):
    def test_each_is_one_line_that_names_what_is_wrong(self) -> None:
        for arguments, said in (
            (["--foo", "5"], "unknown option --foo; see --help"),
            (["name", "--foo", "x"], "unknown option --foo; see --help"),
            (["--foo=5", "name", "x"], "unknown option --foo; see --help"),
            (["-x"], "unknown option -x; see --help"),
            (["--a\nb"], "unknown option '--a\\nb'; see --help"),
            (["--connect-time=5"], "unknown option --connect-time; see --help"),
            (["name", "1", "2"], "takes HOST and PORT and nothing else, not also '2'"),
            (["name:1", "2"], "PORT is given twice: in 'name:1', and as '2'"),
            (["[::1]:1", "1"], "PORT is given twice: in '[::1]:1', and as '1'"),
            (["name", "http"], "PORT takes a whole number, 1 to 65535, not 'http'"),
            (["name:http"], "PORT takes a whole number, 1 to 65535, not 'http'"),
            (["name:"], "PORT takes a whole number, 1 to 65535, not ''"),
            (["[::1]:0"], "PORT takes a whole number, 1 to 65535, not '0'"),
            ([""], "HOST takes a text that is not empty"),
            *(
                (
                    [host],
                    "HOST takes a name, an IP address, or either with a port, as HOST:PORT or [IPv6]:PORT, not "
                    f"{host!r}",
                )
                for host in (":80", "[::1", "[name]:80", "[]:80", "a:b:c", "[192.0.2.1]")
            ),
            (["--connect-timeout"], "--connect-timeout takes a value, and none is given"),
            (["--connect-timeout=x"], "--connect-timeout takes a number of seconds, more than 0, not 'x'"),
            (["--tls=5"], "--tls takes no value, not '5'"),
            (["--connect-timeout", "-1"], "--connect-timeout takes a number of seconds, more than 0, not '-1'"),
            (["--connect-timeout", "-4"], "--connect-timeout takes a number of seconds, more than 0, not '-4'"),
            (["--connect-timeout", "--tls"], "--connect-timeout takes a number of seconds, more than 0, not '--tls'"),
            (["--foo", "--", "name"], "unknown option --foo; see --help"),
            (["name", "--", "--x"], "PORT takes a whole number, 1 to 65535, not '--x'"),
            (["name", "80", "--", "--x"], "takes HOST and PORT and nothing else, not also '--x'"),
            (["--", "a", "1", "-4"], "takes HOST and PORT and nothing else, not also '-4'"),
            (["-4", "-6"], "-6 does not go with -4"),
            (["--unix=x", "name:80"], "--unix takes the place of HOST and PORT, not also 'name'"),
        ):
            for program, parse in PARSERS.items():
                output = StringIO()
                with redirect_stderr(output), self.assertRaises(SystemExit) as caught:
                    parse(arguments)
                self.assertEqual((caught.exception.code, output.getvalue()), (2, f"{program}: {said}\n"))

    def test_every_option_of_tls_needs_tls(self) -> None:
        values = {"--ca": "x", "--insecure": "", "--servername": "x", "--cert": "x", "--key": "x"}
        declared = [f"--{option.name}" for option in make_parser().options if option.group == TLS]
        self.assertEqual(declared, ["--tls", *values])
        for flag, value in values.items():
            for program, parse in PARSERS.items():
                output = StringIO()
                with redirect_stderr(output), self.assertRaises(SystemExit):
                    parse(["name", flag, *filter(None, [value])])
                self.assertEqual(output.getvalue(), f"{program}: {flag} needs --tls\n")

    def test_two_values_are_two(self) -> None:
        output = StringIO()
        with redirect_stderr(output), self.assertRaises(SystemExit):
            measure(["--compare", "a"])
        self.assertEqual(output.getvalue(), "echoreply-measure: --compare takes two values\n")
        with redirect_stderr(output), self.assertRaises(SystemExit):
            measure(["-c", "x"])
        self.assertIn("echoreply-measure: --count takes a whole number, 1 or more, not 'x'\n", output.getvalue())
