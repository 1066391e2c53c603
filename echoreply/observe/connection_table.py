"""The connections that are open, as rows of a table, and what has changed of them since somebody last looked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypedDict

from echoreply.core.connection_info import TLSDetails
from echoreply.core.reasons import EndReason
from echoreply.net.addresses import format_address
from echoreply.observe.observer import Connection, ReplyObserver

MOST_ROWS = 10_000
"""Connections that are in the table, at most: those who came first."""

Row = tuple[str, str, str, str, str, float, float, int, int, int]
"""
Which connection it is, the client's address, ours, the transport, what TLS has come to, when it was accepted and when
it was last heard of, in Unix seconds; how many messages, bytes that were read, and bytes that were written.
"""


class Columns(TypedDict):
    """The totals of several connections."""

    id: list[str]
    messages: list[int]
    received: list[int]
    sent: list[int]


class Changes(TypedDict):
    """
    What is new: first rows are taken away, then others come, then totals change. It can be written as JSON.

    @ivar anew: whether all that was told before is void.
    """

    anew: bool
    closed: list[str]
    opened: list[Row]
    changed: Columns


class Table(Protocol):
    """The rows, for whoever shows them."""

    def look(self) -> Changes:
        """Give what has changed since the last look."""

    def rows(self) -> list[Row]:
        """Give all of them, as they were at the last look."""

    def forget(self) -> None:
        """Begin anew: nobody has looked, or looks any more. The next look gives all rows that there are."""

    def __len__(self) -> int:
        """Tell how many rows there were at the last look."""


def no_changes() -> Changes:
    """Give changes that are none, for others to be added."""
    return {
        "anew": False,
        "closed": [],
        "opened": [],
        "changed": {"id": [], "messages": [], "received": [], "sent": []},
    }


class ConnectionTable(ReplyObserver):
    """
    The L{Table} of the connections of one process. It has to observe its server, to know.

    A message costs it nothing: it looks at the connections only when it is looked at.

    @param now: gives the time as the sampling_clock of the server's factory does.
    @param unix_time: gives seconds since 1970.
    @param most: how many rows there are, at most.
    @param prefix: what the names of rows begin with.
    """

    def __init__(
        self,
        now: Callable[[], float],
        unix_time: Callable[[], float],
        most: int = MOST_ROWS,
        prefix: str = "",
    ) -> None:
        self._now = now
        self._unix_time = unix_time
        self._most = most
        self._prefix = prefix
        self._told: dict[Connection, tuple[int, int, int]] = {}
        # Those without a row of which anybody knows; a dictionary, for its order.
        self._untold: dict[Connection, None] = {}
        # Those that were open at the last look.
        self._closed: dict[Connection, tuple[int, int, int]] = {}
        self._anew = True

    def __len__(self) -> int:
        """Tell how many rows there were at the last look."""
        return len(self._told) + len(self._closed)

    def look(self) -> Changes:
        """Give what has changed since the last look."""
        changes = no_changes()
        changes["anew"], self._anew = self._anew, False
        changes["closed"] = [self._id(connection) for connection in self._closed]
        self._closed = {}
        changed = changes["changed"]
        told = self._told
        for connection, before in told.items():
            now = connection.messages, connection.received, connection.sent
            if now != before:
                told[connection] = now
                changed["id"].append(self._id(connection))
                changed["messages"].append(now[0])
                changed["received"].append(now[1])
                changed["sent"].append(now[2])
        room = self._most - len(told)
        new = [connection for connection, _ in zip(self._untold, range(room), strict=False)]
        for connection in new:
            del self._untold[connection]
            told[connection] = connection.messages, connection.received, connection.sent
        changes["opened"] = self._rows({connection: told[connection] for connection in new})
        return changes

    def rows(self) -> list[Row]:
        """Give all rows, as they were at the last look."""
        return self._rows({**self._closed, **self._told})

    def forget(self) -> None:
        """Begin anew."""
        self._untold = {**dict.fromkeys(self._told), **self._untold}
        self._told = {}
        self._closed = {}
        self._anew = True

    # What observers are told.

    def opened(self, connection: Connection) -> None:
        """Take note of it."""
        self._untold[connection] = None

    def secured(self, connection: Connection, details: TLSDetails) -> None:
        """Have its row told again, if it was told."""
        if connection in self._told:
            self._take_away(connection)
            self.opened(connection)

    def closed(self, connection: Connection, reason: EndReason) -> None:
        """Take note of it."""
        self._take_away(connection)

    def _take_away(self, connection: Connection) -> None:
        if told := self._told.pop(connection, None):
            self._closed[connection] = told
        else:
            del self._untold[connection]

    def _id(self, connection: Connection) -> str:
        return f"{self._prefix}{connection.number}"

    def _rows(self, connections: Mapping[Connection, tuple[int, int, int]]) -> list[Row]:
        ahead = self._unix_time() - self._now()
        return [
            (
                self._id(connection),
                format_address(connection.peer),
                format_address(connection.host),
                connection.listener.transport,
                _words(connection.tls),
                round(connection.opened + ahead, 1),
                round(connection.heard + ahead, 1),
                *told,
            )
            for connection, told in connections.items()
        ]


def _words(tls: TLSDetails | None) -> str:
    return " ".join(filter(None, (tls.version, tls.cipher, tls.server_name, tls.alpn, tls.client))) if tls else ""


class MergedTable:
    """
    A L{Table} of what several others tell.

    @param unix_time: gives seconds since 1970.
    """

    def __init__(self, unix_time: Callable[[], float]) -> None:
        self._unix_time = unix_time
        self._rows: dict[str, Row] = {}
        self._opened: dict[str, None] = {}
        self._changed: dict[str, None] = {}
        # Those that were there at the last look.
        self._closed: dict[str, Row] = {}

    def __len__(self) -> int:
        """Tell how many rows there were at the last look."""
        return len(self._rows) - len(self._opened) + len(self._closed)

    def add(self, prefix: str, changes: Changes) -> None:
        """
        Take what one of them has told.

        @param prefix: what the names of its rows begin with, and no others.
        """
        if changes["anew"]:
            self.close(prefix)
        for row_id in changes["closed"]:
            self._close(row_id)
        for row in changes["opened"]:
            self._rows[row[0]] = row
            self._opened[row[0]] = None
        now = round(self._unix_time(), 1)
        changed = changes["changed"]
        columns = (changed["id"], changed["messages"], changed["received"], changed["sent"])
        for row_id, messages, received, sent in zip(*columns, strict=True):
            # What was asked for before everything was forgotten may come after it.
            if before := self._rows.get(row_id):
                heard = now if received != before[8] else before[6]
                self._rows[row_id] = (*before[:6], heard, messages, received, sent)
                self._changed[row_id] = None

    def close(self, prefix: str) -> None:
        """Take away the rows whose names begin so: nobody tells of them any more."""
        for row_id in [row_id for row_id in self._rows if row_id.startswith(prefix)]:
            self._close(row_id)

    def look(self) -> Changes:
        """Give what has changed since the last look."""
        changes = no_changes()
        changes["closed"] = list(self._closed)
        changes["opened"] = [self._rows[row_id] for row_id in self._opened]
        changed = [self._rows[row_id] for row_id in self._changed if row_id not in self._opened]
        changes["changed"] = {
            "id": [row[0] for row in changed],
            "messages": [row[7] for row in changed],
            "received": [row[8] for row in changed],
            "sent": [row[9] for row in changed],
        }
        self._opened, self._changed, self._closed = {}, {}, {}
        return changes

    def rows(self) -> list[Row]:
        """Give all rows that there were at the last look."""
        return [*self._closed.values(), *(row for row_id, row in self._rows.items() if row_id not in self._opened)]

    def forget(self) -> None:
        """Begin anew. Those who tell have to begin anew as well."""
        self._rows, self._opened, self._changed, self._closed = {}, {}, {}, {}

    def _close(self, row_id: str) -> None:
        row = self._rows.pop(row_id, None)
        if row is None:
            return
        self._changed.pop(row_id, None)
        if row_id in self._opened:
            del self._opened[row_id]
        else:
            self._closed[row_id] = row
