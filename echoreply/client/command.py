"""C{echoreply-client}: the client's command line."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn, cast

from echoreply import __version__
from echoreply.connect.options import Parser, add_connect_options, add_tls_options, check_connect_options, taken_by
from echoreply.core.input_lines import Eol
from echoreply.core.parsing import choice, given, seconds

if TYPE_CHECKING:
    from echoreply.client.outcome import Outcome
    from echoreply.connect.target import IClientReactor

PROGRAM = "echoreply-client"

DESCRIPTION = """\
Send what is typed to a server, line by line, and show what comes back.

  echoreply-client gateway.example 8088          type lines; quit or Ctrl-D leaves
  echoreply-client --tls host 8443 <requests     send a file's lines, over TLS
"""

OF_EDITOR = ("time", "hex", "transcript", "retry", "no-history")
"""The options that only the line editor has."""


def make_parser() -> Parser:
    """Make what parses the command line."""
    parser = Parser(
        PROGRAM,
        usage="%(prog)s [options] [HOST [PORT]]",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        add_help=False,
    )
    add_connect_options(parser)
    add_terminal(parser)
    add = parser.add_argument_group("what is sent, and when it is over").add_argument
    add(
        "--eol",
        default=Eol.LF,
        type=taken_by(choice(Eol)),
        metavar="lf|crlf|none",
        help="what a line is sent with [lf]",
    )
    add("--lower", action="store_true", help="lower-case what is typed")
    add(
        "--wait",
        type=taken_by(seconds(zero=False)),
        metavar="SECONDS",
        help="leave after so long a silence at the end [5; at a keyboard 0.5]",
    )
    add_tls_options(parser)
    add = parser.add_argument_group("about").add_argument
    add("-h", "--help", action="help", help="show this")
    add("--version", action="version", version=f"{PROGRAM} {__version__}", help="show the version")
    return parser


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    check_connect_options(parser, options)
    return options


def add_terminal(parser: argparse.ArgumentParser) -> None:
    """Let a parser take what matters at a terminal only."""
    add = parser.add_argument_group("at a terminal").add_argument
    add("--time", action="store_true", help="show how long each reply took")
    add("--hex", action="store_true", help="show both ways as hex dumps")
    add("--transcript", type=taken_by(given), metavar="FILE", help="add both ways to a file, with times")
    add("--retry", action="store_true", help="when there is no connection, try again; lines wait")
    add("--no-history", action="store_true", help="neither know nor keep what was typed in other runs")
    add("--plain", action="store_true", help="no line editor and no colours")
    add("--raw", action="store_true", help="show control bytes as they are, not as \\x1b")


def is_edited(options: argparse.Namespace, environment: Mapping[str, str]) -> bool:
    """
    Tell whether a person has a line editor.

    It is a matter of two terminals that can do more than show lines.
    """
    able = environment.get("TERM", "") not in ("", "dumb", "unknown") and sys.platform != "win32"
    return able and not options.plain and all(map(os.isatty, (0, 1)))


def check_editor(options: argparse.Namespace) -> None:
    """End with status 2 if there is an option for a line editor that there is not."""
    for name in OF_EDITOR:
        if getattr(options, name.replace("-", "_")):
            say(f"--{name} needs a terminal, to type and to see, that is not used as a plain one (--plain, TERM=dumb)")
            sys.exit(2)


def say(text: str) -> None:
    """Say something of our own, to whoever looks."""
    if sys.stderr:
        print(f"{PROGRAM}: {text}", file=sys.stderr, flush=True)


def check_descriptors() -> None:
    """End with status 2 if standard input or output is closed: a socket would take its number."""
    for descriptor, name in enumerate(("input", "output")):
        try:
            os.fstat(descriptor)
        except OSError:
            say(f"standard {name} is closed; give a file, such as {os.devnull}")
            sys.exit(2)


def bridge(options: argparse.Namespace) -> Outcome:
    """Run the client for pipes and files, and for plain terminals."""
    check_editor(options)
    from twisted.internet import reactor

    from echoreply.client.pipes import run

    return run(cast("IClientReactor", reactor), options, say)


def edit(options: argparse.Namespace) -> Outcome:
    """Run the client with a line editor, which needs asyncio's event loop."""
    from asyncio import SelectorEventLoop

    from twisted.internet.asyncioreactor import AsyncioSelectorReactor
    from twisted.internet.main import installReactor

    reactor = AsyncioSelectorReactor(SelectorEventLoop())
    installReactor(reactor)

    from echoreply.client.terminal import run

    return run(cast("IClientReactor", reactor), options, say, PROGRAM, os.environ)


def main() -> NoReturn:
    """Run the client, and exit with its status."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Until there is something to tidy up, Ctrl-C ends the process as it ends any other.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    options = parse_arguments()
    check_descriptors()
    status, words = edit(options) if is_edited(options, os.environ) else bridge(options)
    if words:
        say(words)
    # A thread that still looks up a name can't be stopped, and sys.exit would wait for it.
    os._exit(status)
