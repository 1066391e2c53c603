"""What a server in one process knows of itself."""

import os

from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from echoreply.core.reasons import DropReason, EndReason, RefusalReason
from echoreply.net.listener import Layer, Listener
from echoreply.observe.loop_lag import INTERVAL, LoopLag
from echoreply.observe.observer import Connection
from echoreply.observe.statistics import Process, ProcessStatistics, ServerState
from echoreply.observe.totals import BOUNDS, Histogram
from tests.support.memory_observer import verify_observer

ADDRESS = IPv4Address("TCP", "192.0.2.1", 4000)


def counted(histogram: Histogram) -> dict[float | None, int]:
    """Give how often it was at most so long; C{None} is longer than all."""
    return {bound: times for bound, times in zip([*BOUNDS, None], histogram.buckets, strict=True) if times}


class HistogramTests(SynchronousTestCase):
    def test_a_bound_belongs_to_its_bucket_and_what_is_longer_to_the_next(self) -> None:
        histogram = Histogram()
        for seconds in (0.0, 0.001, 0.0011, 10.0, 10.1):
            histogram.observe(seconds)
        histogram.observe(0.5, 3)
        self.assertEqual(counted(histogram), {0.000_01: 1, 0.001: 1, 0.0025: 1, 0.5: 3, 10.0: 1, None: 1})
        self.assertAlmostEqual(histogram.seconds, 21.6021)


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

    def test_listeners_are_told_apart_also_those_to_whom_nobody_comes(self) -> None:
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

    def test_how_long_messages_took_is_counted_for_each_of_them(self) -> None:
        for listener in (self.plain, self.datagrams):
            self.statistics.listening(listener)
        self.statistics.timed(self.plain, 2, 0.002)
        self.statistics.timed(self.datagrams, 1, 7)
        totals = self.statistics.totals_by_listener()
        self.assertEqual(counted(totals[self.plain].service), {0.0025: 2})
        self.assertAlmostEqual(totals[self.plain].service.seconds, 0.004)
        self.assertEqual(counted(totals[self.datagrams].service), {10.0: 1})

    def test_it_knows_the_servers_state(self) -> None:
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


class LoopLagTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.lags: list[float] = []
        self.service = LoopLag(self.clock, self.clock.seconds, self.lags.append)

    def test_it_tells_by_how_much_it_was_called_too_late(self) -> None:
        self.service.startService()
        for late in (0.0, 0.25, 0.0):
            self.clock.advance(INTERVAL + late)
        self.assertEqual([round(lag, 6) for lag in self.lags], [0.0, 0.25, 0.0])
        self.service.stopService()

    def test_when_it_has_stopped_nothing_is_left(self) -> None:
        self.service.startService()
        self.service.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])
