"""
What a worker process has to say, on its way to the log of its supervisor.

It goes through a pipe, a line of JSON each: C{[level, namespace, text]} for a log event, where the text has all the
lines of a traceback, C{[]} once the worker serves, and what has changed of its connections, if it was asked.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import BinaryIO, cast

from twisted.logger import ILogObserver, LogEvent, Logger, LogLevel, eventAsText
from zope.interface import implementer

from echoreply.observer import Listener, NoObserver
from echoreply.roster import Changes


@implementer(ILogObserver)
class Sender(NoObserver):
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
            self._send([level.name, namespace, eventAsText(event, includeTimestamp=False, includeSystem=False)])

    def listening(self, listener: Listener) -> None:
        """Send that the worker serves."""
        self._send([])

    def send_changes(self, changes: Changes) -> None:
        """Send what has changed of the connections."""
        self._send(changes)

    def _send(self, line: list[str] | Changes) -> None:
        self._pipe.write(json.dumps(line).encode("ascii") + b"\n")
        self._pipe.flush()


class Receiver:
    """
    The supervisor's side.

    @param worker: the worker's name.
    @param serves: is called when the worker serves.
    @param changed: is called with what has changed of the worker's connections.
    """

    def __init__(self, worker: str, serves: Callable[[], object], changed: Callable[[Changes], object]) -> None:
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
            case [level, namespace, text]:
                self._tell(LogLevel.lookupByName(level), namespace, text)
            case {**changes}:
                self._changed(cast(Changes, changes))
            case _:
                self._serves()

    def _receive_stray(self, line: bytes) -> None:
        self._tell(LogLevel.warn, "echoreply", line.decode(errors="backslashreplace"))

    def _tell(self, level: LogLevel, namespace: str, text: str) -> None:
        _logger(namespace).emit(level, "{worker}: {text}", worker=self._worker, text=text)


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
