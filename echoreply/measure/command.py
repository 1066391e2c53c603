"""C{echoreply-measure}: the command line of the load tester."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

from echoreply import __version__
from echoreply.connect.options import (
    Parser,
    add_connect_options,
    add_information,
    add_tls_options,
    argument_type,
    check_connect_options,
)
from echoreply.core.defaults import DEFAULT_PREFIX
from echoreply.core.input_lines import Eol
from echoreply.core.parsing import messages_per_second, nonempty, seconds, whole_number

PROGRAM = "echoreply-measure"

INTRODUCTION = f"""\
Measure the latency and throughput of a server that answers a line with a
line, and check every reply. Without load options it works as ping does: one
message a second, until Ctrl-C.

  {PROGRAM} -c 5 gateway.example 8088
  {PROGRAM} --connections 100 --duration 30 --json a.json host:8088
"""

LOAD = "Load test, with any of these options"

DURATION = 10.0
"""Seconds of a load test."""

INTERVAL = 1.0
"""Seconds between messages outside of a load test."""


def prefix(text: str) -> bytes:
    """Parse the prefix of replies."""
    if "\n" in text:
        raise ValueError(f"takes a text without newlines, not {text!r}")
    return text.encode("utf-8", "surrogateescape")


def picture(text: str) -> str:
    """Parse the path of a file for a chart."""
    if Path(text).suffix.lower() != ".svg":
        raise ValueError(f"takes the name of an .svg file, not {text!r}")
    return text


def make_parser() -> Parser:
    """Return the parser of the command line."""
    parser = Parser(PROGRAM, INTRODUCTION)
    add_connect_options(parser)
    add_tls_options(parser)
    positive = argument_type(whole_number(1))
    duration = argument_type(seconds(zero=False))
    add = partial(parser.declare, "Messages")
    add("-c", "--count", type=positive, metavar="N", help="end after this many messages", shown="no end")
    add(
        "-i",
        type=duration,
        metavar="SECONDS",
        dest="interval",
        help="interval between messages; not for a load test",
        shown=f"{INTERVAL:g}",
    )
    # The bounds are MIN_SIZE and MAX_SIZE of echoreply.measure.messages, which --help need not import.
    add(
        "--size",
        type=argument_type(whole_number(2, 65507)),
        metavar="BYTES",
        default=64,
        help="message size, with its newline",
    )
    add(
        "--prefix",
        type=argument_type(prefix),
        metavar="TEXT",
        help="text before the message in a reply",
        shown=DEFAULT_PREFIX.decode(),
    )
    add("--any", action="store_true", help="accept any line as a reply")
    add = partial(parser.declare, LOAD)
    add("--connections", type=positive, metavar="N", help="connections at once", shown="1")
    add("--depth", type=positive, metavar="N", help="messages in flight per connection", shown="1")
    add("--duration", type=duration, metavar="S", help="seconds to send for", shown=f"{DURATION:g}, without --count")
    add(
        "--rate",
        type=argument_type(messages_per_second()),
        metavar="N",
        help="messages per second, in all",
        shown="as fast as possible",
    )
    add = partial(parser.declare, "Results")
    add("--json", type=argument_type(nonempty), metavar="FILE", help="write the result; -: to standard output")
    add("--chart", type=argument_type(picture), metavar="FILE.svg", help="draw latency percentiles and throughput")
    add(
        "--compare",
        nargs=2,
        type=argument_type(nonempty),
        metavar=("A.json", "B.json"),
        help="draw two results of --json, in the --chart file",
    )
    add_information(parser, __version__)
    # Over UDP, a message is sent with its newline.
    parser.set_defaults(eol=Eol.LF)
    return parser


LOAD_OPTIONS = tuple(option.key for option in make_parser().options if option.group == LOAD)
"""The options any of which makes a run a load test."""


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """
    Parse the command line; exit with status 2 if it has a mistake.

    @return: the options; also C{load}, whether to run a load test.
    """
    parser = make_parser()
    options = parser.parse(arguments)
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
        options.interval = options.interval or INTERVAL
    if not options.any and options.prefix is None:
        options.prefix = DEFAULT_PREFIX
    return options


def contradiction(options: argparse.Namespace) -> str:
    """Return which options contradict each other, and why; an empty text if none do."""
    if options.compare:
        if not options.chart:
            return "--compare draws two results, and needs --chart"
        others = {"-i": options.interval, "--count": options.count, "--json": options.json, "HOST": options.host}
        others |= {f"--{name}": getattr(options, name) for name in LOAD_OPTIONS}
        if given_too := [name for name, value in others.items() if value is not None]:
            return f"--compare measures nothing, so it does not go with {given_too[0]}"
    if options.interval is not None and options.load:
        name = next(name for name in LOAD_OPTIONS if getattr(options, name) is not None)
        return f"-i is for a message at a time, --{name} for a load test; give --rate in place of -i"
    if options.duration is not None and options.count is not None:
        return "--duration and --count both say when to end; give one of them"
    if options.any and options.prefix is not None:
        return "--any takes any reply, --prefix only some; give one of them"
    if options.chart and find_spec("matplotlib") is None:
        return "--chart needs matplotlib, which is not installed: pip install 'echoreply[chart]'"
    return ""


def say(text: str) -> None:
    """Print a message of the program itself to standard error."""
    if sys.stderr:
        print(f"{PROGRAM}: {text}", file=sys.stderr, flush=True)


def main() -> NoReturn:
    """Run the program, and exit with its status."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Until there is a result, Ctrl-C ends the process without a traceback.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    options = parse_arguments()
    from echoreply.measure.session import compare, measure

    if options.compare:
        sys.exit(compare(options, say))
    measure(options, say)
