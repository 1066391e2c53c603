"""Totals, added up by an observer."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address
from twisted.trial.unittest import SynchronousTestCase

from echoreply.core.reasons import DropReason, EndReason, RefusalReason
from echoreply.net.listener import Listener
from echoreply.observe.observer import Connection
from echoreply.observe.totals_observer import TotalsObserver

ADDRESS = IPv4Address("TCP", "192.0.2.9", 8088)
LISTENER = Listener()


class TotalsObserverTests(SynchronousTestCase):
    def test_messages_and_bytes_of_open_and_ended_connections_are_counted(self) -> None:
        counts = TotalsObserver()
        first, second = (Connection(number, ADDRESS, ADDRESS) for number in (1, 2))
        for connection in (first, second):
            counts.opened(connection)
            connection.messages, connection.received, connection.sent = 2, 10, 20
        counts.closed(first, EndReason.CLIENT)
        second.messages = 3
        totals = counts.totals()
        self.assertEqual((totals.messages, totals.received, totals.sent), (5, 20, 40))
        self.assertEqual((totals.accepted, totals.open, totals.endings), (2, 1, {EndReason.CLIENT: 1}))

    def test_refused_clients_are_neither_accepted_nor_ended(self) -> None:
        counts = TotalsObserver()
        counts.refused(LISTENER, ADDRESS, RefusalReason.TOO_MANY)
        totals = counts.totals()
        self.assertEqual((totals.accepted, totals.open, totals.endings.total()), (0, 0, 0))
        self.assertEqual(totals.refusals, {RefusalReason.TOO_MANY: 1})

    def test_datagrams_are_counted_and_those_not_answered_by_reason(self) -> None:
        counts = TotalsObserver()
        counts.answered_datagram(LISTENER, ("192.0.2.1", 4000), b"hello", 18)
        counts.dropped(LISTENER, ("192.0.2.1", 7), b"hello!", DropReason.ANSWERING_PORT)
        totals = counts.totals()
        self.assertEqual((totals.messages, totals.received, totals.sent), (1, 11, 18))
        self.assertEqual(totals.drops, {DropReason.ANSWERING_PORT: 1})

    @given(st.lists(st.sampled_from(["open", "close"])))
    def test_accepted_is_the_sum_of_open_and_ended(self, events: list[str]) -> None:
        counts = TotalsObserver()
        connections: list[Connection] = []
        for event in events:
            if event == "open":
                connections.append(Connection(len(connections) + 1, ADDRESS, ADDRESS))
                counts.opened(connections[-1])
            elif connections:
                counts.closed(connections.pop(), EndReason.RESET)
            totals = counts.totals()
            self.assertEqual(totals.accepted, totals.open + totals.endings.total())
            self.assertEqual(list(counts.open), connections)
