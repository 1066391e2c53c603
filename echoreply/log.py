"""What happens, told in a log: a line each, up to a rate that a person can read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial

from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from echoreply.address import format_address
from echoreply.framing import Block
from echoreply.observer import Connection, Counts, IReplyObserver
from echoreply.quoting import quote
from echoreply.reasons import CloseReason
from echoreply.timer import Timer

LONGEST_SHOWN = 256
"""Bytes of a message that are shown."""


REFUSALS_PER_SECOND = 10


class Allowance:
    """
    So many log lines a second; the rest is counted, and the count is told when the second is over.

    @param clock: where time comes from, such as the reactor.
    @param per_second: lines a second, at most.
    @param tell: is called with the count, if there is one.
    """

    def __init__(self, clock: IReactorTime, per_second: int, tell: Callable[[int], None]) -> None:
        self._per_second = per_second
        self._tell = tell
        self._second = Timer(clock, 1.0, self.settle)
        self._second_began = False
        self._untold = 0
        self.left = per_second

    def take(self, count: int) -> None:
        """Take note of so many things, C{left} of which, at most, were told."""
        if not self._second_began:
            self._second_began = True
            self._second.start()
        told = min(self.left, count)
        self.left -= told
        self._untold += count - told

    def settle(self) -> None:
        """Tell what has been counted, and begin anew."""
        self._second.stop()
        self._second_began = False
        self.left = self._per_second
        if self._untold:
            self._tell(self._untold)
            self._untold = 0


@implementer(IReplyObserver)
class LogObserver:
    """
    Logs connections and messages.

    @param clock: where time comes from, such as the reactor.
    @param messages_per_second: how many messages are logged a second, at most. The rest are counted, and the count is
        logged. If 0, messages are neither logged nor counted.
    """

    def __init__(self, clock: IReactorTime, messages_per_second: int, log: Logger | None = None) -> None:
        self._log = log or Logger("echoreply")
        self._messages = Allowance(clock, messages_per_second, partial(self._count, "messages not logged: {count}"))
        self._refusals = Allowance(clock, REFUSALS_PER_SECOND, partial(self._count, "refusals not logged: {count}"))
        self._tells_messages = messages_per_second > 0

    def listening(self, host: IAddress) -> None:
        """Log where clients can come."""
        self._log.info("listening on {host}", host=format_address(host))

    def refused(self, connection: Connection, reason: CloseReason) -> None:
        """Log whom we refused, as long as the second has room for it."""
        if self._refusals.left:
            self._log.info("{peer} refused: {reason}", peer=format_address(connection.peer), reason=reason.value)
        self._refusals.take(1)

    def opened(self, connection: Connection) -> None:
        """Log where a client comes from."""
        self._log.info("{peer} connected", peer=format_address(connection.peer))

    def answered(self, connection: Connection, messages: Block) -> None:
        """Log messages, as long as the second has room for them."""
        if not self._tells_messages:
            return
        if self._messages.left:
            peer = format_address(connection.peer)
            for message in messages.messages(self._messages.left):
                self._log.info(
                    "{peer} sent {message}", peer=peer, message=quote(message.rstrip(b"\r\n"), LONGEST_SHOWN)
                )
        self._messages.take(messages.count)

    def closed(self, connection: Connection, reason: CloseReason) -> None:
        """Log why a connection ended, and what there was of it."""
        why = f"idle for {connection.idle:g} s" if reason is CloseReason.IDLE else reason.value
        self._log.info(
            "{peer} ended: {reason}; messages {messages}, bytes in {received}, bytes out {sent}",
            peer=format_address(connection.peer),
            reason=why,
            messages=connection.messages,
            received=connection.received,
            sent=connection.sent,
        )

    def stopped(self, counts: Counts) -> None:
        """Log what has been counted and not been told yet, and what there was in all."""
        self._messages.settle()
        self._refusals.settle()
        self._log.info(
            "stopped: accepted {accepted}, open {open}, ended {ended}{ended_by}, refused {refused}{refused_by}, "
            "messages {messages}, bytes in {received}, bytes out {sent}",
            accepted=counts.accepted,
            open=counts.open,
            ended=counts.endings.total(),
            ended_by=_by_reason(counts.endings),
            refused=counts.refusals.total(),
            refused_by=_by_reason(counts.refusals),
            messages=counts.messages,
            received=counts.received,
            sent=counts.sent,
        )

    def _count(self, text: str, count: int) -> None:
        self._log.info(text, count=count)


def _by_reason(counter: Counter[CloseReason]) -> str:
    each = "; ".join(f"{reason.value}: {count}" for reason, count in counter.most_common())
    return f" ({each})" if each else ""
