"""
What a worker process has to say, on its way to the log of its supervisor.

It goes through a pipe, a line of JSON each: C{[level, namespace, text, name, fields]} for a log event, where the text
has all the lines of a traceback, C{[]} once the worker serves, and what has changed of its connections, if it was
asked.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any, BinaryIO, cast

from attrs import frozen
from twisted.logger import ILogObserver, LogEvent, Logger, LogLevel, eventAsText
from zope.interface import implementer

from echoreply.net.listener import Listener
from echoreply.observe.connection_table import Changes
from echoreply.observe.event import Event, log_event, name_and_fields
from echoreply.observe.events import WorkerOutput
from echoreply.observe.observer import ReplyObserver


@implementer(ILogObserver)
class Sender(ReplyObserver):
    """
    The worker's side: an observer of its log, and of its server.

    @param pipe: is written to as a log file is: whoever reads it slowly is waited for.
    """

    def __init__(self, pipe: BinaryIO) -> None:
        self._pipe = pipe

    def __call__(self, event: LogEvent) -> None:
        """Send a log event; of Twisted's own only those that are no mere information."""
        level = event.get("log_level", LogLevel.info)
        namespace = event.get("log_namespace", "-")
        if namespace == "echoreply" or level > LogLevel.info:
            text = eventAsText(event, includeTimestamp=False, includeSystem=False)
            self._send([level.name, namespace, text, *name_and_fields(event)])

    def listening(self, listener: Listener) -> None:
        """Send that the worker serves."""
        self._send([])

    def send_changes(self, changes: Changes) -> None:
        """Send what has changed of the connections."""
        self._send(changes)

    def _send(self, line: list[Any] | Changes) -> None:
        self._pipe.write(json.dumps(line).encode("ascii") + b"\n")
        self._pipe.flush()


@frozen
class Relayed(Event):
    """What a worker has logged."""

    worker: int
    level: Any
    text: str
    name: str
    facts: dict[str, Any]

    def fields(self) -> dict[str, Any]:
        """Give its fields, and which worker it was."""
        return {"worker": self.worker, **self.facts}

    def __str__(self) -> str:
        return f"worker {self.worker}: {self.text}" if self.text else ""


class Receiver:
    """
    The supervisor's side.

    @param worker: the worker's number.
    @param serves: is called when the worker serves.
    @param changed: is called with what has changed of the worker's connections.
    """

    def __init__(self, worker: int, serves: Callable[[], object], changed: Callable[[Changes], object]) -> None:
        self._worker = worker
        self._serves = serves
        self._changed = changed
        self._sent = Lines(self._receive)
        self._stray = Lines(self._receive_stray)

    def sent(self, data: bytes) -> None:
        """Take some of what was sent by a L{Sender}."""
        self._sent.add(data)

    def stray(self, data: bytes) -> None:
        """Take some of what the worker has written elsewhere, as Python does when it can't start."""
        self._stray.add(data)

    def end(self) -> None:
        """Take what is left: nothing follows."""
        self._stray.end()

    def _receive(self, line: bytes) -> None:
        match json.loads(line):
            case [level, namespace, text, name, facts]:
                told = Relayed(self._worker, LogLevel.lookupByName(level), text, name, facts)
                log_event(told, _logger(namespace))
            case {**changes}:
                self._changed(cast(Changes, changes))
            case _:
                self._serves()

    def _receive_stray(self, line: bytes) -> None:
        log_event(WorkerOutput(worker=self._worker, text=line.decode(errors="backslashreplace")))


@cache
def _logger(namespace: str) -> Logger:
    return Logger(namespace)


class Lines:
    """Bytes, cut into lines."""

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take
        self._rest = b""

    def add(self, data: bytes) -> None:
        """Take the lines that are now complete."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._take(line)

    def end(self) -> None:
        """Take an unfinished line, if there is one."""
        rest, self._rest = self._rest, b""
        if rest:
            self._take(rest)


LIFELINE, BOARD, REPORTS, CERTIFICATE, SCRIPT, LISTENERS = 0, 3, 4, 5, 6, 7
"""
The descriptors of a worker: a pipe that ends with the supervisor, what it tells by, the certificate that was made for
this run, if there is one, the script, if there is one, and what it listens with, in the order of L{tcp_bindings}.
"""

HURRY, LOOK, FORGET = b"!", b"?", b"-"
"""
Come through the lifeline: no client is to be waited for; it is to be told what has changed of the connections; and it
is forgotten what was told.
"""


def row_prefix(number: int) -> str:
    """Give what the names of a worker's rows begin with."""
    return f"{number}."
