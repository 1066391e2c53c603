"""
The messages between the supervisor and a worker process, and the descriptors for them.

The supervisor sends commands, one byte each: L{Command}. The worker sends reports, one line of JSON each: an object
whose C{report} is one of L{Report}.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from enum import Enum, IntEnum
from functools import cache
from typing import Any, BinaryIO, cast

from attrs import frozen
from twisted.internet.abstract import FileDescriptor
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IReactorFDSet
from twisted.logger import ILogObserver, LogEvent, Logger, LogLevel, eventAsText
from twisted.python.failure import Failure
from zope.interface import implementer

from echoreply.net.listener import Listener
from echoreply.observe.connection_table import Changes
from echoreply.observe.event_logging import Event, log_event, name_and_fields
from echoreply.observe.events import WorkerOutput
from echoreply.observe.observer import ReplyObserver


class Descriptor(IntEnum):
    """The descriptors of a worker."""

    COMMANDS = 0
    """A pipe for commands. It is closed when the supervisor ends."""
    OUTPUT = 1
    ERRORS = 2
    TOTALS = 3
    """Shared memory: L{echoreply.server.workers.shared_totals}."""
    REPORTS = 4
    """A pipe for reports."""
    CERTIFICATE = 5
    """A file with the generated certificate, if there is one."""
    SCRIPT = 6
    """A file with the script, if there is one."""
    FIRST_SOCKET = 7
    """The sockets to listen on: this one for the first address, the next one for the second, and so on."""


class Command(Enum):
    """A command to a worker. Signals are used to stop it and to reload."""

    SKIP_DRAIN = b"!"
    """Abort all connections: at once if the worker is stopping, or else as soon as it stops."""
    SEND_CONNECTIONS = b"?"
    """Report the changes of the table of connections."""
    RESET_CONNECTIONS = b"-"
    """Reset the table of connections, so that the next changes have all of them."""


class Report(Enum):
    """The kinds of reports."""

    LOG = "log"
    """A log event. Its text includes the whole traceback."""
    SERVING = "serving"
    """The worker accepts clients."""
    CONNECTIONS = "connections"
    """The changes of the worker's table of connections."""


class CommandReader(FileDescriptor):
    """
    Reads commands in a worker.

    @param commands: the function to call for each command.
    @param ended: called when the supervisor has ended, and when the reactor stops.
    """

    def __init__(
        self,
        reactor: IReactorFDSet,
        descriptor: int,
        commands: Mapping[Command, Callable[[], object]],
        ended: Callable[[], object],
    ) -> None:
        super().__init__(reactor)
        self._descriptor = descriptor
        self._commands = commands
        self._ended = ended

    def fileno(self) -> int:
        return self._descriptor

    def doRead(self) -> Exception | None:
        byte = os.read(self._descriptor, 1)
        if not byte:
            return ConnectionDone()
        self._commands[Command(byte)]()
        return None

    def connectionLost(self, reason: Failure) -> None:
        super().connectionLost(reason)  # type: ignore[no-untyped-call]
        self._ended()


@implementer(ILogObserver)
class ReportWriter(ReplyObserver):
    """
    Writes the reports of a worker. It observes the worker's log and its server.

    @param pipe: the pipe for reports. Writing blocks while the supervisor reads slowly, as with a log file.
    """

    def __init__(self, pipe: BinaryIO) -> None:
        self._pipe = pipe

    def __call__(self, event: LogEvent) -> None:
        """Report a log event. Twisted's own events are reported only if they are warnings or errors."""
        level = event.get("log_level", LogLevel.info)
        namespace = event.get("log_namespace", "-")
        if namespace == "echoreply" or level > LogLevel.info:
            text = eventAsText(event, includeTimestamp=False, includeSystem=False)
            name, fields = name_and_fields(event)
            self._write(Report.LOG, level=level.name, namespace=namespace, text=text, name=name, fields=fields)

    def listening(self, listener: Listener) -> None:
        self._write(Report.SERVING)

    def write_changes(self, changes: Changes) -> None:
        """Report changes of the table of connections."""
        self._write(Report.CONNECTIONS, changes=changes)

    def _write(self, report: Report, **values: object) -> None:
        self._pipe.write(json.dumps({"report": report.value, **values}).encode("ascii") + b"\n")
        self._pipe.flush()


@frozen
class WorkerEvent(Event):
    """A log event of a worker, as the supervisor logs it."""

    worker: int
    level: Any
    text: str
    name: str
    own_fields: dict[str, Any]

    def fields(self) -> dict[str, Any]:
        return {"worker": self.worker, **self.own_fields}

    def __str__(self) -> str:
        return f"worker {self.worker}: {self.text}" if self.text else ""


class ReportReader:
    """
    Reads the reports of a worker in the supervisor, and logs its log events and its output.

    @param worker: the worker's number.
    @param serving: called when the worker accepts clients.
    @param changed: called with the changes of the worker's table of connections.
    """

    def __init__(self, worker: int, serving: Callable[[], object], changed: Callable[[Changes], object]) -> None:
        self._worker = worker
        self._serving = serving
        self._changed = changed
        self._reports = Lines(self._read_report)
        self._output = Lines(self._log_output)

    def received(self, data: bytes) -> None:
        """Handle bytes of a L{ReportWriter}."""
        self._reports.add(data)

    def received_output(self, data: bytes) -> None:
        """Handle bytes of the worker's standard output or error, such as Python's errors when it can't start."""
        self._output.add(data)

    def end(self) -> None:
        """Log an unfinished line of output, and drop an unfinished report."""
        self._output.end()

    def _read_report(self, line: bytes) -> None:
        report = json.loads(line)
        match Report(report["report"]):
            case Report.LOG:
                level = LogLevel.lookupByName(report["level"])
                event = WorkerEvent(self._worker, level, report["text"], report["name"], report["fields"])
                log_event(event, _logger(report["namespace"]))
            case Report.SERVING:
                self._serving()
            case Report.CONNECTIONS:
                self._changed(cast(Changes, report["changes"]))

    def _log_output(self, line: bytes) -> None:
        log_event(WorkerOutput(worker=self._worker, text=line.decode(errors="backslashreplace")))


@cache
def _logger(namespace: str) -> Logger:
    return Logger(namespace)


class Lines:
    """
    Splits bytes into lines.

    @param take: called with each line.
    """

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take
        self._rest = b""

    def add(self, data: bytes) -> None:
        """Add bytes, and take the lines that are complete now."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._take(line)

    def end(self) -> None:
        """Take the unfinished line, if there is one."""
        rest, self._rest = self._rest, b""
        if rest:
            self._take(rest)


def row_id_prefix(worker: int) -> str:
    """Return the prefix of the ids of a worker's rows in the table of connections."""
    return f"{worker}."
