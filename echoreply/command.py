"""C{echoreply-client}: the client's command line."""

from __future__ import annotations

import argparse
import os
import signal
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn, cast

from twisted.internet import error
from twisted.internet.defer import ensureDeferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.interfaces import (
    IReactorCore,
    IReactorFromThreads,
    IReactorPluggableNameResolver,
    IReactorTCP,
    IReactorTime,
)
from twisted.internet.stdio import StandardIO
from twisted.logger import Logger
from twisted.python.failure import Failure

from echoreply import __version__
from echoreply.address import format_address, host_and_port
from echoreply.client import Keyboard, Parting, ReplyClientFactory
from echoreply.parsing import choice, seconds, whole_number
from echoreply.typed import Eol, TypedLines

try:
    import fcntl
except ImportError:  # pragma: no cover  # Windows
    fcntl = None  # type: ignore[assignment]

PROGRAM = "echoreply-client"
STDIN, STDOUT, STDERR = range(3)

_FAILURES = (Parting.CLOSED, Parting.RESET, Parting.UNSENT, Parting.OUTPUT_CLOSED)


class IClientReactor(IReactorCore, IReactorFromThreads, IReactorPluggableNameResolver, IReactorTCP, IReactorTime):
    """What a client needs of a reactor."""


class Parser(argparse.ArgumentParser):
    """A parser that says in one line what was wrong."""

    def error(self, message: str) -> NoReturn:
        """Say it, and end with status 2."""
        self.exit(2, f"{self.prog}: {message}\n")


def taken_by(parse: Callable[[Any], Any]) -> Callable[[str], Any]:
    """Make one of our parsers one of argparse's."""

    def parse_argument(text: str) -> Any:  # noqa: ANN401
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parse_argument


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = Parser(
        PROGRAM,
        description="Send what is typed to a server, line by line, and show what comes back.",
        epilog="Type quit to leave, or end the input (Ctrl-D). At exit the server closes.",
    )
    add = parser.add_argument
    add("host", metavar="HOST", nargs="?", default="127.0.0.1", help="name or IP address [%(default)s]")
    add("port", metavar="PORT", nargs="?", default=8088, type=taken_by(whole_number(1, 65535)), help="[%(default)s]")
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
        default=5.0,
        type=taken_by(seconds(zero=True)),
        metavar="SECONDS",
        help="once the input has ended, leave when nothing has come for so long [5]",
    )
    add(
        "--connect-timeout",
        default=10.0,
        type=taken_by(seconds(zero=False)),
        metavar="SECONDS",
        help="give up connecting after so long [10]",
    )
    add("--version", action="version", version=f"{PROGRAM} {__version__}")
    return parser.parse_args(arguments)


def say(text: str) -> None:
    """Say something of our own, at once."""
    print(f"{PROGRAM}: {text}", file=sys.stderr, flush=True)


def remark(text: str) -> None:
    """Say something of our own that only a person wants to know."""
    if os.isatty(STDERR):
        say(text)


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
    return str(failure)


async def talk(reactor: IClientReactor, options: argparse.Namespace) -> int:
    """
    Connect, and bridge standard input and output with the socket until that ends.

    @return: the status to exit with.
    """

    def open_keyboard(keyboard: Keyboard) -> None:
        socket = keyboard.client.transport
        remark(f"connected to {format_address(socket.getPeer())} from {format_address(socket.getHost())}")
        if os.isatty(STDIN):
            remark("type lines to send them; quit or Ctrl-D leaves")
        StandardIO(keyboard, reactor=reactor)

    lines = TypedLines(options.eol, lower=options.lower)
    factory = ReplyClientFactory(reactor, open_keyboard, lines=lines, wait=options.wait)
    timeout = options.connect_timeout
    endpoint = HostnameEndpoint(reactor, options.host, options.port)
    try:
        await endpoint.connect(factory).addTimeout(timeout, reactor, lambda *_: Failure(error.TimeoutError()))
    except Exception as failure:
        reason = why_not_connected(failure, timeout)
        say(f"cannot connect to {host_and_port(options.host, options.port)}: {reason}")
        return 1
    parting = await factory.done
    if parting is Parting.OUTPUT_CLOSED and is_pipe(STDOUT):
        return 0  # As with head(1), the reader has seen enough.
    if parting in _FAILURES:
        say(parting.value)
        return 1
    remark(parting.value)
    return 0


def is_pipe(descriptor: int) -> bool:
    """Tell whether the other end of a descriptor is a process that may leave when it likes."""
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


@contextmanager
def flags_preserved(*descriptors: int) -> Iterator[None]:
    """
    Put descriptors' flags back at the end.

    A StandardIO makes them non-blocking, which the shell would find so afterwards, since it shares them:
    U{Twisted #3442<https://github.com/twisted/twisted/issues/3442>}.
    """
    if fcntl is None:  # pragma: no cover  # Windows
        yield
        return
    flags = {descriptor: fcntl.fcntl(descriptor, fcntl.F_GETFL) for descriptor in descriptors}
    try:
        yield
    finally:
        for descriptor, before in flags.items():
            fcntl.fcntl(descriptor, fcntl.F_SETFL, before)


def run(reactor: IClientReactor, options: argparse.Namespace) -> int:
    """
    Run the reactor until the client is done, or a signal ends it.

    @return: the status to exit with, by the shell's convention 128 and the signal's number after a signal.
    """
    statuses: list[int] = []

    def end(status: int) -> None:
        if not statuses:
            statuses.append(status)
            reactor.stop()

    def interrupted(number: int, _frame: object) -> None:
        # Should stopping take long, a second signal does not wait for it.
        signal.signal(number, signal.SIG_DFL)
        reactor.callFromThread(end, 128 + number)

    async def session() -> None:
        try:
            status = await talk(reactor, options)
        except Exception:
            Logger(PROGRAM).failure("a fault in the client itself")
            status = 1
        end(status)

    def started() -> None:
        # Twisted's own handlers, which would not tell what was caught, have been installed by now.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, interrupted)
        ensureDeferred(session())

    reactor.callWhenRunning(started)
    reactor.run()
    return statuses[0]


def main() -> NoReturn:
    """Run the client, and exit with its status."""
    options = parse_arguments()
    for descriptor, name in (STDIN, "input"), (STDOUT, "output"):
        try:
            os.fstat(descriptor)
        except OSError:
            say(f"standard {name} is closed; give a file, such as {os.devnull}")
            sys.exit(2)
    from twisted.internet import reactor

    with flags_preserved(STDIN, STDOUT):
        status = run(cast(IClientReactor, reactor), options)
    sys.exit(status)
