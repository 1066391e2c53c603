"""C{echoreply-client}: the client's command line."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn, cast

from echoreply import __version__
from echoreply.directions import Parser, add_destination, check_destination, taken_by
from echoreply.parsing import choice, seconds
from echoreply.typed import Eol

PROGRAM = "echoreply-client"


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = Parser(
        PROGRAM,
        description="Send what is typed to a server, line by line, and show what comes back.",
        epilog="Type quit to leave, or end the input (Ctrl-D). At exit the server closes.",
        allow_abbrev=False,
    )
    add_destination(parser)
    add = parser.add_argument
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
        help="once the input has ended, leave when no byte has come, or gone, for so long [5; at a keyboard 0.5]",
    )
    add("--raw", action="store_true", help="on a terminal, show control bytes as they are, not as \\x1b")
    add("--version", action="version", version=f"{PROGRAM} {__version__}")
    options = parser.parse_args(arguments)
    check_destination(parser, options)
    return options


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


def main() -> NoReturn:
    """Run the client, and exit with its status."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Until there is something to tidy up, Ctrl-C ends the process as it ends any other.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    options = parse_arguments()
    check_descriptors()
    from twisted.internet import reactor

    from echoreply.destination import IClientReactor
    from echoreply.session import run

    status, words = run(cast(IClientReactor, reactor), options, say)
    if words:
        say(words)
    # A thread that still looks up a name can't be stopped, and sys.exit would wait for it.
    os._exit(status)
