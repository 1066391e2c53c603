"""The counts of workers in shared memory."""

import os
from collections import Counter

from attrs import fields
from twisted.internet.address import IPv4Address
from twisted.trial.unittest import SynchronousTestCase

from echoreply.core.framing import Block
from echoreply.core.reasons import DropReason, EndReason, RefusalReason
from echoreply.net.listener import Layer, Listener
from echoreply.observe.observer import Connection
from echoreply.observe.totals import BOUNDS, Totals
from echoreply.server.workers.shared_totals import LISTENER, Layout, SharedTotals, WorkersTotals

ADDRESS = IPv4Address("TCP", "192.0.2.1", 4000)


class LayoutTests(SynchronousTestCase):
    def test_every_count_of_a_listener_has_cells(self) -> None:
        zeros = [0] * LISTENER.size
        self.assertEqual(set(LISTENER.read(zeros)), {field.name for field in fields(Totals)})

    def test_every_reason_has_a_cell_of_its_own(self) -> None:
        cells = list(range(1, LISTENER.size + 1))
        read = LISTENER.read(cells)
        for name, reasons in (
            ("endings", EndReason),
            ("refusals", RefusalReason),
            ("failures", Layer),
            ("drops", DropReason),
        ):
            self.assertEqual(set(read[name]), set(reasons))
        numbers = [read[name] for name in ("accepted", "messages", "received", "sent")]
        counted = [count for name in ("endings", "refusals", "failures", "drops") for count in read[name].values()]
        service = [round(read["service"].seconds * 1e9), *read["service"].buckets]
        self.assertEqual(sorted([*numbers, *counted, *service]), cells)

    def test_cells_are_found_by_name(self) -> None:
        layout = Layout(one=int, drops=DropReason, two=int)
        cells = [0] * layout.size
        cells[layout.cells["two", None]] = 2
        cells[layout.cells["drops", DropReason.RATE]] = 3
        self.assertEqual(layout.read(cells), {"one": 0, "drops": Counter({DropReason.RATE: 3}), "two": 2})


class SharedTotalsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.plain, self.secure = self.listeners = [Listener(), Listener((Layer.TLS,))]
        self.totals = WorkersTotals(self.listeners, 2)
        self.addCleanup(self.totals.close)
        self.one, self.two = (
            SharedTotals(descriptor, self.listeners) for descriptor in self.totals.descriptors.values()
        )

    def opened(self, worker: SharedTotals, listener: Listener) -> Connection:
        connection = Connection(1, ADDRESS, ADDRESS, listener)
        worker.opened(connection)
        return connection

    def answer(self, worker: SharedTotals, connection: Connection) -> None:
        connection.messages += 2
        connection.received += 4
        connection.sent += 10
        worker.answered(connection, Block(b"a\nb\n", 2))

    def assert_counted(self, totals: Totals, messages: int, received: int, sent: int) -> None:
        self.assertEqual((totals.messages, totals.received, totals.sent), (messages, received, sent))

    def test_totals_of_workers_are_visible_immediately_and_added_up(self) -> None:
        for worker in (self.one, self.two):
            connection = self.opened(worker, self.plain)
            self.answer(worker, connection)
            self.answer(worker, connection)
            connection.received += 3  # These make no message.
            worker.closed(connection, EndReason.CLOSE_WORD)
            self.opened(worker, self.plain)
            worker.refused(self.plain, ADDRESS, RefusalReason.TOO_MANY)
            worker.failed(self.plain, ADDRESS, Layer.TLS, "for a reason")
        totals = self.totals.totals()[self.plain]
        self.assertEqual((totals.accepted, totals.open), (4, 2))
        self.assertEqual(totals.endings, Counter({EndReason.CLOSE_WORD: 2}))
        self.assertEqual(totals.refusals, Counter({RefusalReason.TOO_MANY: 2}))
        self.assertEqual(totals.failures, Counter({Layer.TLS: 2}))
        self.assert_counted(totals, 8, 22, 40)

    def test_each_listener_has_its_own_totals(self) -> None:
        self.answer(self.one, self.opened(self.one, self.secure))
        totals = self.totals.totals()
        self.assertEqual((totals[self.plain].accepted, totals[self.secure].accepted), (0, 1))
        self.assert_counted(totals[self.plain], 0, 0, 0)
        self.assert_counted(totals[self.secure], 2, 4, 10)

    def test_answered_and_dropped_datagrams_are_counted(self) -> None:
        for worker in (self.one, self.two):
            worker.answered_datagram(self.plain, ("192.0.2.1", 4000), b"abc", 16)
            worker.dropped(self.plain, ("192.0.2.1", 4000), b"exit", DropReason.CLOSE_WORD)
        self.totals.worker_ended(1)
        totals = self.totals.totals()[self.plain]
        self.assert_counted(totals, 2, 14, 32)
        self.assertEqual(totals.drops, Counter({DropReason.CLOSE_WORD: 2}))

    def test_the_service_time_of_each_message_is_counted(self) -> None:
        self.one.timed(self.plain, 2, 0.5)
        self.one.timed(self.plain, 2, 20)
        self.one.timed(self.secure, 1, 0.5)
        service = self.totals.totals()[self.plain].service
        self.assertAlmostEqual(service.seconds, 41)
        self.assertEqual({BOUNDS.index(0.5): 2, len(BOUNDS): 2}, {i: n for i, n in enumerate(service.buckets) if n})

    def test_open_connections_of_an_ended_worker_count_as_ended(self) -> None:
        self.answer(self.one, self.opened(self.one, self.plain))
        self.one.closed(self.opened(self.one, self.plain), EndReason.CLIENT)
        self.opened(self.two, self.plain)
        self.totals.worker_ended(1)
        totals = self.totals.totals()[self.plain]
        self.assertEqual((totals.accepted, totals.open), (3, 1))
        self.assertEqual(totals.endings, Counter({EndReason.WORKER: 1, EndReason.CLIENT: 1}))
        self.assert_counted(totals, 2, 4, 10)

    def test_totals_never_decrease_when_a_worker_is_restarted(self) -> None:
        self.opened(self.one, self.plain)
        self.totals.worker_ended(1)
        self.totals.worker_ended(1)
        self.assertEqual(self.totals.totals()[self.plain].accepted, 1)
        next_one = SharedTotals(self.totals.descriptors[1], self.listeners)
        self.answer(next_one, self.opened(next_one, self.plain))
        totals = self.totals.totals()[self.plain]
        self.assertEqual((totals.accepted, totals.open, totals.messages), (2, 1, 2))

    def test_open_connections_are_never_negative_while_a_worker_writes(self) -> None:
        descriptor = self.totals.descriptors[1]
        size = os.fstat(descriptor).st_size
        before = os.pread(descriptor, size, 0)
        self.one.closed(self.opened(self.one, self.plain), EndReason.CLIENT)
        after = os.pread(descriptor, size, 0)
        # It is read from the first cell to the last, and the worker does not wait.
        for read in range(0, size + 1, 8):
            os.pwrite(descriptor, before[:read] + after[read:], 0)
            self.assertGreaterEqual(self.totals.totals()[self.plain].open, 0)

    def test_each_worker_has_its_own_event_loop_lag(self) -> None:
        self.one.record_lag(0.002)
        self.one.record_lag(3)
        lags = self.totals.lags()
        self.assertEqual((sum(lags[1].buckets), sum(lags[2].buckets)), (2, 0))
        self.assertAlmostEqual(lags[1].seconds, 3.002)
        self.totals.worker_ended(1)
        self.assertEqual(sum(self.totals.lags()[1].buckets), 0)
