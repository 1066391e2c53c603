"""Limits on the number of connections, in all and from one host."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from twisted.internet.interfaces import IAddress

from echoreply.core.reasons import EndReason, RefusalReason
from echoreply.net.addresses import host_of
from echoreply.observe.observer import Connection, ReplyObserver


class Limit(ReplyObserver):
    """A limit on connections. It observes the server, in order to count them."""

    def refusal(self, peer: IAddress) -> RefusalReason | None:
        """Return the reason to refuse a client that connects now, if there is one."""
        raise NotImplementedError


def first_refusal(limits: Iterable[Limit], peer: IAddress) -> RefusalReason | None:
    """Return the reason of the first limit that refuses a client. The limits after it are not asked."""
    return next(filter(None, (limit.refusal(peer) for limit in limits)), None)


class ConnectionLimits(Limit):
    """
    Limits the connections of this process.

    @param most: connections in all, at most; 0 is no limit.
    @param most_per_host: connections from one IP address, at most; 0 is no limit.
    """

    def __init__(self, most: int = 0, most_per_host: int = 0) -> None:
        self._most = most
        self._most_per_host = most_per_host
        self._open = 0
        self._open_by_host: Counter[str] = Counter()

    def refusal(self, peer: IAddress) -> RefusalReason | None:
        if self.full():
            return RefusalReason.TOO_MANY
        if self._most_per_host and self._open_by_host[host_of(peer)] >= self._most_per_host:
            return RefusalReason.TOO_MANY_FROM_HOST
        return None

    def full(self) -> bool:
        """Return whether the limit in all is reached."""
        return 0 < self._most <= self._open

    def opened(self, connection: Connection) -> None:
        self._open += 1
        if self._most_per_host:
            self._open_by_host[host_of(connection.peer)] += 1

    def closed(self, connection: Connection, reason: EndReason) -> None:
        self._open -= 1
        if self._most_per_host:
            host = host_of(connection.peer)
            self._open_by_host[host] -= 1
            if not self._open_by_host[host]:
                # There are more addresses than memory.
                del self._open_by_host[host]
