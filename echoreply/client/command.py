"""C{echoreply-client}: its command line, and the choice between the line editor and plain input and output."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, NoReturn, cast

from echoreply import __version__
from echoreply.connect.options import (
    Parser,
    add_connect_options,
    add_information,
    add_tls_options,
    argument_type,
    check_connect_options,
)
from echoreply.core.input_lines import Eol
from echoreply.core.parsing import alternatives, choice, nonempty, seconds

if TYPE_CHECKING:
    from echoreply.client.outcome import Outcome
    from echoreply.connect.target import IClientReactor

PROGRAM = "echoreply-client"

INTRODUCTION = f"""\
Send what is typed to a server, line by line, and show what comes back.

  {PROGRAM} gateway.example 8088        type lines; quit or Ctrl-D exits
  {PROGRAM} --tls host:8443 <requests   send a file's lines, over TLS
"""

EDITOR = "Line editor, at an interactive terminal"


def make_parser() -> Parser:
    """Return the parser of the command line."""
    parser = Parser(PROGRAM, INTRODUCTION)
    add_connect_options(parser)
    add_tls_options(parser)
    add = partial(parser.declare, "Input")
    add(
        "--eol",
        default=Eol.LF,
        type=argument_type(choice(Eol)),
        metavar=alternatives(Eol),
        help="line ending that is sent",
    )
    add("--lower", action="store_true", help="convert input to lower case")
    add(
        "--wait",
        type=argument_type(seconds(zero=False)),
        metavar="SECONDS",
        help="exit on silence after input",
        shown="5; at a terminal 0.5",
    )
    add = partial(parser.declare, EDITOR)
    add("--time", action="store_true", help="show the latency of each reply")
    add("--hex", action="store_true", help="show both directions as hex dumps")
    add(
        "--transcript",
        type=argument_type(nonempty),
        metavar="FILE",
        help="append both directions to a file, with times",
    )
    add("--retry", action="store_true", help="reconnect until it succeeds; lines wait")
    add("--no-history", action="store_true", help="do not load or save history")
    add = partial(parser.declare, "Terminal")
    add("--plain", action="store_true", help="no line editor and no colours")
    add("--raw", action="store_true", help="show control bytes as they are, not as \\x1b")
    add_information(parser, __version__)
    return parser


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line; exit with status 2 if it has a mistake."""
    parser = make_parser()
    options = parser.parse(arguments)
    check_connect_options(parser, options)
    return options


def is_edited(options: argparse.Namespace, environment: Mapping[str, str]) -> bool:
    """Return whether to use the line editor: standard input and output are terminals with cursor movement."""
    able = environment.get("TERM", "") not in ("", "dumb", "unknown") and sys.platform != "win32"
    return able and not options.plain and all(map(os.isatty, (0, 1)))


def check_editor(options: argparse.Namespace) -> None:
    """Exit with status 2 if an option needs the line editor, which is not used."""
    for option in make_parser().options:
        if option.group == EDITOR and getattr(options, option.key):
            say(f"--{option.name} requires an interactive terminal, without --plain or TERM=dumb")
            sys.exit(2)


def say(text: str) -> None:
    """Print a message of the program itself to standard error."""
    if sys.stderr:
        print(f"{PROGRAM}: {text}", file=sys.stderr, flush=True)


def check_descriptors() -> None:
    """Exit with status 2 if standard input or output is closed: a socket would get its descriptor."""
    for descriptor, name in enumerate(("input", "output")):
        try:
            os.fstat(descriptor)
        except OSError:
            say(f"standard {name} is closed; give a file, such as {os.devnull}")
            sys.exit(2)


def bridge(options: argparse.Namespace) -> Outcome:
    """Run the client for pipes, files and plain terminals."""
    check_editor(options)
    from twisted.internet import reactor

    from echoreply.client.pipes import run

    return run(cast("IClientReactor", reactor), options, say)


def edit(options: argparse.Namespace) -> Outcome:
    """Run the client with the line editor, which needs asyncio's event loop."""
    from asyncio import SelectorEventLoop

    from twisted.internet.asyncioreactor import AsyncioSelectorReactor
    from twisted.internet.main import installReactor

    reactor = AsyncioSelectorReactor(SelectorEventLoop())
    installReactor(reactor)

    from echoreply.client.terminal import run

    return run(cast("IClientReactor", reactor), options, say, PROGRAM, os.environ)


def main() -> NoReturn:
    """Run the program, and exit with its status."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # As long as nothing has to be cleaned up, Ctrl-C ends the process without a traceback.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    options = parse_arguments()
    check_descriptors()
    status, message = edit(options) if is_edited(options, os.environ) else bridge(options)
    if message:
        say(message)
    # sys.exit would wait for a thread that is still resolving a name.
    os._exit(status)
