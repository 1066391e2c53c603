"""A run of the client: its connection, its standard input and output, and what is to be said when it is over."""

from __future__ import annotations

import argparse
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar, cast

from twisted.internet import error
from twisted.python.failure import Failure

from echoreply.client.bridge import Keyboard, ReplyClient, ReplyClientFactory
from echoreply.client.outcome import TOO_LONG, Outcome, outcome_of
from echoreply.connect.failures import why_lost, why_not_connected
from echoreply.connect.run import run_reactor
from echoreply.connect.target import IClientReactor, connect_target, connection_words
from echoreply.connect.udp import DatagramTransport
from echoreply.core.input_lines import Eol, InputLines
from echoreply.core.quoting import TerminalText

try:
    import fcntl
except ImportError:  # pragma: no cover  # Windows
    fcntl = None  # type: ignore[assignment]

Say = Callable[[str], None]

LinesT = TypeVar("LinesT", bound=InputLines)

STDIN, STDOUT, STDERR = range(3)

PROGRAM_WAITS = 5.0
PERSON_WAITS = 0.5
"""Seconds of silence after which we leave. A person has seen the replies before they typed that they leave."""


async def talk(reactor: IClientReactor, options: argparse.Namespace, say: Say, stdin: int, stdout: int) -> Outcome:
    """
    Connect, and bridge standard input and output with the socket until that ends.

    @param stdin: the descriptor to read from, which is made non-blocking.
    @param stdout: the descriptor to write to, likewise.
    """
    from twisted.internet.stdio import StandardIO  # On Windows it needs more than Twisted installs.

    seen = os.isatty(STDERR)

    def open_keyboard(keyboard: Keyboard) -> None:
        if seen:
            say(f"connected to {connection_words(keyboard.client.transport)}")
        if seen and os.isatty(stdin):
            say("type lines to send them; quit or Ctrl-D leaves")
        StandardIO(keyboard, stdin=stdin, stdout=stdout, reactor=reactor)  # type: ignore[call-arg]

    factory = ReplyClientFactory(
        reactor,
        open_keyboard,
        lines=input_lines(options, InputLines),
        wait=options.wait or (PERSON_WAITS if os.isatty(stdin) else PROGRAM_WAITS),
        terminal=TerminalText() if os.isatty(stdout) and not options.raw else None,
    )
    try:
        there = connect_target(reactor, options)
    except ValueError as mistake:
        return Outcome(2, str(mistake))
    if options.insecure:
        say("--insecure: nobody checks whose certificate the server has")
    timeout = options.connect_timeout
    connecting = there.endpoint.connect(factory).addTimeout(timeout, reactor, lambda *_: Failure(error.TimeoutError()))
    try:
        client = cast(ReplyClient, await connecting)
    except Exception as failure:
        return Outcome(1, f"cannot connect to {there.words}: {why_not_connected(failure, timeout)}")
    session_end = await factory.done
    lost = why_lost(factory.reason, there.words)
    outcome = outcome_of(session_end, to_person=seen, to_pipe=is_pipe(stdout), lost=lost)
    if isinstance(client.transport, DatagramTransport) and client.transport.too_long and not outcome.status:
        return Outcome(1, TOO_LONG)
    return outcome


def input_lines(options: argparse.Namespace, kind: type[LinesT]) -> LinesT:
    """
    Give what is done to what is typed.

    @param kind: who does it.
    """
    if options.udp:
        # Each line is cut out first, and gets its end as a datagram. There is nothing that the server could close.
        return kind(Eol.LF, lower=options.lower, exit_is_last=True)
    return kind(options.eol, lower=options.lower)


def is_pipe(descriptor: int) -> bool:
    """Tell whether the other end of a descriptor is a program, not a device or a file."""
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


@contextmanager
def borrowed(descriptor: int) -> Iterator[int]:
    """
    Give a descriptor like this one, that may be made non-blocking without harm to those who share it.

    A program that makes its terminal non-blocking does so for the shell and for its neighbours in a pipeline too, also
    while it is stopped (U{Twisted #3442<https://github.com/twisted/twisted/issues/3442>}), so a terminal is opened
    anew. Of anything else the flags are put back at the end.
    """
    if os.isatty(descriptor):
        try:
            ours = os.open(os.ttyname(descriptor), os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError:  # There need be no name for it, in a container for instance, or no right to it.
            pass
        else:
            try:
                yield ours
            finally:
                os.close(ours)
            return
    if fcntl is None:  # pragma: no cover  # Windows
        yield descriptor
        return
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    try:
        yield descriptor
    finally:
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags)


def run(reactor: IClientReactor, options: argparse.Namespace, say: Say) -> Outcome:
    """
    Run the reactor until the client is done, or a signal ends it.

    @param say: says something to a person, beside what is received.
    @return: how it ended; after a signal, with the shell's status for it, 128 and its number, and without words.
    """
    outcome = Outcome(0)

    async def main() -> int:
        nonlocal outcome
        outcome = await talk(reactor, options, say, stdin, stdout)
        return outcome.status

    with borrowed(STDIN) as stdin, borrowed(STDOUT) as stdout:
        status = run_reactor(reactor, main)
    # A signal may have been first.
    return outcome if status == outcome.status else Outcome(status)
