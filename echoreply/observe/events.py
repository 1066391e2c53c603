"""All events that the server logs, with their fields for machines and their texts for people: docs/logging.md."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import TypeVar

from attrs import frozen
from twisted.logger import LogLevel

from echoreply.core.labelled import Labelled
from echoreply.core.quoting import quote
from echoreply.core.reasons import DropReason, EndReason, RefusalReason
from echoreply.net.listener import Layer
from echoreply.observe.event_logging import Event, Fault

_Member = TypeVar("_Member", bound=Labelled)

MAX_SHOWN = 256
"""Maximum bytes of a message, or of a certificate's subject, that are logged."""


@frozen(kw_only=True)
class EngineChosen(Event):
    """The server starts with an I/O engine."""

    name = "engine"
    engine: str

    def __str__(self) -> str:
        return f"engine: {self.engine}"


@frozen(kw_only=True)
class ConnectionsAllowed(Event):
    """The limit on open files was raised or read, and limits the connections."""

    name = "connections_allowed"
    allowed: int
    limit: int
    before: int

    def __str__(self) -> str:
        return f"connections allowed: {self.allowed}, by a limit of {self.limit} open files ({self.before} before)"


@frozen(kw_only=True)
class TooManyWanted(Event):
    """C{--max-connections} is more than the limit on open files allows."""

    name = "too_many_wanted"
    level = LogLevel.warn
    wanted: int

    def __str__(self) -> str:
        return f"--max-connections {self.wanted} is more than the limit on open files allows"


@frozen(kw_only=True)
class NoDescriptors(Event):
    """The server stops accepting connections for a while, since no file descriptor is free."""

    name = "no_descriptors"
    level = LogLevel.warn
    why: str

    def __str__(self) -> str:
        return f"out of file descriptors, connections wait to be accepted: {self.why}"


@frozen(kw_only=True)
class CertificateGenerated(Event):
    """A self-signed certificate was generated at start-up."""

    name = "certificate_generated"
    fingerprint: str

    def __str__(self) -> str:
        return f"self-signed certificate generated at start-up, SHA-256 fingerprint {self.fingerprint}"


@frozen(kw_only=True)
class Reloaded(Event):
    """A file was read again, and is used for new clients."""

    name = "reloaded"
    what: str

    def __str__(self) -> str:
        return f"{self.what} reloaded"


@frozen(kw_only=True)
class ReloadFailed(Event):
    """A file could not be read again, or is invalid: the previous one stays in use."""

    name = "reload_failed"
    level = LogLevel.error
    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.what}: reload failed, keeping the previous one: {self.why}"


@frozen(kw_only=True)
class ServerStopped(Event):
    """The server has stopped. The fields are its totals."""

    name = "stopped"
    accepted: int
    open: int
    ended: int
    ended_by: Mapping[EndReason, int]
    refused: int
    refused_by: Mapping[RefusalReason, int]
    failed: int
    failed_by: Mapping[Layer, int]
    messages: int
    received: int
    sent: int
    dropped: int
    dropped_by: Mapping[DropReason, int]

    def __str__(self) -> str:
        dropped = f", dropped {self.dropped}{_by_text(self.dropped_by)}" if self.dropped_by else ""
        return (
            f"stopped: accepted {self.accepted}, open {self.open}, ended {self.ended}{_by_text(self.ended_by)}, "
            f"refused {self.refused}{_by_text(self.refused_by)}, "
            f"messages {self.messages}, bytes in {self.received}, bytes out {self.sent}{dropped}"
        )


@frozen(kw_only=True)
class ServerListening(Event):
    """
    The server listens on an address.

    @ivar over: the layers below the messages, from the lowest on, beside TCP.
    """

    name = "listening"
    host: str
    transport: str
    over: tuple[Layer, ...]

    def __str__(self) -> str:
        layers = " and ".join(layer.value for layer in self.over)
        return f"listening on {self.host}" + (f" for {layers}" if layers else "")


@frozen(kw_only=True)
class WebListening(Event):
    """The monitoring site is served."""

    name = "web_listening"
    url: str

    def __str__(self) -> str:
        return f"page at {self.url}"


