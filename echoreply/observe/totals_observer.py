"""The observer that adds up the totals of each listener."""

from __future__ import annotations

from collections import defaultdict

from twisted.internet.interfaces import IAddress

from echoreply.core.reasons import DropReason, EndReason, RefusalReason
from echoreply.net.listener import Layer, Listener
from echoreply.observe.observer import Connection, Peer, ReplyObserver
from echoreply.observe.totals import Totals


class TotalsObserver(ReplyObserver):
    """
    Adds up the L{Totals} of one process.

    The messages and bytes of open connections are added up when the totals are read, so a message on a connection costs
    nothing.

    @ivar open: the open connections, in the order in which they were accepted: a dictionary as an ordered set.
    """

    def __init__(self) -> None:
        self.open: dict[Connection, None] = {}
        # Everything but the messages and bytes of open connections.
        self._settled: defaultdict[Listener, Totals] = defaultdict(Totals)

    def totals(self) -> Totals:
        """Return the totals of all listeners together."""
        return sum(self.totals_by_listener().values(), Totals())

    def totals_by_listener(self) -> dict[Listener, Totals]:
        """Return the totals of each listener, also of one that no client has used yet."""
        totals = {listener: settled + Totals() for listener, settled in self._settled.items()}
        for connection in self.open:
            _add_connection(totals[connection.listener], connection)
        return totals

    def listening(self, listener: Listener) -> None:
        self._settled.setdefault(listener, Totals())

    def refused(self, listener: Listener, peer: IAddress, reason: RefusalReason) -> None:
        self._settled[listener].refusals[reason] += 1

    def failed(self, listener: Listener, peer: IAddress, layer: Layer, why: str) -> None:
        self._settled[listener].failures[layer] += 1

    def opened(self, connection: Connection) -> None:
        self._settled[connection.listener].accepted += 1
        self.open[connection] = None

    def closed(self, connection: Connection, reason: EndReason) -> None:
        del self.open[connection]
        settled = self._settled[connection.listener]
        settled.endings[reason] += 1
        _add_connection(settled, connection)

    def answered_datagram(self, listener: Listener, peer: Peer, message: bytes, sent: int) -> None:
        settled = self._settled[listener]
        settled.messages += 1
        settled.received += len(message)
        settled.sent += sent

    def timed(self, listener: Listener, messages: int, seconds: float) -> None:
        self._settled[listener].service.observe(seconds, messages)

    def dropped(self, listener: Listener, peer: Peer, message: bytes, reason: DropReason) -> None:
        settled = self._settled[listener]
        settled.drops[reason] += 1
        settled.received += len(message)


def _add_connection(totals: Totals, connection: Connection) -> None:
    totals.messages += connection.messages
    totals.received += connection.received
    totals.sent += connection.sent
