"""
Limits on the connections of all workers together.

The counts are in a database, whose transactions are atomic for several processes, even if one of them is killed.
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
from echoreply.observe.event_logging import log_event
from echoreply.observe.events import SharedLimitsFault
from echoreply.observe.observer import Connection
from echoreply.server.limits import Limit

try:
    import fcntl
except ImportError:  # pragma: no cover  # Windows
    fcntl = None  # type: ignore[assignment]

_ALL = "*"
"""The host of the row for all hosts together."""

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

    @param path: the path of the database, which is created if it does not exist. It need not survive a power failure.
    """

    def __init__(self, path: Path) -> None:
        self._lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        with self._locked():
            self._database = sqlite3.connect(path, isolation_level=None)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = OFF")
            self._database.execute(_TABLE)

    def take(self, worker: int, host: str, max_connections: int, max_per_host: int) -> RefusalReason | None:
        """
        Count a connection of a worker, unless it is over a limit.

        @return: the reason if it is over a limit.
        @raise OSError: the counts can't be read; or L{sqlite3.Error}.
        """
        with self._transaction() as database:
            if max_connections and self._held(_ALL) >= max_connections:
                return RefusalReason.TOO_MANY
            if max_per_host and self._held(host) >= max_per_host:
                return RefusalReason.TOO_MANY_FROM_HOST
            database.executemany(_TAKE, [(_ALL, worker), (host, worker)])
        return None

    def give_back(self, worker: int, host: str) -> None:
        """Remove a connection from the counts."""
        places = [(_ALL, worker), (host, worker)]
        with self._transaction() as database:
            database.executemany(_GIVE_BACK, places)
            database.executemany(_TIDY, places)

    def reset(self, worker: int) -> None:
        """Set the counts of a worker, which has ended, to 0."""
        with self._transaction() as database:
            database.execute("DELETE FROM held WHERE worker = ?", [worker])

    def close(self) -> None:
        """Close the database."""
        with self._locked():
            self._database.close()
        os.close(self._lock)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        # SQLite itself waits for a lock by retrying at growing intervals, and fails in the end. Unlike os.lockf, this
        # is not interrupted by signals: PEP 475.
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
    @param max_connections: maximum connections in all; 0 is no limit.
    @param max_per_host: maximum connections from one IP address; 0 is no limit.
    """

    def __init__(self, database: LimitsDatabase, worker: int, max_connections: int = 0, max_per_host: int = 0) -> None:
        self._database = database
        self._worker = worker
        self._max_connections = max_connections
        self._max_per_host = max_per_host

    def refusal(self, peer: IAddress) -> RefusalReason | None:
        """
        Return the reason to refuse a client that connects now, if there is one.

        If there is none, the client is counted immediately: another worker may check at the same time.
        """
        try:
            return self._database.take(self._worker, host_of(peer), self._max_connections, self._max_per_host)
        except (OSError, sqlite3.Error):
            log_event(SharedLimitsFault())
            return RefusalReason.TOO_MANY

    def closed(self, connection: Connection, reason: EndReason) -> None:
        self._database.give_back(self._worker, host_of(connection.peer))
