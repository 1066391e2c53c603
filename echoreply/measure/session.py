"""A use of the program: from its options to its status."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from argparse import Namespace
from collections.abc import Callable
from contextlib import ExitStack
from importlib.util import find_spec
from io import TextIOWrapper
from pathlib import Path
from time import perf_counter
from typing import IO, Any, NoReturn, cast

from twisted.internet.main import installReactor

from echoreply.connect.failures import why_lost, why_not_connected
from echoreply.connect.run import run_reactor, status_of_signal
from echoreply.connect.target import IClientReactor, connect_target
from echoreply.measure.recording import Recording, Wrong
from echoreply.measure.report import Style, faults, histogram, reply_line, summary, wrong_line
from echoreply.measure.result import Result
from echoreply.measure.run import Plan, Run
from echoreply.measure.schedule import Flood, Schedule, Spaced, Steady
from echoreply.net.file_limits import max_connections_for, set_limit

Say = Callable[[str], None]

PING_DEPTH = 1000
"""Messages on their way at once, when there is one at a time: so many that a slow reply keeps none waiting."""


def start_reactor() -> IClientReactor:
    """Give the process the fastest reactor that can be had, whose clock is fine and is never set back."""
    if find_spec("uvloop"):
        import uvloop

        from echoreply.native.client import ConnectingReactor

        installReactor(ConnectingReactor(uvloop.new_event_loop()))
    from twisted.internet import reactor

    reactor.seconds = perf_counter  # type: ignore[method-assign]
    return cast(IClientReactor, reactor)


class Output:
    """
    Where what is measured is told.

    @param stream: standard output; standard error if that is for JSON.
    @param gone: is called when nobody takes it any more.
    """

    def __init__(self, stream: IO[str], gone: Callable[[], object]) -> None:
        self._stream = stream
        self._gone = gone
        self.fault: OSError | None = None

    def tell(self, *lines: str) -> None:
        """Write lines."""
        if self.fault:
            return
        try:
            for line in lines:
                self._stream.write(line + "\n")
            self._stream.flush()
        except OSError as error:
            self.fault = error
            self._gone()


def make_plan(options: Namespace) -> Plan:
    """Give the plan that options ask for."""
    schedule: Schedule
    if not options.load:
        schedule = Spaced(1 / options.interval, options.count)
    elif options.rate is not None:
        schedule = Steady(options.rate, options.count, options.duration)
    else:
        schedule = Flood(options.count)
    return Plan(
        schedule=schedule,
        connections=options.connections or 1,
        depth=options.depth or PING_DEPTH,
        size=options.size,
        prefix=options.prefix,
        duration=options.duration,
        datagrams=options.udp,
        connect_timeout=options.connect_timeout,
    )


def settings_of(options: Namespace) -> dict[str, Any]:
    """Give what a result notes of the options."""
    names = ["size", "count"]
    names += ["connections", "depth", "duration", "rate"] if options.load else ["interval"]
    settings = {name: getattr(options, name) for name in names}
    settings["prefix"] = None if options.any else options.prefix.decode("latin-1")
    settings["transport"] = "tls" if options.tls else "udp" if options.udp else "unix" if options.unix else "tcp"
    if options.connect:
        settings["transport"] = options.connect + (" tls" if options.tls else "")
    return settings


def too_many(connections: int) -> str:
    """Raise the limit on open files as far as is of use; say what is wrong if that is not enough."""
    if os.name != "posix":  # pragma: no cover
        return ""
    _, limit = set_limit()
    if limit < 0 or connections <= (room := max_connections_for(limit)):
        return ""
    return f"argument --connections: takes {room} at most, by the limit of {limit} open files, not {connections}"


def style_of(stream: IO[str]) -> Style:
    """Find out how a stream shows text."""
    columns = shutil.get_terminal_size().columns if stream.isatty() else 80
    try:
        "█▏".encode(getattr(stream, "encoding", None) or "ascii")
    except UnicodeError:
        return Style(columns, blocks=False)
    return Style(columns)


def ignore(_seconds: float, _recording: Recording) -> None:
    """Do nothing: nobody looks."""


class Session:
    """One measurement by a person."""

    def __init__(self, reactor: IClientReactor, options: Namespace, say: Say) -> None:
        self._reactor = reactor
        self._options = options
        self._say = say
        self._stream = sys.stderr if options.json == "-" else sys.stdout
        self._output = Output(self._stream, self.interrupt)
        self._run: Run | None = None

    def interrupt(self, number: int = signal.SIGINT) -> int | None:
        """
        End the run with its result, as Ctrl-C does.

        @return: the status to end with at once: for a signal that ends it without a result.
        """
        if number == signal.SIGINT and self._run and self._run.begun:
            self._run.interrupt()
            return None
        return status_of_signal(number)

    async def measure(self) -> int:
        """Connect, measure, and tell; give the status."""
        options, say = self._options, self._say
        try:
            there = connect_target(self._reactor, options)
        except ValueError as error:
            say(str(error))
            return 2
        if mistake := too_many(options.connections or 1):
            say(mistake)
            return 2
        for path in (options.json, options.chart):
            if path and path != "-" and (mistake := unwritable(path)):
                say(mistake)
                return 2
        if options.insecure:
            say("--insecure: nobody checks whose certificate the server has")
        with ExitStack() as stack:
            progress: Callable[[float, Recording], object] = ignore
            if options.load and sys.stderr.isatty():
                from echoreply.measure.progress import Bar

                progress = stack.enter_context(Bar(options.duration, options.count)).show

            def told(number: int, seconds: float) -> None:
                self._output.tell(reply_line(number, seconds, there.words))

            def wrong(reply: Wrong) -> None:
                if not options.load:
                    self._output.tell(wrong_line(reply))

            run = Run(
                self._reactor,
                there.endpoint,
                make_plan(options),
                told=None if options.load else told,
                wrong=wrong,
                progress=progress,
            )
            self._run = run
            try:
                await run.connect()
            except Exception as failure:
                why = why_not_connected(failure, options.connect_timeout)
                say(f"cannot connect to {there.words}: {why}")
                return 1
            result = await run.measure(there.words, settings_of(options))
        return self._tell(result, why_lost(run.failure.value, there.words) if run.failure else None)

    def _tell(self, result: Result, failure: str | None) -> int:
        options = self._options
        if not options.load:
            self._output.tell("")
        self._output.tell(*summary(result))
        if options.load:
            self._output.tell(*histogram(result, style_of(self._stream)))
        self._output.tell(*faults(result))
        if failure:
            self._say(failure)
        status = 0 if result.right and not failure and (result.answered or not result.sent) else 1
        try:
            if options.json == "-":
                sys.stdout.write(result.to_json() + "\n")
                sys.stdout.flush()
            elif options.json:
                Path(options.json).write_text(result.to_json() + "\n", encoding="utf-8")
            if options.chart:
                from echoreply.measure.chart import draw

                draw([(result.target, result)], Path(options.chart))
        except BrokenPipeError:
            pass
        except OSError as error:
            self._say(f"cannot write the result: {error}")
            status = 1
        if self._output.fault and not isinstance(self._output.fault, BrokenPipeError):
            self._say(f"cannot write to standard output: {self._output.fault.strerror}")
            status = 1
        return status


def unwritable(path: str) -> str:
    """Say why a file can't be written, if it can't, before all is measured in vain; leave it as it is."""
    existed = os.path.lexists(path)
    try:
        with open(path, "ab"):
            pass
        if not existed:
            os.unlink(path)
    except OSError as error:
        return f"cannot write to {path}: {(error.strerror or str(error)).lower()}"
    return ""


def measure(options: Namespace, say: Say) -> NoReturn:
    """Measure, and end the process with the status that says how it was."""
    if sys.stdout is None:
        say(f"standard output is closed; give a file, such as {os.devnull}")
        sys.exit(2)
    if isinstance(sys.stdout, TextIOWrapper):
        # A path may have what the terminal's encoding has not.
        sys.stdout.reconfigure(errors="backslashreplace")
    reactor = start_reactor()
    session = Session(reactor, options, say)
    status = run_reactor(reactor, session.measure, session.interrupt)
    # sys.exit would wait for a thread that still resolves a name.
    os._exit(status)


def compare(options: Namespace, say: Say) -> int:
    """Draw two results; give the status."""
    from echoreply.measure.chart import draw

    results = []
    for path in options.compare:
        try:
            results.append((path, Result.from_json(Path(path).read_bytes())))
        except OSError as error:
            say(f"cannot read {path}: {(error.strerror or str(error)).lower()}")
            return 2
        except ValueError as error:
            say(f"{path} {error}")
            return 2
    try:
        draw(results, Path(options.chart))
    except OSError as error:
        say(f"cannot write to {options.chart}: {(error.strerror or str(error)).lower()}")
        return 2
    return 0
