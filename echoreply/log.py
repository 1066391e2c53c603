"""What happens, told in a log: a line each, up to a rate that a person can read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial

from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from echoreply.address import format_address, host_and_port
from echoreply.circumstances import TLSDetails
from echoreply.framing import Block
from echoreply.observer import Connection, IReplyObserver, Listener, Peer
from echoreply.quoting import quote
from echoreply.reasons import CloseReason, DropReason
from echoreply.timer import Timer
from echoreply.totals import Totals

LONGEST_SHOWN = 256
"""Bytes of a message that are shown."""

CONNECTIONS_PER_SECOND = 100
"""How many connections are logged a second as they begin, at most, and how many as they end."""

REFUSALS_PER_SECOND = 10
"""
How many refusals are logged a second, at most, how many failures, and how many datagrams that are not answered: all of
them are for anybody to cause.
"""


class Allowance:
    """
    So many log lines a second; the rest is counted, and the count is told when the second is over.

    @param clock: where time comes from, such as the reactor.
    @param per_second: lines a second, at most.
    @param tell: is called with the C{count}, if there is one.
    """

    def __init__(self, clock: IReactorTime, per_second: int, tell: Callable[..., object]) -> None:
        self._per_second = per_second
        self._tell = tell
        self._second = Timer(clock, 1.0, self.settle)
        self._taken = 0
        self.left = per_second

    def take(self, count: int = 1) -> int:
        """Take note of so many things; give how many of them, at most, may be told: what was C{left}."""
        left = self.left
        if not self._taken:
            self._second.start()
        self._taken += count
        if left:
            self.left = max(self._per_second - self._taken, 0)
        return left

    def settle(self) -> None:
        """Tell what has been counted, and begin anew."""
        self._second.stop()
        untold = self._taken - self._per_second
        self._taken = 0
        self.left = self._per_second
        if untold > 0:
            self._tell(count=untold)


@implementer(IReplyObserver)
class LogObserver:
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

        self._allowances: list[Allowance] = []

        def allow(per_second: int, what: str) -> Allowance:
            tell = partial(self._log.info, f"{what} not logged: {{count}}")
            self._allowances.append(Allowance(clock, _part_of(per_second, part), tell))
            return self._allowances[-1]

        self._messages = allow(messages_per_second, "messages")
        self._connections = allow(CONNECTIONS_PER_SECOND, "connections")
        self._identities = allow(CONNECTIONS_PER_SECOND, "identities")
        self._ends = allow(CONNECTIONS_PER_SECOND, "ends")
        self._refusals = allow(REFUSALS_PER_SECOND, "refusals")
        self._failures = allow(REFUSALS_PER_SECOND, "failures")
        self._drops = allow(REFUSALS_PER_SECOND, "drops")
        self._tells_messages = messages_per_second > 0

    def listening(self, listener: Listener) -> None:
        """Log where clients can come, and how."""
        how = f" for {listener.over}" if listener.over else ""
        self._log.info("listening on {host}{how}", host=listener.name, how=how)

    def failed(self, listener: Listener, peer: IAddress, layer: str, why: str) -> None:
        """Log what was not understood, as long as the second has room for it."""
        if self._failures.take():
            self._log.info("{peer} {layer} failed: {why}", peer=format_address(peer), layer=layer, why=why)

    def refused(self, listener: Listener, peer: IAddress, reason: CloseReason) -> None:
        """Log whom we refused, as long as the second has room for it."""
        if self._refusals.take():
            self._log.info("{peer} refused: {reason}", peer=format_address(peer), reason=reason.value)

    def opened(self, connection: Connection) -> None:
        """Log where a client comes from, as long as the second has room for it."""
        if self._connections.take():
            self._log.info("{peer} connected", peer=format_address(connection.peer))

    def secured(self, connection: Connection, details: TLSDetails) -> None:
        """Log whom a client's certificate names, as long as the second has room for it."""
        if details.client and self._identities.take():
            who = quote(details.client.encode(), LONGEST_SHOWN)
            self._log.info("{peer} is {who}", peer=format_address(connection.peer), who=who)

    def answered(self, connection: Connection, messages: Block) -> None:
        """Log messages, as long as the second has room for them."""
        if not self._tells_messages:
            return
        if left := self._messages.take(messages.count):
            peer = format_address(connection.peer)
            for message in messages.messages(left):
                self._log_message(peer, message)

    def closed(self, connection: Connection, reason: CloseReason) -> None:
        """Log why a connection ended, and what there was of it, as long as the second has room for it."""
        if self._ends.take():
            self._log_end(connection, reason)

    def answered_datagram(self, listener: Listener, peer: Peer, message: bytes, sent: int, heard: float) -> None:
        """Log the message, as long as the second has room for it."""
        if not self._tells_messages:
            return
        if self._messages.take():
            self._log_message(host_and_port(*peer), message)

    def dropped(self, listener: Listener, peer: Peer, message: bytes, reason: DropReason) -> None:
        """Log whom we did not answer, as long as the second has room for it."""
        if self._drops.take():
            self._log.info("{peer} dropped: {reason}", peer=host_and_port(*peer), reason=reason.value)

    def stopping(self) -> None:
        """Ignore it: twistd says that a signal has come."""

    def stopped(self, totals: Totals) -> None:
        """Log what has been counted and not been told yet, and what there was in all."""
        self.settle()
        drops = totals.drops
        self._log.info(
            "stopped: accepted {accepted}, open {open}, ended {ended}{ended_by}, refused {refused}{refused_by}, "
            "messages {messages}, bytes in {received}, bytes out {sent}{dropped}",
            accepted=totals.accepted,
            open=totals.open,
            ended=totals.endings.total(),
            ended_by=_by_reason(totals.endings),
            refused=totals.refusals.total(),
            refused_by=_by_reason(totals.refusals),
            messages=totals.messages,
            received=totals.received,
            sent=totals.sent,
            dropped=f", dropped {drops.total()}{_by_reason(drops)}" if drops else "",
        )

    def settle(self) -> None:
        """Log what has been counted and not been told yet."""
        for allowance in self._allowances:
            allowance.settle()

    def _log_message(self, peer: str, message: bytes) -> None:
        self._log.info("{peer} sent {message}", peer=peer, message=quote(message.rstrip(b"\r\n"), LONGEST_SHOWN))

    def _log_end(self, connection: Connection, reason: CloseReason) -> None:
        why = f"idle for {connection.idle:g} s" if reason is CloseReason.IDLE else reason.value
        self._log.info(
            "{peer} ended: {reason}; messages {messages}, bytes in {received}, bytes out {sent}",
            peer=format_address(connection.peer),
            reason=why,
            messages=connection.messages,
            received=connection.received,
            sent=connection.sent,
        )


def _part_of(number: int, part: tuple[int, int]) -> int:
    """Divide a number so that all parts together are the whole."""
    which, of = part
    return number * which // of - number * (which - 1) // of


def _by_reason(counter: Counter[CloseReason] | Counter[DropReason]) -> str:
    each = "; ".join(f"{reason.value}: {count}" for reason, count in counter.most_common())
    return f" ({each})" if each else ""
