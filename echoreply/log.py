"""What happens, told in a log: a line each, up to a rate that a person can read."""

from __future__ import annotations

from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from echoreply.address import format_address
from echoreply.framing import Block
from echoreply.observer import CloseReason, Connection, IReplyObserver
from echoreply.quoting import quote
from echoreply.timer import Timer

LONGEST_SHOWN = 256
"""Bytes of a message that are shown."""


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
        self._rate = messages_per_second
        self._left = messages_per_second
        self._unlogged = 0
        self._second = Timer(clock, 1.0, self._second_over)
        self._second_began = False

    def listening(self, host: IAddress) -> None:
        """Log where clients can come."""
        self._log.info("listening on {host}", host=format_address(host))

    def opened(self, connection: Connection) -> None:
        """Log where a client comes from."""
        self._log.info("{peer} connected", peer=format_address(connection.peer))

    def answered(self, connection: Connection, messages: Block) -> None:
        """Log messages, as long as the second has room for them."""
        if not self._rate:
            return
        if not self._second_began:
            self._second_began = True
            self._second.start()
        if self._left:
            peer = format_address(connection.peer)
            for message in messages.messages(self._left):
                self._log.info(
                    "{peer} sent {message}", peer=peer, message=quote(message.rstrip(b"\r\n"), LONGEST_SHOWN)
                )
        logged = min(self._left, messages.count)
        self._left -= logged
        self._unlogged += messages.count - logged

    def closed(self, connection: Connection, reason: CloseReason) -> None:
        """Log why a connection ended, and what there was of it."""
        self._log.info(
            "{peer} ended: {reason}; messages {messages}, bytes in {received}, bytes out {sent}",
            peer=format_address(connection.peer),
            reason=reason.value,
            messages=connection.messages,
            received=connection.received,
            sent=connection.sent,
        )

    def stopped(self) -> None:
        """Log what has been counted and not been told yet."""
        self._second.stop()
        self._second_over()

    def _second_over(self) -> None:
        if self._unlogged:
            self._log.info("messages not logged: {count}", count=self._unlogged)
        self._left = self._rate
        self._unlogged = 0
        self._second_began = False
