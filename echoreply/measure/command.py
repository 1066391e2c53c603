"""C{echoreply-measure}: its command line."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

from echoreply import __version__
from echoreply.connect.options import Parser, add_connect_options, add_tls_options, check_connect_options, taken_by
from echoreply.core.input_lines import Eol
from echoreply.core.parsing import given, seconds, whole_number

PROGRAM = "echoreply-measure"

PREFIX = "server reply:"

HELP = f"""\
usage: {PROGRAM} [options] [HOST [PORT]]

Measure any server that answers a line with a line: how soon, how often, and
whether each reply is right. HOST is 127.0.0.1 and PORT 8088 if you name none.

As ping does, a message a second, until Ctrl-C:
  -i SECONDS         between two messages [1]
  -c, --count N      end after so many messages, also as a load
As a load, as soon as one of these is given:
  --connections N    [1]
  --depth N          messages of one connection on their way at once [1]
  --duration S       end after so many seconds [10, without --count]
  --rate N           messages a second in all, with times from when each is due
                     [as fast as it goes]
Messages, and what comes of them:
  --size BYTES       of a message, with its newline [64]
  --prefix TEXT      what is before a message in its reply [{PREFIX}]
  --any              take any line for a reply
  --json FILE|-      write the result, - to standard output
  --chart FILE.svg   draw it: times by percentile, and throughput
  --compare A B      draw two results that --json wrote, with --chart
  -h, --help, --version
Bindings, as echoreply-client has them:
  -4, -6, --udp, --unix PATH, --connect ENDPOINT, --connect-timeout SECONDS,
  --tls, --ca FILE, --insecure, --servername NAME, --cert FILE, --key FILE

  {PROGRAM} -c 5 gateway.example 8088
  {PROGRAM} --connections 100 --duration 30 --json a.json 192.0.2.1
  {PROGRAM} --rate 500 --prefix '' --chart echo.svg --tls example.net 7
"""

LOAD_OPTIONS = ("connections", "depth", "duration", "rate")
"""Those that make it a load."""

DURATION = 10.0


class MeasureParser(Parser):
    """A parser whose help fits a screen."""

    def format_help(self) -> str:
        return HELP


def prefix(text: str) -> bytes:
    """Take what is before a message in its reply."""
    if "\n" in text:
        raise ValueError(f"takes a text without newlines, not {text!r}")
    return text.encode("utf-8", "surrogateescape")


def picture(text: str) -> str:
    """Take the name of a picture."""
    if Path(text).suffix.lower() != ".svg":
        raise ValueError(f"takes the name of an .svg file, not {text!r}")
    return text


def make_parser() -> Parser:
    """Make what parses the command line."""
    parser = MeasureParser(PROGRAM, usage="%(prog)s [options] [HOST [PORT]]", allow_abbrev=False)
    add_connect_options(parser)
    add_tls_options(parser)
    positive = taken_by(whole_number(1))
    add = parser.add_argument
    add("-i", type=taken_by(seconds(zero=False)), metavar="SECONDS", dest="interval")
    add("-c", "--count", type=positive)
    add("--connections", type=positive)
    add("--depth", type=positive)
    # As many as messages.SHORTEST and LONGEST say, whose room is not opened for --help.
    add("--size", type=taken_by(whole_number(2, 65507)), default=64)
    add("--duration", type=taken_by(seconds(zero=False)))
    add("--rate", type=taken_by(seconds(zero=False)))
    add("--prefix", type=taken_by(prefix))
    add("--any", action="store_true")
    add("--json", type=taken_by(given), metavar="FILE")
    add("--chart", type=taken_by(picture), metavar="FILE.svg")
    add("--compare", nargs=2, type=taken_by(given), metavar=("A.json", "B.json"))
    add("--version", action="version", version=f"{PROGRAM} {__version__}")
    # Over UDP, a message is sent with its newline.
    parser.set_defaults(eol=Eol.LF)
    return parser


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """
    Parse the command line.

    @return: with C{load}, whether it is one.
    """
    parser = make_parser()
    options = parser.parse_args(arguments)
    options.load = any(getattr(options, name) is not None for name in LOAD_OPTIONS)
    if mistake := contradiction(options):
        parser.error(mistake)
    check_connect_options(parser, options)
    if options.load:
        options.connections = options.connections or 1
        options.depth = options.depth or 1
        if options.duration is None and options.count is None:
            options.duration = DURATION
    else:
        options.interval = options.interval or 1.0
    if not options.any and options.prefix is None:
        options.prefix = PREFIX.encode()
    return options


def contradiction(options: argparse.Namespace) -> str:
    """Say which options do not go together, if there are any, and why."""
    if options.compare:
        if not options.chart:
            return "--compare draws two results, and needs --chart"
        others = {"-i": options.interval, "--count": options.count, "--json": options.json, "HOST": options.host}
        others |= {f"--{name}": getattr(options, name) for name in LOAD_OPTIONS}
        if given_too := [name for name, value in others.items() if value is not None]:
            return f"--compare measures nothing, so it does not go with {given_too[0]}"
    if options.interval is not None and options.load:
        name = next(name for name in LOAD_OPTIONS if getattr(options, name) is not None)
        return f"-i is for a message at a time, --{name} for a load; give --rate in place of -i"
    if options.duration is not None and options.count is not None:
        return "--duration and --count both say when to end; give one of them"
    if options.any and options.prefix is not None:
        return "--any takes any reply, --prefix only some; give one of them"
    if options.chart and find_spec("matplotlib") is None:
        return "--chart needs matplotlib, which is not installed: pip install 'echoreply[chart]'"
    return ""


def say(text: str) -> None:
    """Say something of our own."""
    if sys.stderr:
        print(f"{PROGRAM}: {text}", file=sys.stderr, flush=True)


def main() -> NoReturn:
    """Measure, and exit with the status that says how it was."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Until there is something to sum up, Ctrl-C ends the process as it ends any other.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    options = parse_arguments()
    from echoreply.measure.session import compare, measure

    if options.compare:
        sys.exit(compare(options, say))
    measure(options, say)
