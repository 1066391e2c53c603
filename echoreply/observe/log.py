"""The observers that write the log: of clients' events, within rate limits, and of the server's start and stop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.logger import Logger

from echoreply.core.connection_info import TLSDetails
from echoreply.core.framing import Block
from echoreply.core.reasons import DropReason, EndReason, RefusalReason
from echoreply.net.addresses import format_address, host_and_port
from echoreply.net.listener import Layer, Listener
from echoreply.net.timer import Timer
from echoreply.observe import events
from echoreply.observe.event_logging import Event, log_event
from echoreply.observe.events import MAX_SHOWN
from echoreply.observe.observer import Connection, Peer, ReplyObserver
from echoreply.observe.totals import Totals

CONNECTIONS_PER_SECOND = 100
"""Maximum logged events a second, for each of: accepted connections, ended connections, handshakes."""

REFUSALS_PER_SECOND = 10
"""Maximum logged events a second, for each of: refusals, failures, dropped datagrams. Anyone can cause these."""


class RateLimit:
    """
    A limit on events a second. At the end of the second it reports the number of events over the limit.

    @param clock: measures the seconds, such as the reactor.
    @param per_second: maximum events a second.
    @param report: called with the number of events over the limit, unless it is 0.
    @ivar taken: events in this second, those over the limit included.
    @ivar left: events that are still allowed in this second.
    """

    def __init__(self, clock: IReactorTime, per_second: int, report: Callable[[int], object]) -> None:
        self._per_second = per_second
        self._report = report
        self._second = Timer(clock, 1.0, self.settle)
        self.taken = 0
        self.left = per_second

    def take(self, count: int = 1) -> int:
        """Count events. Return how many of them, at most, are within the limit: C{left} from before."""
        left = self.left
        if not self.taken:
            self._second.start()
        self.taken += count
        if left:
            self.left = max(self._per_second - self.taken, 0)
        return left

    def settle(self) -> None:
        """End the second: report the number of events over the limit, and start again from 0."""
        self._second.stop()
        over = self.taken - self._per_second
        self.taken = 0
        self.left = self._per_second
        if over > 0:
            self._report(over)


class LogObserver(ReplyObserver):
    """
    Logs the events of clients, each kind within a rate limit.

    @param clock: measures the rates, such as the reactor.
    @param messages_per_second: maximum logged messages a second. If 0, messages are neither logged nor counted.
    @param part: the number of this observer, from 1, and the number of observers that share the rates, one in each
        process.
    """

    def __init__(
        self,
        clock: IReactorTime,
        messages_per_second: int,
        log: Logger | None = None,
        *,
        part: tuple[int, int] = (1, 1),
    ) -> None:
        self._log = log or Logger("echoreply")
        self._rate_limits: list[RateLimit] = []

        def limit(per_second: int, what: str) -> RateLimit:
            def report(count: int) -> None:
                self._log_event(events.EventsNotLogged(what=what, count=count))

            self._rate_limits.append(RateLimit(clock, _part_of(per_second, part), report))
            return self._rate_limits[-1]

        self._messages = limit(messages_per_second, "messages")
        self._connections = limit(CONNECTIONS_PER_SECOND, "connections")
        self._identities = limit(CONNECTIONS_PER_SECOND, "identities")
        self._handshakes = limit(CONNECTIONS_PER_SECOND, "handshakes")
        self._ends = limit(CONNECTIONS_PER_SECOND, "ends")
        self._refusals = limit(REFUSALS_PER_SECOND, "refusals")
        self._failures = limit(REFUSALS_PER_SECOND, "failures")
        self._drops = limit(REFUSALS_PER_SECOND, "drops")
        self._logs_messages = messages_per_second > 0

    def failed(self, listener: Listener, peer: IAddress, layer: Layer, why: str) -> None:
        if self._failures.take():
            client = _of_client(listener, format_address(peer))
            self._log_event(events.ConnectionFailed(**client, layer=layer, why=why))

    def refused(self, listener: Listener, peer: IAddress, reason: RefusalReason) -> None:
        if self._refusals.take():
            client = _of_client(listener, format_address(peer))
            self._log_event(events.ConnectionRefused(**client, reason=reason))

    def opened(self, connection: Connection) -> None:
        if self._connections.take():
            self._log_event(events.ConnectionAccepted(**_of_connection(connection)))

    def handshake_completed(self, connection: Connection, details: TLSDetails) -> None:
        rate_limit = self._identities if details.client else self._handshakes
        if rate_limit.take():
            self._log_event(
                events.HandshakeCompleted(
                    **_of_connection(connection),
                    version=details.version,
                    cipher=details.cipher,
                    server_name=details.server_name.encode(errors="backslashreplace") or None,
                    alpn=details.alpn or None,
                    client=details.client.encode() or None,
                )
            )

    def answered(self, connection: Connection, messages: Block) -> None:
        if not self._logs_messages:
            return
        rate_limit = self._messages
        if rate_limit.taken and not rate_limit.left:
            # take() inlined: most messages of a busy server are over the limit.
            rate_limit.taken += messages.count
        elif left := rate_limit.take(messages.count):
            client = _of_connection(connection)
            for body in messages.bodies(left):
                self._log_event(_message(client, body))

    def closed(self, connection: Connection, reason: EndReason) -> None:
        if self._ends.take():
            self._log_event(
                events.ConnectionEnded(
                    **_of_connection(connection),
                    reason=reason,
                    idle=connection.idle if reason is EndReason.IDLE else None,
                    messages=connection.messages,
                    received=connection.received,
                    sent=connection.sent,
                )
            )

    def answered_datagram(self, listener: Listener, peer: Peer, message: bytes, sent: int) -> None:
        if not self._logs_messages:
            return
        if self._messages.take():
            self._log_event(_message(_of_client(listener, host_and_port(*peer)), Block.split(message)[0]))

    def dropped(self, listener: Listener, peer: Peer, message: bytes, reason: DropReason) -> None:
        if self._drops.take():
            client = _of_client(listener, host_and_port(*peer))
            self._log_event(events.DatagramDropped(**client, reason=reason, bytes=len(message)))

    def stopped(self) -> None:
        """Log the number of events of this second that were over the rate limits, without waiting for its end."""
        for rate_limit in self._rate_limits:
            rate_limit.settle()

    def _log_event(self, event: Event) -> None:
        log_event(event, self._log)


class ServerLogObserver(ReplyObserver):
    """
    Logs on which addresses the server listens, and its totals once it has stopped.

    @param totals: returns the server's totals.
    """

    def __init__(self, totals: Callable[[], Totals], log: Logger | None = None) -> None:
        self._totals = totals
        self._log = log or Logger("echoreply")

    def listening(self, listener: Listener) -> None:
        event = events.ServerListening(host=listener.name, transport=listener.transport, over=listener.layers)
        log_event(event, self._log)

    def stopped(self) -> None:
        totals = self._totals()
        event = events.ServerStopped(
            accepted=totals.accepted,
            open=totals.open,
            ended=totals.endings.total(),
            ended_by=dict(totals.endings.most_common()),
            refused=totals.refusals.total(),
            refused_by=dict(totals.refusals.most_common()),
            failed=totals.failures.total(),
            failed_by=dict(totals.failures.most_common()),
            messages=totals.messages,
            received=totals.received,
            sent=totals.sent,
            dropped=totals.drops.total(),
            dropped_by=dict(totals.drops.most_common()),
        )
        log_event(event, self._log)


def _of_connection(connection: Connection) -> dict[str, Any]:
    return {
        "connection": connection.number,
        "peer": format_address(connection.peer),
        "host": format_address(connection.host),
        "transport": connection.listener.transport,
    }


def _of_client(listener: Listener, peer: str) -> dict[str, Any]:
    return {"peer": peer, "host": listener.name, "transport": listener.transport}


def _message(client: dict[str, Any], body: bytes) -> events.MessageAnswered:
    return events.MessageAnswered(**client, message=body[:MAX_SHOWN], bytes=len(body))


def _part_of(number: int, part: tuple[int, int]) -> int:
    """Return one part of a number. All parts add up to the number."""
    which, of = part
    return number * which // of - number * (which - 1) // of