@frozen(kw_only=True)
class ClientEvent(Event):
    """
    An event of one client.

    @ivar peer: the client's address.
    @ivar host: the server's address; of a client without a connection, the listener's.
    """

    peer: str
    host: str
    transport: str


@frozen(kw_only=True)
class ConnectionFailed(ClientEvent):
    """A layer below the messages failed, such as a TLS handshake."""

    name = "failed"
    layer: Layer
    why: str

    def __str__(self) -> str:
        return f"{self.peer} {self.layer.value} failed: {self.why}"


@frozen(kw_only=True)
class ConnectionRefused(ClientEvent):
    """A client was refused."""

    name = "refused"
    reason: RefusalReason

    def __str__(self) -> str:
        return f"{self.peer} refused: {self.reason.value}"


@frozen(kw_only=True)
class ConnectionAccepted(ClientEvent):
    """A connection was accepted."""

    name = "connected"
    connection: int

    def __str__(self) -> str:
        return f"{self.peer} connected"


@frozen(kw_only=True)
class HandshakeCompleted(ClientEvent):
    """A TLS handshake completed. It has a text only if the client has a certificate."""

    name = "secured"
    connection: int
    version: str
    cipher: str
    server_name: bytes | None = None
    alpn: str | None = None
    client: bytes | None = None

    def __str__(self) -> str:
        return f"{self.peer} is {quote(self.client, MAX_SHOWN)}" if self.client else ""


@frozen(kw_only=True)
class MessageAnswered(ClientEvent):
    """
    A message was answered. One that came as a datagram has no connection.

    @ivar message: the first L{MAX_SHOWN} bytes, without the terminator.
    @ivar bytes: the length of the whole message.
    """

    name = "message"
    connection: int | None = None
    message: builtins.bytes
    bytes: int

    def __str__(self) -> str:
        cut = f"... ({self.bytes} bytes)" if self.bytes > len(self.message) else ""
        return f"{self.peer} sent {quote(self.message)}{cut}"


@frozen(kw_only=True)
class ConnectionEnded(ClientEvent):
    """
    A connection ended.

    @ivar idle: seconds without progress, if that was the reason.
    """

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
class DatagramDropped(ClientEvent):
    """A datagram was not answered."""

    name = "dropped"
    reason: DropReason
    bytes: int

    def __str__(self) -> str:
        return f"{self.peer} dropped: {self.reason.value}"


@frozen(kw_only=True)
class EventsNotLogged(Event):
    """Events of the last second were over the log's rate limit. It has no text for handshakes."""

    name = "not_logged"
    what: str
    count: int

    def __str__(self) -> str:
        return f"{self.what} not logged: {self.count}" if self.what != "handshakes" else ""


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
    """A worker process ended, with a status or by a signal, or could not be started."""

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
    """A worker process wrote a line to its standard output or standard error."""

    name = "worker_output"
    level = LogLevel.warn
    worker: int
    text: str

    def __str__(self) -> str:
        return f"worker {self.worker}: {self.text}"


@frozen(kw_only=True)
class ScriptFault(Event):
    """A reply script failed to make a reply."""

    name = "script_fault"
    level = LogLevel.error
    fault: bytes

    def __str__(self) -> str:
        return f"script made no reply: {quote(self.fault)}; logged once"


@frozen(kw_only=True)
class ObserverFault(Fault):
    """An observer raised an exception for the first time."""

    name = "observer_fault"
    observer: str

    def __str__(self) -> str:
        return f"{self.observer} raised an exception; no more of its exceptions will be logged"


@frozen(kw_only=True)
class SharedLimitsFault(Fault):
    """The limits that the workers share could not be read."""

    name = "shared_limits_fault"

    def __str__(self) -> str:
        return "a client is refused, since the shared limits could not be read"


def _by_text(counts: Mapping[_Member, int]) -> str:
    each = "; ".join(f"{member.value}: {count}" for member, count in counts.items())
    return f" ({each})" if each else ""
