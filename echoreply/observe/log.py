"""What happens, told in a log: a line each, up to a rate that a person can read."""

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
from echoreply.observe.events import LONGEST_SHOWN, tell
from echoreply.observe.observer import Connection, Peer, ReplyObserver
from echoreply.observe.totals import Totals

CONNECTIONS_PER_SECOND = 100
"""How many connections are logged a second as they begin, at most, and how many as they end."""

REFUSALS_PER_SECOND = 10
"""
How many refusals are logged a second, at most, how many failures, and how many datagrams that are not answered: all of
them are for anybody to cause.
"""


class RateLimit:
    """
    So many log lines a second; the rest is counted, and the count is told when the second is over.

    @param clock: where time comes from, such as the reactor.
    @param per_second: lines a second, at most.
    @param tell: is called with the C{count}, if there is one.
    @ivar taken: how many there were in this second.
    @ivar left: how many may be told yet.
    """

    def __init__(self, clock: IReactorTime, per_second: int, tell: Callable[[int], object]) -> None:
        self._per_second = per_second
        self._tell = tell
        self._second = Timer(clock, 1.0, self.settle)
        self.taken = 0
        self.left = per_second

    def take(self, count: int = 1) -> int:
        """Take note of so many things; give how many of them, at most, may be told: what was C{left}."""
        left = self.left
        if not self.taken:
            self._second.start()
        self.taken += count
        if left:
            self.left = max(self._per_second - self.taken, 0)
        return left

    def settle(self) -> None:
        """Tell what has been counted, and begin anew."""
        self._second.stop()
        untold = self.taken - self._per_second
        self.taken = 0
        self.left = self._per_second
        if untold > 0:
            self._tell(untold)


class LogObserver(ReplyObserver):
    """
    Logs connections and messages.

    @param clock: where time comes from, such as the reactor.
    @param messages_per_second: how many messages are logged a second, at most. The rest are counted, and the count is
        logged. If 0, messages are neither logged nor counted.
    @param part: which one this is of how many that share what is logged a second, such as C{(1, 4)}.
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

        def allow(per_second: int, what: str) -> RateLimit:
            def tell_rest(count: int) -> None:
                self._tell(events.NotLogged(what=what, count=count))

            self._rate_limits.append(RateLimit(clock, _part_of(per_second, part), tell_rest))
            return self._rate_limits[-1]

        self._messages = allow(messages_per_second, "messages")
        self._connections = allow(CONNECTIONS_PER_SECOND, "connections")
        self._identities = allow(CONNECTIONS_PER_SECOND, "identities")
        self._handshakes = allow(CONNECTIONS_PER_SECOND, "handshakes")
        self._ends = allow(CONNECTIONS_PER_SECOND, "ends")
        self._refusals = allow(REFUSALS_PER_SECOND, "refusals")
        self._failures = allow(REFUSALS_PER_SECOND, "failures")
        self._drops = allow(REFUSALS_PER_SECOND, "drops")
        self._tells_messages = messages_per_second > 0

    def listening(self, listener: Listener) -> None:
        """Log where clients can come, and how."""
        self._tell(events.Listening(host=listener.name, transport=listener.transport, over=listener.over))

    def failed(self, listener: Listener, peer: IAddress, layer: Layer, why: str) -> None:
        """Log what was not understood, as long as the second has room for it."""
        if self._failures.take():
            self._tell(events.Failed(**_of_client(listener, format_address(peer)), layer=layer.value, why=why))

    def refused(self, listener: Listener, peer: IAddress, reason: RefusalReason) -> None:
        """Log whom we refused, as long as the second has room for it."""
        if self._refusals.take():
            self._tell(events.Refused(**_of_client(listener, format_address(peer)), reason=reason))

    def opened(self, connection: Connection) -> None:
        """Log where a client comes from, as long as the second has room for it."""
        if self._connections.take():
            self._tell(events.Connected(**_of_connection(connection)))

    def secured(self, connection: Connection, details: TLSDetails) -> None:
        """Log what TLS has come to, and whom a client's certificate names, as long as the second has room for it."""
        rate_limit = self._identities if details.client else self._handshakes
        if rate_limit.take():
            self._tell(
                events.Secured(
                    **_of_connection(connection),
                    version=details.version,
                    cipher=details.cipher,
                    server_name=details.server_name.encode(errors="backslashreplace") or None,
                    alpn=details.alpn or None,
                    client=details.client.encode() or None,
                )
            )

    def answered(self, connection: Connection, messages: Block) -> None:
        """Log messages, as long as the second has room for them."""
        if not self._tells_messages:
            return
        rate_limit = self._messages
        if rate_limit.taken and not rate_limit.left:
            # All that take() would do, written out, since it is nearly every message's.
            rate_limit.taken += messages.count
        elif left := rate_limit.take(messages.count):
            client = _of_connection(connection)
            for message in messages.messages(left):
                self._tell(_message(client, message))

    def closed(self, connection: Connection, reason: EndReason) -> None:
        """Log why a connection ended, and what there was of it, as long as the second has room for it."""
        if self._ends.take():
            self._tell(
                events.Ended(
                    **_of_connection(connection),
                    reason=reason,
                    idle=connection.idle if reason is EndReason.IDLE else None,
                    messages=connection.messages,
                    received=connection.received,
                    sent=connection.sent,
                )
            )

    def answered_datagram(self, listener: Listener, peer: Peer, message: bytes, sent: int) -> None:
        """Log the message, as long as the second has room for it."""
        if not self._tells_messages:
            return
        if self._messages.take():
            self._tell(_message(_of_client(listener, host_and_port(*peer)), message))

    def dropped(self, listener: Listener, peer: Peer, message: bytes, reason: DropReason) -> None:
        """Log whom we did not answer, as long as the second has room for it."""
        if self._drops.take():
            self._tell(events.Dropped(**_of_client(listener, host_and_port(*peer)), reason=reason, bytes=len(message)))

    def stopped(self, totals: Totals) -> None:
        """Log what has been counted and not been told yet, and what there was in all."""
        self.settle()
        self._tell(
            events.Stopped(
                accepted=totals.accepted,
                open=totals.open,
                ended=totals.endings.total(),
                ended_by=dict(totals.endings.most_common()),
                refused=totals.refusals.total(),
                refused_by=dict(totals.refusals.most_common()),
                failed=totals.failures.total(),
                failed_by={layer.value: count for layer, count in totals.failures.most_common()},
                messages=totals.messages,
                received=totals.received,
                sent=totals.sent,
                dropped=totals.drops.total(),
                dropped_by=dict(totals.drops.most_common()),
            )
        )

    def settle(self) -> None:
        """Log what has been counted and not been told yet."""
        for rate_limit in self._rate_limits:
            rate_limit.settle()

    def _tell(self, event: events.Event) -> None:
        tell(event, self._log)


def _of_connection(connection: Connection) -> dict[str, Any]:
    return {
        "connection": connection.number,
        "peer": format_address(connection.peer),
        "host": format_address(connection.host),
        "transport": connection.listener.transport,
    }


def _of_client(listener: Listener, peer: str) -> dict[str, Any]:
    return {"peer": peer, "host": listener.name, "transport": listener.transport}


def _message(client: dict[str, Any], message: bytes) -> events.Message:
    shown = message.rstrip(b"\r\n")
    return events.Message(**client, message=shown[:LONGEST_SHOWN], bytes=len(shown))


def _part_of(number: int, part: tuple[int, int]) -> int:
    """Divide a number so that all parts together are the whole."""
    which, of = part
    return number * which // of - number * (which - 1) // of
