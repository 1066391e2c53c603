"""Limits on the connections of all workers together."""

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress
from twisted.trial.unittest import SynchronousTestCase

from echoreply.core.reasons import EndReason, RefusalReason
from echoreply.observe.observer import Connection
from echoreply.server.limits import ConnectionLimits
from echoreply.server.workers.shared_limits import LimitsDatabase, SharedLimits

HOST = IPv4Address("TCP", "192.0.2.9", 8088)
HOSTS = ["192.0.2.1", "192.0.2.2", "2001:db8::1", "::ffff:192.0.2.1"]


def connection_from(host: str) -> Connection:
    peer: IAddress = IPv6Address("TCP", host, 4000) if ":" in host else IPv4Address("TCP", host, 4000)
    return Connection(1, peer, HOST)


class SharedLimitsTests(SynchronousTestCase):
    def setUp(self) -> None:
        directory = TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = Path(directory.name) / "shared_limits"

    def shared_limits(self) -> LimitsDatabase:
        shared_limits = LimitsDatabase(self.path)
        self.addCleanup(shared_limits.close)
        return shared_limits

    def workers(self, max_connections: int = 0, max_per_host: int = 0) -> list[SharedLimits]:
        """Return the limits of two workers, each with a database connection of its own."""
        return [SharedLimits(self.shared_limits(), worker, max_connections, max_per_host) for worker in (1, 2)]

    def test_a_signal_does_not_interrupt_waiting_for_the_lock(self) -> None:
        shared_limits = self.shared_limits()
        hold = (
            "import fcntl, sys; file = open(sys.argv[1], 'w'); fcntl.lockf(file, fcntl.LOCK_EX);"
            "print('held', flush=True); sys.stdin.read()"
        )
        command = [sys.executable, "-c", hold, str(self.path.with_suffix(".lock"))]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
            assert holder.stdin
            assert holder.stdout
            self.assertEqual(holder.stdout.readline(), b"held\n")
            end_of_input = holder.stdin
            before = signal.signal(signal.SIGALRM, lambda *_: end_of_input.close())
            self.addCleanup(signal.signal, signal.SIGALRM, before)
            # Should it come before the wait begins, the next one comes in it, or nobody waits any more.
            signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
            self.addCleanup(signal.setitimer, signal.ITIMER_REAL, 0)
            self.assertIsNone(shared_limits.take(1, "192.0.2.1", 1, 1))

    def test_connections_of_all_workers_count_towards_the_limit(self) -> None:
        first, second = self.workers(max_connections=2)
        connection = connection_from("192.0.2.1")
        self.assertIsNone(first.refusal(connection.peer))
        self.assertIsNone(second.refusal(connection.peer))
        for limits in (first, second):
            self.assertIs(limits.refusal(connection.peer), RefusalReason.TOO_MANY)
        second.closed(connection, EndReason.CLIENT)
        self.assertIsNone(first.refusal(connection.peer))
        self.assertIs(second.refusal(connection.peer), RefusalReason.TOO_MANY)

    def test_a_host_has_its_own_limit(self) -> None:
        first, second = self.workers(max_per_host=1)
        self.assertIsNone(first.refusal(connection_from("::ffff:192.0.2.1").peer))
        self.assertIs(second.refusal(connection_from("192.0.2.1").peer), RefusalReason.TOO_MANY_FROM_HOST)
        self.assertIsNone(second.refusal(connection_from("192.0.2.2").peer))

    def test_the_counts_of_a_worker_can_be_reset(self) -> None:
        first, second = self.workers(max_connections=3, max_per_host=3)
        peer = connection_from("192.0.2.1").peer
        for limits in (first, first, second):
            self.assertIsNone(limits.refusal(peer))
        self.shared_limits().reset(1)
        self.assertEqual([second.refusal(peer) for _ in range(3)], [None, None, RefusalReason.TOO_MANY])

    def test_a_client_is_refused_if_the_counts_can_not_be_read(self) -> None:
        (first, _) = self.workers(max_connections=1)
        sqlite3.connect(self.path).execute("DROP TABLE held")
        self.assertIs(first.refusal(connection_from("192.0.2.1").peer), RefusalReason.TOO_MANY)
        self.assertEqual(len(self.flushLoggedErrors()), 1)

    @given(st.lists(st.tuples(st.integers(0, 1), st.sampled_from(HOSTS), st.booleans()), max_size=40))
    def test_two_workers_limit_like_one_process(self, steps: list[tuple[int, str, bool]]) -> None:
        workers = self.workers(max_connections=4, max_per_host=2)
        for worker in (1, 2):
            self.shared_limits().reset(worker)
        one = ConnectionLimits(4, 2)
        held: list[list[Connection]] = [[], []]
        for worker, host, comes in steps:
            if comes:
                connection = connection_from(host)
                reason = one.refusal(connection.peer)
                self.assertIs(workers[worker].refusal(connection.peer), reason)
                if not reason:
                    held[worker].append(connection)
                    one.opened(connection)
                    workers[worker].opened(connection)
            elif held[worker]:
                connection = held[worker].pop(0)
                one.closed(connection, EndReason.CLIENT)
                workers[worker].closed(connection, EndReason.CLIENT)

    def test_hosts_without_connections_have_no_row(self) -> None:
        (first, _) = self.workers(max_connections=1)
        connection = connection_from("192.0.2.1")
        first.refusal(connection.peer)
        first.closed(connection, EndReason.CLIENT)
        rows = sqlite3.connect(self.path).execute("SELECT * FROM held").fetchall()
        self.assertEqual(rows, [])
