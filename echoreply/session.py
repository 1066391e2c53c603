"""A run of the client: its connection, its standard input and output, and what is to be said when it is over."""

from __future__ import annotations

import argparse
import os
import signal
import stat
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar, cast

from twisted.internet import error
from twisted.internet.defer import ensureDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from echoreply.client import Keyboard, Parting, ReplyClient, ReplyClientFactory
from echoreply.destination import IClientReactor, connection_words, destination
from echoreply.quoting import TerminalText
from echoreply.typed import Eol, TypedLines
from echoreply.udp_transport import LONGEST_DATAGRAM, DatagramTransport

try:
    import fcntl
except ImportError:  # pragma: no cover  # Windows
    fcntl = None  # type: ignore[assignment]

Say = Callable[[str], None]

LinesT = TypeVar("LinesT", bound=TypedLines)

STDIN, STDOUT, STDERR = range(3)

PROGRAM_WAITS = 5.0
PERSON_WAITS = 0.5
"""Seconds of silence after which we leave. A person has seen the replies before they typed that they leave."""

TOO_LONG = f"not sent: a line of more than {LONGEST_DATAGRAM} bytes, which no datagram holds"

_FAILURES = (Parting.CLOSED, Parting.UNSENT, Parting.OUTPUT_CLOSED)


class Outcome(NamedTuple):
    """The status to exit with, and what is to be said, if anything."""

    status: int
    words: str = ""


def why_not_connected(failure: Exception, timeout: float) -> str:
    """Say why a connection could not be made."""
    if isinstance(failure, error.DNSLookupError):
        return "no such host"
    if isinstance(failure, error.ConnectionRefusedError):
        return "connection refused"
    if isinstance(failure, error.TimeoutError):
        return f"no answer within {timeout:g} s"
    if isinstance(failure, error.ConnectError) and isinstance(failure.osError, int):
        return os.strerror(failure.osError).lower()
    if isinstance(failure, ValueError):
        return "no host has such a name; give HOST and PORT apart, such as ::1 8088"
    return str(failure)


def why_lost(reason: BaseException | None, where: str) -> str:
    """
    Say why a connection was lost that had been made.

    @param where: who was at its other end.
    """
    if isinstance(reason, error.ConnectError):
        # So UDP tells, which has no connection.
        return f"cannot send to {where}: {why_not_connected(reason, 0)}"
    if isinstance(reason, error.ConnectionLost) and reason.args:
        return f"TLS failed: {reason.args[0]}"
    if reason is None or isinstance(reason, error.ConnectionClosed):
        return Parting.RESET.value
    # As pyOpenSSL's, whose text spans lines for lists of errors.
    return f"the connection was lost: {' '.join(str(reason).split())}"


def outcome_of(parting: Parting, *, to_person: bool, to_pipe: bool, lost: str = Parting.RESET.value) -> Outcome:
    """
    Say how it ended.

    @param lost: what L{why_lost} says, should it have been.
    @param to_person: whether somebody would see it.
    @param to_pipe: whether what is received goes to a program that may leave when it likes.
    """
    if parting is Parting.OUTPUT_CLOSED and to_pipe:
        return Outcome(0)
    if parting is Parting.RESET:
        return Outcome(1, lost)
    if parting in _FAILURES:
        return Outcome(1, parting.value)
    return Outcome(0, parting.value if to_person else "")


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
        lines=typed_lines(options, TypedLines),
        wait=options.wait or (PERSON_WAITS if os.isatty(stdin) else PROGRAM_WAITS),
        terminal=TerminalText() if os.isatty(stdout) and not options.raw else None,
    )
    try:
        there = destination(reactor, options)
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
    parting = await factory.done
    lost = why_lost(factory.reason, there.words)
    outcome = outcome_of(parting, to_person=seen, to_pipe=is_pipe(stdout), lost=lost)
    if isinstance(client.transport, DatagramTransport) and client.transport.too_long and not outcome.status:
        return Outcome(1, TOO_LONG)
    return outcome


def typed_lines(options: argparse.Namespace, kind: type[LinesT]) -> LinesT:
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
    with borrowed(STDIN) as stdin, borrowed(STDOUT) as stdout:
        return run_reactor(reactor, lambda: talk(reactor, options, say, stdin, stdout))


def run_reactor(
    reactor: IClientReactor,
    session: Callable[[], Coroutine[Any, Any, Outcome]],
    interrupt: Callable[[Outcome], object] | None = None,
) -> Outcome:
    """
    Run the reactor until a session is over.

    @param interrupt: is called when a signal ends the process, and has the session end with this outcome, soon; None
        ends it at once.
    """
    outcomes: list[Outcome] = []

    def end(outcome: Outcome) -> None:
        outcomes.append(outcome)
        # There is nothing to shut down, and nothing to wait for.
        reactor.crash()

    def interrupted(number: int, _frame: object) -> None:
        reactor.callFromThread(interrupt or end, Outcome(128 + number))

    async def until_over() -> None:
        try:
            outcome = await session()
        except Exception:
            Logger("echoreply").failure("a fault in the client itself")
            outcome = Outcome(1)
        end(outcome)

    def started() -> None:
        # Twisted has just installed a handler of its own for this one.
        signal.signal(signal.SIGTERM, interrupted)
        ensureDeferred(until_over())

    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, interrupted)
    reactor.callWhenRunning(started)
    reactor.run()
    return outcomes[0] if outcomes else Outcome(128 + signal.SIGTERM)
