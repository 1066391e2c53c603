"""
Limits on the connections of all workers together.

The counts are in a database: its transactions are atomic for several processes, also if one of them is killed within
one.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from twisted.internet.interfaces import IAddress

from echoreply.core.reasons import EndReason, RefusalReason
from echoreply.net.addresses import host_of
from echoreply.observe.event import log_event
from echoreply.observe.events import SharedLimitsFault
from echoreply.observe.observer import Connection
from echoreply.server.limits import Limit

try:
    import fcntl
except ImportError:  # pragma: no cover  # Windows
    fcntl = None  # type: ignore[assignment]

_ALL = "*"
"""The row for all hosts together."""

_TABLE = """
CREATE TABLE IF NOT EXISTS held (
    host TEXT, worker INTEGER, count INTEGER, PRIMARY KEY (host, worker)
) WITHOUT ROWID
"""
_HELD = "SELECT total(count) FROM held WHERE host = ?"
_TAKE = "INSERT INTO held VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET count = count + 1"
_GIVE_BACK = "UPDATE held SET count = count - 1 WHERE host = ? AND worker = ?"
_TIDY = "DELETE FROM held WHERE host = ? AND worker = ? AND count = 0"


class LimitsDatabase:
    """
    Counts the connections of each worker, in all and from each host.

    @param path: the path of the database, which is created if there is none. It need not survive a power failure.
    """

    def __init__(self, path: Path) -> None:
        self._lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        with self._locked():
            self._database = sqlite3.connect(path, isolation_level=None)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = OFF")
            self._database.execute(_TABLE)

    def take(self, worker: int, host: str, most: int, most_per_host: int) -> RefusalReason | None:
        """
        Count one more connection of a worker, unless it is over a limit.

        @return: the reason if it is over a limit.
        @raise OSError: the counts can't be read; so does L{sqlite3.Error}.
        """
        with self._transaction() as database:
            if most and self._held(_ALL) >= most:
                return RefusalReason.TOO_MANY
            if most_per_host and self._held(host) >= most_per_host:
                return RefusalReason.TOO_MANY_FROM_HOST
            database.executemany(_TAKE, [(_ALL, worker), (host, worker)])
        return None

    def give_back(self, worker: int, host: str) -> None:
        """Count one connection less."""
        places = [(_ALL, worker), (host, worker)]
        with self._transaction() as database:
            database.executemany(_GIVE_BACK, places)
            database.executemany(_TIDY, places)

    def forget(self, worker: int) -> None:
        """Count no connection for a worker: it has ended."""
        with self._transaction() as database:
            database.execute("DELETE FROM held WHERE worker = ?", [worker])

    def close(self) -> None:
        """Close the database."""
        with self._locked():
            self._database.close()
        os.close(self._lock)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        # SQLite itself waits for a lock by retrying at growing intervals, and fails in the end. os.lockf would be
        # interrupted by a signal: PEP 475.
        fcntl.lockf(self._lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._lock, fcntl.LOCK_UN)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._locked(), self._database as database:
            database.execute("BEGIN IMMEDIATE")
            yield database

    def _held(self, host: str) -> float:
        ((count,),) = self._database.execute(_HELD, [host])
        return float(count)


class SharedLimits(Limit):
    """
    Limits the connections of all workers together.

    @param worker: the number of this worker.
    @param most: connections in all, at most; 0 is no limit.
    @param most_per_host: connections from one IP address, at most; 0 is no limit.
    """

    def __init__(self, shared_limits: LimitsDatabase, worker: int, most: int = 0, most_per_host: int = 0) -> None:
        self._shared_limits = shared_limits
        self._worker = worker
        self._most = most
        self._most_per_host = most_per_host

    def refusal(self, peer: IAddress) -> RefusalReason | None:
        """
        Return the reason to refuse a client that connects now, if there is one.

        If there is none, the client is counted at once: another worker may ask at the same time.
        """
        try:
            return self._shared_limits.take(self._worker, host_of(peer), self._most, self._most_per_host)
        except (OSError, sqlite3.Error):
            log_event(SharedLimitsFault())
            return RefusalReason.TOO_MANY

    def closed(self, connection: Connection, reason: EndReason) -> None:
        self._shared_limits.give_back(self._worker, host_of(connection.peer))
