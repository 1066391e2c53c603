"""The statistics of a server in one process."""

import os

from twisted.internet.address import IPv4Address
from twisted.trial.unittest import SynchronousTestCase

from echoreply.core.reasons import DropReason, EndReason, RefusalReason
from echoreply.net.listener import Layer, Listener
from echoreply.observe.observer import Connection
from echoreply.observe.statistics import Process, ProcessStatistics, ServerState
from tests.observe.test_totals import counted
from tests.support.memory_observer import verify_observer

ADDRESS = IPv4Address("TCP", "192.0.2.1", 4000)


class ProcessStatisticsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.is_full = False
        self.statistics = ProcessStatistics(lambda: self.is_full)
        self.plain, self.datagrams = Listener(host=ADDRESS), Listener((Layer.UDP,), ADDRESS)

    def open(self) -> Connection:
        connection = Connection(1, ADDRESS, ADDRESS, self.plain)
        self.statistics.opened(connection)
        return connection

    def test_it_is_an_observer(self) -> None:
        verify_observer(self.statistics)

    def test_each_listener_has_totals_even_without_clients(self) -> None:
        self.statistics.listening(self.plain)
        self.statistics.listening(self.datagrams)
        connection = self.open()
        self.statistics.refused(self.plain, ADDRESS, RefusalReason.TOO_MANY)
        self.statistics.failed(self.plain, ADDRESS, Layer.PROXY, "for a reason")
        self.statistics.dropped(self.datagrams, ("192.0.2.1", 7), b"ab", DropReason.ANSWERING_PORT)
        self.statistics.closed(self.open(), EndReason.RESET)
        connection.messages, connection.received, connection.sent = 1, 2, 3
        totals = self.statistics.totals_by_listener()
        plain, datagrams = totals[self.plain], totals[self.datagrams]
        self.assertEqual((plain.accepted, plain.open, plain.messages, plain.received, plain.sent), (2, 1, 1, 2, 3))
        self.assertEqual((plain.refusals, plain.failures), ({RefusalReason.TOO_MANY: 1}, {Layer.PROXY: 1}))
        self.assertEqual((plain.endings, plain.drops), ({EndReason.RESET: 1}, {}))
        self.assertEqual((datagrams.drops, datagrams.received), ({DropReason.ANSWERING_PORT: 1}, 2))

    def test_the_service_time_of_each_message_is_counted(self) -> None:
        for listener in (self.plain, self.datagrams):
            self.statistics.listening(listener)
        self.statistics.timed(self.plain, 2, 0.002)
        self.statistics.timed(self.datagrams, 1, 7)
        totals = self.statistics.totals_by_listener()
        self.assertEqual(counted(totals[self.plain].service), {0.0025: 2})
        self.assertAlmostEqual(totals[self.plain].service.seconds, 0.004)
        self.assertEqual(counted(totals[self.datagrams].service), {10.0: 1})

    def test_the_state_follows_the_server(self) -> None:
        states = [self.statistics.state()]
        self.statistics.listening(self.plain)
        states.append(self.statistics.state())
        self.is_full = True
        states.append(self.statistics.state())
        self.statistics.stopping()
        states.append(self.statistics.state())
        self.assertEqual(states, [ServerState.STARTING, ServerState.ACCEPTING, ServerState.FULL, ServerState.DRAINING])

    def test_there_is_one_process(self) -> None:
        self.assertEqual(self.statistics.processes(), [Process(0, os.getpid(), self.statistics.lag)])
