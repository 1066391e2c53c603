"""
Who may have a connection, where several processes serve.

What they hold together is in a database, since its transactions are what several processes need: they see the same,
one after the other, also after one of them was killed in the middle of it.
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
from echoreply.observe.observer import Connection, ReplyObserver

try:
    import fcntl
except ImportError:  # pragma: no cover  # Windows
    fcntl = None  # type: ignore[assignment]

_ALL = "*"
"""Stands for all hosts."""

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
    How many connections each worker holds, in all and from each host.

    @param path: of a database, which is made if there is none. Nobody needs it after a power failure.
    """

    def __init__(self, path: Path) -> None:
        self._lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        with self._turn():
            self._database = sqlite3.connect(path, isolation_level=None)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = OFF")
            self._database.execute(_TABLE)

    def take(self, worker: int, host: str, most: int, most_per_host: int) -> RefusalReason | None:
        """
        Note that a worker holds one more connection, if it may.

        @return: why it may not, if so.
        @raise OSError: it can't be known, as by L{sqlite3.Error}.
        """
        with self._transaction() as database:
            if most and self._held(_ALL) >= most:
                return RefusalReason.TOO_MANY
            if most_per_host and self._held(host) >= most_per_host:
                return RefusalReason.TOO_MANY_FROM_HOST
            database.executemany(_TAKE, [(_ALL, worker), (host, worker)])
        return None

    def give_back(self, worker: int, host: str) -> None:
        """Note that a worker holds one less."""
        places = [(_ALL, worker), (host, worker)]
        with self._transaction() as database:
            database.executemany(_GIVE_BACK, places)
            database.executemany(_TIDY, places)

    def forget(self, worker: int) -> None:
        """Note that a worker holds nothing: it has ended."""
        with self._transaction() as database:
            database.execute("DELETE FROM held WHERE worker = ?", [worker])

    def close(self) -> None:
        """Close the database."""
        with self._turn():
            self._database.close()
        os.close(self._lock)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        # SQLite's own way to wait for its turn is to try again later, and later still, and in the end to fail.
        # Not os.lockf, which a signal interrupts: PEP 475.
        fcntl.lockf(self._lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._lock, fcntl.LOCK_UN)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._turn(), self._database as database:
            database.execute("BEGIN IMMEDIATE")
            yield database

    def _held(self, host: str) -> float:
        ((count,),) = self._database.execute(_HELD, [host])
        return float(count)


class SharedLimits(ReplyObserver):
    """
    Bounds how many connections there are at once, in several processes together.

    @param worker: the number of this process.
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
        Give the reason to refuse a client that connects now, if there is one.

        If there is none, its place is taken already: another process may ask the same at the same time.
        """
        try:
            return self._shared_limits.take(self._worker, host_of(peer), self._most, self._most_per_host)
        except (OSError, sqlite3.Error):
            log_event(SharedLimitsFault())
            return RefusalReason.TOO_MANY

    def closed(self, connection: Connection, reason: EndReason) -> None:
        """Give its place back."""
        self._shared_limits.give_back(self._worker, host_of(connection.peer))
