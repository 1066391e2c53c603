"""
What can be logged: a class for each event, with its fields as a machine is to have them, and its words for people.

Each is told in C{docs/logging.md}.
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import Any

from attrs import fields, frozen
from twisted.logger import LogEvent, Logger, LogLevel, eventAsText
from twisted.python.failure import Failure

from echoreply.core.quoting import escape, quote
from echoreply.core.reasons import DropReason, EndReason, Reason, RefusalReason

LONGEST_SHOWN = 256
"""Bytes of a message that are shown."""

_log = Logger("echoreply")


class Event:
    """
    An event: C{str()} of it is its text. One without a text is for machines only.

    A field that is bytes has what a peer or a file has said: in JSON, and in texts, those are escaped.

    @ivar name: stays what it is, whatever becomes of the text.
    @ivar level: how much it matters, one of L{LogLevel}'s.
    """

    name: str
    level: Any = LogLevel.info

    def fields(self) -> dict[str, Any]:
        """Give its fields by their names, as JSON has them. One that is C{None} is none."""
        values = ((field.name, getattr(self, field.name)) for field in fields(type(self)))  # type: ignore[arg-type]
        return {name: _plain(value) for name, value in values if value is not None}


class Fault(Event):
    """A fault of this program, told where its exception is handled: with its traceback."""

    level = LogLevel.critical


def tell(event: Event, log: Logger = _log) -> None:
    """Log an event."""
    if isinstance(event, Fault):
        log.emit(event.level, "{told}", told=event, log_failure=Failure())
    else:
        log.emit(event.level, "{told}", told=event)


def described(logged: LogEvent) -> tuple[str, dict[str, Any]]:
    """Give the name and the fields of whatever was logged, also by others."""
    told = logged.get("told")
    if isinstance(told, Event):
        name, facts = told.name, told.fields()
    else:
        text = eventAsText(logged, includeTraceback=False, includeTimestamp=False, includeSystem=False)
        name, facts = "log", {"namespace": str(logged.get("log_namespace", "-")), "text": text}
    if "log_failure" in logged:
        traceback = eventAsText({"log_failure": logged["log_failure"]}, includeTimestamp=False, includeSystem=False)
        facts["traceback"] = traceback.removeprefix("\n")
    return name, facts


# The server itself.


@frozen(kw_only=True)
class EngineChosen(Event):
    """What moves the bytes."""

    name = "engine"
    engine: str

    def __str__(self) -> str:
        return f"engine: {self.engine}"


@frozen(kw_only=True)
class ConnectionsAllowed(Event):
    """How many connections there is room for."""

    name = "connections_allowed"
    allowed: int
    limit: int
    before: int

    def __str__(self) -> str:
        return f"connections allowed: {self.allowed}, by a limit of {self.limit} open files ({self.before} before)"


@frozen(kw_only=True)
class TooManyWanted(Event):
    """There is no room for as many connections as were asked for."""

    name = "too_many_wanted"
    level = LogLevel.warn
    wanted: int

    def __str__(self) -> str:
        return f"--max-connections {self.wanted} is more than the limit on open files has room for"


@frozen(kw_only=True)
class NoDescriptors(Event):
    """Clients wait, since there is no descriptor for them."""

    name = "no_descriptors"
    level = LogLevel.warn
    why: str

    def __str__(self) -> str:
        return f"connections wait to be accepted until there are descriptors: {self.why}"


@frozen(kw_only=True)
class CertificateGenerated(Event):
    """There is a certificate for this run alone."""

    name = "certificate_made"
    fingerprint: str

    def __str__(self) -> str:
        return f"made a certificate for this run, SHA-256 fingerprint {self.fingerprint}"


@frozen(kw_only=True)
class Reloaded(Event):
    """Files have been read again."""

    name = "reloaded"
    what: str

    def __str__(self) -> str:
        return f"{self.what} was read again"


@frozen(kw_only=True)
class ReloadFailed(Event):
    """Files have been read again, and could not be used."""

    name = "reload_failed"
    level = LogLevel.error
    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.what} goes on as it was: {self.why}"


@frozen(kw_only=True)
class Stopped(Event):
    """The server has stopped, and this is what there was."""

    name = "stopped"
    accepted: int
    open: int
    ended: int
    ended_by: Mapping[EndReason, int]
    refused: int
    refused_by: Mapping[RefusalReason, int]
    failed: int
    failed_by: Mapping[str, int]
    messages: int
    received: int
    sent: int
    dropped: int
    dropped_by: Mapping[DropReason, int]

    def __str__(self) -> str:
        dropped = f", dropped {self.dropped}{_each(self.dropped_by)}" if self.dropped_by else ""
        return (
            f"stopped: accepted {self.accepted}, open {self.open}, ended {self.ended}{_each(self.ended_by)}, "
            f"refused {self.refused}{_each(self.refused_by)}, "
            f"messages {self.messages}, bytes in {self.received}, bytes out {self.sent}{dropped}"
        )


# Clients. C{host} is the address on our side that they came to.


@frozen(kw_only=True)
class Listening(Event):
    """Clients can come."""

    name = "listening"
    host: str
    transport: str
    over: str

    def __str__(self) -> str:
        return f"listening on {self.host}" + (f" for {self.over}" if self.over else "")


@frozen(kw_only=True)
class WebListening(Event):
    """There is a page to look at."""

    name = "web_listening"
    url: str

    def __str__(self) -> str:
        return f"page at {self.url}"


@frozen(kw_only=True)
class ClientEvent(Event):
    """What happens with one client."""

    peer: str
    host: str
    transport: str


@frozen(kw_only=True)
class Failed(ClientEvent):
    """A client was not understood, below messages."""

    name = "failed"
    layer: str
    why: str

    def __str__(self) -> str:
        return f"{self.peer} {self.layer} failed: {self.why}"


@frozen(kw_only=True)
class Refused(ClientEvent):
    """A client was refused."""

    name = "refused"
    reason: RefusalReason

    def __str__(self) -> str:
        return f"{self.peer} refused: {self.reason.value}"


@frozen(kw_only=True)
class Connected(ClientEvent):
    """A client has a connection."""

    name = "connected"
    connection: int

    def __str__(self) -> str:
        return f"{self.peer} connected"


@frozen(kw_only=True)
class Secured(ClientEvent):
    """A client has shaken hands by TLS."""

    name = "secured"
    connection: int
    version: str
    cipher: str
    server_name: bytes | None = None
    alpn: str | None = None
    client: bytes | None = None

    def __str__(self) -> str:
        return f"{self.peer} is {quote(self.client, LONGEST_SHOWN)}" if self.client else ""


@frozen(kw_only=True)
class Message(ClientEvent):
    """A client has sent a message, and was answered. A datagram has no connection."""

    name = "message"
    connection: int | None = None
    message: builtins.bytes
    bytes: int

    def __str__(self) -> str:
        cut = f"... ({self.bytes} bytes)" if self.bytes > len(self.message) else ""
        return f"{self.peer} sent {quote(self.message)}{cut}"


@frozen(kw_only=True)
class Ended(ClientEvent):
    """A connection has ended."""

    name = "ended"
    connection: int
    reason: EndReason
    idle: float | None = None
    messages: int
    received: int
    sent: int

    def __str__(self) -> str:
        why = self.reason.value if self.idle is None else f"{self.reason.value} for {self.idle:g} s"
        counts = f"messages {self.messages}, bytes in {self.received}, bytes out {self.sent}"
        return f"{self.peer} ended: {why}; {counts}"


@frozen(kw_only=True)
class Dropped(ClientEvent):
    """A datagram was not answered."""

    name = "dropped"
    reason: DropReason
    bytes: int

    def __str__(self) -> str:
        return f"{self.peer} dropped: {self.reason.value}"


@frozen(kw_only=True)
class NotLogged(Event):
    """So many things have happened that could not be logged in the second before."""

    name = "not_logged"
    what: str
    count: int

    def __str__(self) -> str:
        # Those have no text themselves.
        return f"{self.what} not logged: {self.count}" if self.what != "handshakes" else ""


# Worker processes, by their numbers.


@frozen(kw_only=True)
class WorkerStarted(Event):
    """A worker process was started."""

    name = "worker_started"
    worker: int
    pid: int

    def __str__(self) -> str:
        return f"worker {self.worker} started, process {self.pid}"


@frozen(kw_only=True)
class WorkerEnded(Event):
    """A worker process has ended: with a status, or by a signal; or it could not be started."""

    name = "worker_ended"
    level = LogLevel.warn
    worker: int
    status: int | None = None
    signal: str | None = None
    why: str | None = None
    restarts: bool

    def __str__(self) -> str:
        if self.signal is not None:
            how = f"was killed by {self.signal}"
        elif self.status is not None:
            how = f"ended with status {self.status}"
        else:
            how = f"could not be started: {self.why}"
        return f"worker {self.worker} {how}" + (", and is started again" if self.restarts else "")


@frozen(kw_only=True)
class WorkerOutput(Event):
    """A worker process has written something past its log, a line of it."""

    name = "worker_output"
    level = LogLevel.warn
    worker: int
    text: str

    def __str__(self) -> str:
        return f"worker {self.worker}: {self.text}"


# Faults: of a script, and of this program.


@frozen(kw_only=True)
class ScriptFault(Event):
    """A reply script could not make a reply."""

    name = "script_fault"
    level = LogLevel.error
    fault: bytes

    def __str__(self) -> str:
        return f"script: no reply by {quote(self.fault)}; told once"


@frozen(kw_only=True)
class ObserverFault(Fault):
    """An observer has raised an exception."""

    name = "observer_fault"
    observer: str

    def __str__(self) -> str:
        return f"a fault in {self.observer}, of which no more will be logged"


@frozen(kw_only=True)
class SharedLimitsFault(Fault):
    """What the workers hold together could not be asked for."""

    name = "shared_limits_fault"

    def __str__(self) -> str:
        return "a client is refused, since it is not known how many there are"


def _plain(value: object) -> object:
    """Write a value as JSON can have it."""
    if isinstance(value, Reason):
        return value.label
    if isinstance(value, bytes):
        return escape(value)
    if isinstance(value, Mapping):
        return {_plain(key): count for key, count in value.items()}
    return value


def _each(counts: Mapping[Any, int]) -> str:
    each = "; ".join(f"{reason.value}: {count}" for reason, count in counts.items())
    return f" ({each})" if each else ""
