"""What a worker process has counted, in memory that it shares."""

import os
from collections import Counter

from twisted.internet.address import IPv4Address
from twisted.trial.unittest import SynchronousTestCase

from echoreply.framing import Block
from echoreply.observer import Connection, Counts
from echoreply.reasons import CloseReason
from echoreply.scoreboard import Scoreboard, new_scoreboard

ADDRESS = IPv4Address("TCP", "192.0.2.1", 4000)


class ScoreboardTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.descriptor = new_scoreboard()
        self.addCleanup(os.close, self.descriptor)
        self.worker = Scoreboard(self.descriptor)
        self.counts = Counts()

    def opened(self) -> Connection:
        connection = Connection(1, ADDRESS, ADDRESS)
        self.worker.opened(connection)
        return connection

    def answer(self, connection: Connection) -> None:
        connection.messages += 2
        connection.received += 4
        connection.sent += 10
        self.worker.answered(connection, Block(b"a\nb\n", 2))

    def move(self) -> None:
        Scoreboard(self.descriptor).move_to(self.counts)

    def test_what_a_worker_counted_is_added(self) -> None:
        for _ in range(2):
            connection = self.opened()
            self.answer(connection)
            self.answer(connection)
            connection.received += 3  # These make no message.
            self.worker.closed(connection, CloseReason.FAREWELL)
            self.worker.refused(ADDRESS, CloseReason.TOO_MANY)
        self.move()
        counts = self.counts
        self.assertEqual((counts.accepted, counts.open), (2, 0))
        self.assertEqual(counts.endings, Counter({CloseReason.FAREWELL: 2}))
        self.assertEqual(counts.refusals, Counter({CloseReason.TOO_MANY: 2}))
        self.assertEqual((counts.messages, counts.received, counts.sent), (8, 22, 40))

    def test_connections_that_were_open_ended_with_the_worker(self) -> None:
        self.answer(self.opened())
        self.worker.closed(self.opened(), CloseReason.CLIENT)
        self.move()
        self.assertEqual(self.counts.accepted, 2)
        self.assertEqual(self.counts.endings, Counter({CloseReason.WORKER: 1, CloseReason.CLIENT: 1}))
        self.assertEqual((self.counts.messages, self.counts.received, self.counts.sent), (2, 4, 10))

    def test_then_it_begins_anew(self) -> None:
        self.opened()
        self.move()
        self.move()
        self.assertEqual(self.counts.accepted, 1)
