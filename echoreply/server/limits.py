"""Limits on the number of connections, in all and from one host."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from twisted.internet.interfaces import IAddress

from echoreply.core.reasons import EndReason, RefusalReason
from echoreply.net.addresses import host_of
from echoreply.observe.observer import Connection, ReplyObserver


class Limit(ReplyObserver):
    """A limit on connections. It has to observe the server, to count them."""

    def refusal(self, peer: IAddress) -> RefusalReason | None:
        """Return the reason to refuse a client that connects now, if there is one."""
        raise NotImplementedError


def first_refusal(limits: Iterable[Limit], peer: IAddress) -> RefusalReason | None:
    """Return the reason of the first limit that refuses a client, if one does. Limits after it are not called."""
    # A loop, since a generator costs every connection three calls.
    for limit in limits:
        reason = limit.refusal(peer)
        if reason:
            return reason
    return None


class ConnectionLimits(Limit):
    """
    Limits the connections of this process.

    @param max_connections: maximum connections in all; 0 is no limit.
    @param max_per_host: maximum connections from one IP address; 0 is no limit.
    """

    def __init__(self, max_connections: int = 0, max_per_host: int = 0) -> None:
        self._max_connections = max_connections
        self._max_per_host = max_per_host
        self._open = 0
        self._open_by_host: Counter[str] = Counter()

    def refusal(self, peer: IAddress) -> RefusalReason | None:
        if self.full():
            return RefusalReason.TOO_MANY
        if self._max_per_host and self._open_by_host[host_of(peer)] >= self._max_per_host:
            return RefusalReason.TOO_MANY_FROM_HOST
        return None

    def full(self) -> bool:
        """Return whether the limit on all connections is reached."""
        return 0 < self._max_connections <= self._open

    def opened(self, connection: Connection) -> None:
        self._open += 1
        if self._max_per_host:
            self._open_by_host[host_of(connection.peer)] += 1

    def closed(self, connection: Connection, reason: EndReason) -> None:
        self._open -= 1
        if self._max_per_host:
            host = host_of(connection.peer)
            self._open_by_host[host] -= 1
            if not self._open_by_host[host]:
                # Bounds memory: there may be any number of addresses.
                del self._open_by_host[host]
