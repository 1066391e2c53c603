"""The program C{echoreply-measure}, from its options to its exit status: it runs, reports, and writes files."""

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
from typing import IO, NoReturn, cast

from twisted.internet.main import installReactor

from echoreply.connect.failures import INSECURE, why_lost, why_not_connected
from echoreply.connect.run import run_reactor, status_of_signal
from echoreply.connect.target import IClientReactor, connect_target
from echoreply.core.parsing import printable
from echoreply.measure.measurements import Measurements, WrongReply
from echoreply.measure.plan import make_plan, settings_of
from echoreply.measure.report import Style, histogram, problems, reply_line, summary, wrong_line
from echoreply.measure.result import Result
from echoreply.measure.run import Run, RunState
from echoreply.net.file_limits import max_connections_for, set_limit

Say = Callable[[str], None]


def start_reactor() -> IClientReactor:
    """Install and return the fastest reactor that is available, with a precise and monotonic clock."""
    if find_spec("uvloop"):
        import uvloop

        from echoreply.native.client import ConnectingReactor

        installReactor(ConnectingReactor(uvloop.new_event_loop()))
    from twisted.internet import reactor

    reactor.seconds = perf_counter  # type: ignore[method-assign]
    return cast(IClientReactor, reactor)


class Output:
    """
    Writes the report, until writing fails.

    @param stream: standard output, or standard error if JSON goes to standard output.
    @param on_failure: called when writing fails, for example because the reader has closed the pipe.
    @ivar failure: the error with which writing failed.
    """

    def __init__(self, stream: IO[str], on_failure: Callable[[], object]) -> None:
        self._stream = stream
        self._on_failure = on_failure
        self.failure: OSError | None = None

    def write(self, *lines: str) -> None:
        """Write lines; does nothing after a failure."""
        if self.failure:
            return
        try:
            for line in lines:
                self._stream.write(line + "\n")
            self._stream.flush()
        except OSError as error:
            self.failure = error
            self._on_failure()


def descriptor_shortage(connections: int) -> str:
    """Raise the limit on open files. Return an error message if it is still too low, else an empty text."""
    limits = set_limit()
    if not limits or connections <= (room := max_connections_for(limits[1])):
        return ""
    return f"--connections takes at most {room} (limit of open files: {limits[1]}), not {connections}"


def style_of(stream: IO[str]) -> Style:
    """Return the capabilities of a stream's terminal."""
    columns = shutil.get_terminal_size().columns if stream.isatty() else 80
    try:
        "█▏".encode(getattr(stream, "encoding", None) or "ascii")
    except UnicodeError:
        return Style(columns, blocks=False)
    return Style(columns)


def no_progress(_seconds: float, _measurements: Measurements) -> None:
    """Progress callback for runs without a progress bar."""


class Session:
    """One run, with its output."""

    def __init__(self, reactor: IClientReactor, options: Namespace, say: Say) -> None:
        self._reactor = reactor
        self._options = options
        self._say = say
        self._stream = sys.stderr if options.json == "-" else sys.stdout
        self._output = Output(self._stream, self.interrupt)
        self._run: Run | None = None

    def interrupt(self, number: int = signal.SIGINT) -> int | None:
        """
        Handle a signal: Ctrl-C ends a run that has started, with its result.

        @return: the exit status if the program ends immediately; C{None} if the result follows.
        """
        if number == signal.SIGINT and self._run and self._run.state is not RunState.CONNECTING:
            self._run.interrupt()
            return None
        return status_of_signal(number)

    async def measure(self) -> int:
        """Connect, measure, and report; return the exit status."""
        options, say = self._options, self._say
        try:
            target = connect_target(self._reactor, options)
        except ValueError as error:
            say(str(error))
            return 2
        if mistake := descriptor_shortage(options.connections or 1):
            say(mistake)
            return 2
        for path in (options.json, options.chart):
            if path and path != "-" and (mistake := unwritable(path)):
                say(mistake)
                return 2
        if options.insecure:
            say(INSECURE)
        with ExitStack() as stack:
            progress: Callable[[float, Measurements], object] = no_progress
            if options.load and sys.stderr.isatty():
                from echoreply.measure.progress import ProgressBar

                progress = stack.enter_context(ProgressBar(options.duration, options.count)).show

            def on_reply(number: int, seconds: float) -> None:
                self._output.write(reply_line(number, seconds, target.name))

            def on_wrong_reply(reply: WrongReply) -> None:
                if not options.load:
                    self._output.write(wrong_line(reply))

            run = Run(
                self._reactor,
                target.endpoint,
                make_plan(options),
                on_reply=None if options.load else on_reply,
                on_wrong_reply=on_wrong_reply,
                progress=progress,
            )
            self._run = run
            try:
                await run.connect()
            except Exception as failure:
                why = why_not_connected(failure, options.connect_timeout)
                say(f"cannot connect to {target.name}: {why}")
                return 1
            result = await run.measure(target.name, settings_of(options))
        return self._report(result, why_lost(run.failure.value, target.name) if run.failure else None)

    def _report(self, result: Result, failure: str | None) -> int:
        options = self._options
        if not options.load:
            self._output.write("")
        self._output.write(*summary(result))
        if options.load:
            self._output.write(*histogram(result, style_of(self._stream)))
        self._output.write(*problems(result))
        if failure:
            self._say(failure)
        status = 0 if result.all_correct and not failure and (result.answered or not result.sent) else 1
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
        if self._output.failure and not isinstance(self._output.failure, BrokenPipeError):
            self._say(f"cannot write to standard output: {self._output.failure.strerror}")
            status = 1
        return status


def unwritable(path: str) -> str:
    """Return why a file can't be written; an empty text if it can. The file does not change."""
    existed = os.path.lexists(path)
    try:
        with open(path, "ab"):
            pass
        if not existed:
            os.unlink(path)
    except OSError as error:
        return f"cannot write to {printable(path)}: {(error.strerror or str(error)).lower()}"
    return ""


def measure(options: Namespace, say: Say) -> NoReturn:
    """Measure, and end the process with the exit status."""
    if sys.stdout is None:
        say(f"standard output is closed; give a file, such as {os.devnull}")
        sys.exit(2)
    if isinstance(sys.stdout, TextIOWrapper):
        # A path may contain characters that the terminal's encoding lacks.
        sys.stdout.reconfigure(errors="backslashreplace")
    reactor = start_reactor()
    session = Session(reactor, options, say)
    status = run_reactor(reactor, session.measure, session.interrupt)
    # sys.exit would wait for a thread that is still resolving a name.
    os._exit(status)


def compare(options: Namespace, say: Say) -> int:
    """Draw a chart of two results; return the exit status."""
    from echoreply.measure.chart import draw

    results = []
    for path in options.compare:
        try:
            results.append((path, Result.from_json(Path(path).read_bytes())))
        except OSError as error:
            say(f"cannot read {printable(path)}: {(error.strerror or str(error)).lower()}")
            return 2
        except ValueError as error:
            say(f"{printable(path)} {error}")
            return 2
    try:
        draw(results, Path(options.chart))
    except OSError as error:
        say(f"cannot write to {printable(options.chart)}: {(error.strerror or str(error)).lower()}")
        return 2
    return 0
