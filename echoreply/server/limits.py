"""Who may have a connection."""

from __future__ import annotations

from collections import Counter

from twisted.internet.interfaces import IAddress

from echoreply.core.reasons import EndReason, RefusalReason
from echoreply.net.addresses import host_of
from echoreply.observe.observer import Connection, ReplyObserver


class ConnectionLimits(ReplyObserver):
    """
    Bounds how many connections there are at once. It has to observe them, to know.

    @param most: connections in all, at most; 0 is no limit.
    @param most_per_host: connections from one IP address, at most; 0 is no limit.
    """

    def __init__(self, most: int = 0, most_per_host: int = 0) -> None:
        self._most = most
        self._most_per_host = most_per_host
        self._open = 0
        self._open_by_host: Counter[str] = Counter()

    def refusal(self, peer: IAddress) -> RefusalReason | None:
        """Give the reason to refuse a client that connects now, if there is one."""
        if self.full():
            return RefusalReason.TOO_MANY
        if self._most_per_host and self._open_by_host[host_of(peer)] >= self._most_per_host:
            return RefusalReason.TOO_MANY_FROM_HOST
        return None

    def full(self) -> bool:
        """Tell whether there is no place for anybody."""
        return 0 < self._most <= self._open

    def opened(self, connection: Connection) -> None:
        """Count it."""
        self._open += 1
        if self._most_per_host:
            self._open_by_host[host_of(connection.peer)] += 1

    def closed(self, connection: Connection, reason: EndReason) -> None:
        """Count it no longer."""
        self._open -= 1
        if self._most_per_host:
            host = host_of(connection.peer)
            self._open_by_host[host] -= 1
            if not self._open_by_host[host]:
                # There are more addresses than memory.
                del self._open_by_host[host]
