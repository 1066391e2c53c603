"""
The client for pipes, files and plain terminals: it bridges standard input and output with one connection.

At a terminal, L{echoreply.client.terminal} with the line editor replaces it, unless C{--plain} is given.
"""

from __future__ import annotations

import argparse
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar, cast

from twisted.internet import error
from twisted.python.failure import Failure

from echoreply.client.bridge import ReplyClient, ReplyClientFactory, StdioProtocol
from echoreply.client.outcome import LINE_TOO_LONG, Outcome, outcome_of
from echoreply.connect.datagram_transport import DatagramTransport
from echoreply.connect.failures import INSECURE, why_lost, why_not_connected
from echoreply.connect.run import run_reactor
from echoreply.connect.target import IClientReactor, connect_target, describe_connection
from echoreply.core.input_lines import Eol, InputLines
from echoreply.core.quoting import TerminalText

try:
    import fcntl
except ImportError:  # pragma: no cover  # Windows
    fcntl = None  # type: ignore[assignment]

Say = Callable[[str], None]

LinesT = TypeVar("LinesT", bound=InputLines)

STDIN, STDOUT, STDERR = range(3)

PIPE_WAIT = 5.0
TERMINAL_WAIT = 0.5
"""
Seconds of silence after which the client closes the connection, once the input has ended; the defaults of C{--wait}.
At a terminal the user has seen the replies before ending the input.
"""


async def converse(reactor: IClientReactor, options: argparse.Namespace, say: Say, stdin: int, stdout: int) -> Outcome:
    """
    Connect, and bridge standard input and output with the socket until the connection ends.

    @param say: shows a message to the user.
    @param stdin: the descriptor to read from, which becomes non-blocking.
    @param stdout: the descriptor to write to, which becomes non-blocking.
    """
    from twisted.internet.stdio import StandardIO  # On Windows it needs pywin32.

    to_user = os.isatty(STDERR)

    def connect_stdio(stdio: StdioProtocol) -> None:
        if to_user:
            say(f"connected to {describe_connection(stdio.client.transport)}")
        if to_user and os.isatty(stdin):
            say("type lines to send them; quit or Ctrl-D exits")
        StandardIO(stdio, stdin=stdin, stdout=stdout, reactor=reactor)  # type: ignore[call-arg]

    factory = ReplyClientFactory(
        reactor,
        connect_stdio,
        lines=input_lines(options, InputLines),
        wait=options.wait or (TERMINAL_WAIT if os.isatty(stdin) else PIPE_WAIT),
        terminal=TerminalText() if os.isatty(stdout) and not options.raw else None,
    )
    try:
        target = connect_target(reactor, options)
    except ValueError as mistake:
        return Outcome(2, str(mistake))
    if options.insecure:
        say(INSECURE)
    timeout = options.connect_timeout
    connecting = target.endpoint.connect(factory).addTimeout(timeout, reactor, lambda *_: Failure(error.TimeoutError()))
    try:
        client = cast(ReplyClient, await connecting)
    except Exception as failure:
        return Outcome(1, f"cannot connect to {target.name}: {why_not_connected(failure, timeout)}")
    session_end = await factory.done
    lost = why_lost(factory.reason, target.name)
    outcome = outcome_of(session_end, to_user=to_user, to_pipe=is_pipe(stdout), lost=lost)
    if isinstance(client.transport, DatagramTransport) and client.transport.too_long and not outcome.status:
        return Outcome(1, LINE_TOO_LONG)
    return outcome


def input_lines(options: argparse.Namespace, kind: type[LinesT]) -> LinesT:
    """
    Return a new object that converts input to what is sent, as the options say.

    @param kind: its class.
    """
    if options.udp:
        # The transport adds the line ending to each datagram. A server can't close UDP after "exit".
        return kind(Eol.LF, lower=options.lower, exit_is_last=True)
    return kind(options.eol, lower=options.lower)


def is_pipe(descriptor: int) -> bool:
    """Return whether a descriptor is a pipe or a socket, which another program may close."""
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


@contextmanager
def shared_descriptor(descriptor: int) -> Iterator[int]:
    """
    Provide a descriptor that can be made non-blocking without effect on other processes that share the original.

    Processes share the flags of an open file: a program that makes its terminal non-blocking does so for the shell and
    the rest of a pipeline, even while it is suspended
    (U{Twisted #3442<https://github.com/twisted/twisted/issues/3442>}). So a terminal is opened a second time. Other
    files keep their descriptor, and get their flags back at the end.
    """
    if os.isatty(descriptor):
        try:
            ours = os.open(os.ttyname(descriptor), os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError:  # In a container, the terminal may have no name, or not be accessible.
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
    Run the reactor until the client has ended, or a signal ends it.

    @param say: shows a message to the user.
    @return: the outcome; after a signal its status is 128 plus the signal's number, and it has no message.
    """
    outcome = Outcome(0)

    async def main() -> int:
        nonlocal outcome
        outcome = await converse(reactor, options, say, stdin, stdout)
        return outcome.status

    with shared_descriptor(STDIN) as stdin, shared_descriptor(STDOUT) as stdout:
        status = run_reactor(reactor, main)
    # A signal may have ended the reactor before the client ended.
    return outcome if status == outcome.status else Outcome(status)
