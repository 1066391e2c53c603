"""A table of the open connections, and its changes since it was last read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, NamedTuple, Protocol, TypedDict

from echoreply.core.connection_info import TLSDetails
from echoreply.core.reasons import EndReason
from echoreply.net.addresses import format_address
from echoreply.observe.observer import Connection, ReplyObserver

MAX_ROWS = 10_000
"""Maximum rows in the table: the connections that have been open for longest."""


class Row(NamedTuple):
    """
    One connection. Each field is a column of the table, and has the column's name in JSON.

    @ivar id: the connection's number, after the table's prefix.
    @ivar client: the client's address.
    @ivar server: the server's address.
    @ivar transport: C{tcp}, C{tls} or C{unix}.
    @ivar tls: the result of the TLS handshake, as one text; empty before it and without TLS.
    @ivar opened: when the connection was accepted, in Unix seconds.
    @ivar active: when the client last sent something, in Unix seconds.
    @ivar messages: messages answered.
    @ivar received: bytes read.
    @ivar sent: bytes of replies.
    """

    id: str
    client: str
    server: str
    transport: str
    tls: str
    opened: float
    active: float
    messages: int
    received: int
    sent: int


COUNTS = ("messages", "received", "sent")
"""The columns that change while a connection is open. L{Connection} has attributes of the same names."""

Counts = tuple[int, ...]
"""The values of L{COUNTS}."""

_counts_of: Callable[[Connection], Counts] = attrgetter(*COUNTS)


class Changes(TypedDict):
    """
    The difference between two states of a table, as JSON: rows are removed, then added, then counts change.

    @ivar reset: whether all rows are removed first.
    @ivar closed: the ids of rows to remove.
    @ivar opened: the rows to add.
    @ivar changed: the new counts: C{id} and each of L{COUNTS}, as columns of equal length.
    """

    reset: bool
    closed: list[str]
    opened: list[Row]
    changed: dict[str, list[Any]]


class Table(Protocol):
    """
    A table of connections, whose reader takes its changes once a second.

    Between two calls of C{take_changes}, C{len()} and C{rows} stay the same.
    """

    def take_changes(self) -> Changes:
        """Return what has changed since the last call."""

    def rows(self) -> list[Row]:
        """Return all rows, as they were at the last call of C{take_changes}."""

    def reset(self) -> None:
        """Empty the table. The next call of C{take_changes} returns all open connections as new rows."""

    @property
    def size(self) -> int:
        """The number of rows at the last call of C{take_changes}."""


def make_changes(
    *,
    reset: bool = False,
    closed: list[str] | None = None,
    opened: list[Row] | None = None,
    changed: Mapping[str, Counts] | None = None,
) -> Changes:
    """
    Return changes of a table.

    @param changed: the new counts of rows, by their ids.
    """
    counts = changed or {}
    columns = {name: [each[index] for each in counts.values()] for index, name in enumerate(COUNTS)}
    return {"reset": reset, "closed": closed or [], "opened": opened or [], "changed": {"id": [*counts], **columns}}


def named(counts: Counts) -> dict[str, Any]:
    """Return counts by the names of their columns."""
    return dict(zip(COUNTS, counts, strict=True))


class ConnectionTable(ReplyObserver):
    """
    The L{Table} of one process. It has to observe the server.

    It does nothing for each message: it compares the counts of all connections when it is read.

    @param now: the clock of the times in L{Connection}, such as a sampling clock's C{now}.
    @param unix_time: returns seconds since 1970.
    @param max_rows: maximum number of rows.
    @param prefix: the prefix of the ids of rows.
    """

    def __init__(
        self,
        now: Callable[[], float],
        unix_time: Callable[[], float],
        max_rows: int = MAX_ROWS,
        prefix: str = "",
    ) -> None:
        self._now = now
        self._unix_time = unix_time
        self._max_rows = max_rows
        self._prefix = prefix
        # The connections in the table, with the counts that were last returned.
        self._shown: dict[Connection, Counts] = {}
        # Those that have closed since, with their counts.
        self._closed: dict[Connection, Counts] = {}
        # Those that have opened since, or for which the table had no room: an ordered set.
        self._waiting: dict[Connection, None] = {}
        self._reset = True

    @property
    def size(self) -> int:
        return len(self._shown) + len(self._closed)

    def take_changes(self) -> Changes:
        reset, self._reset = self._reset, False
        closed, self._closed = [self._id(connection) for connection in self._closed], {}
        changed: dict[str, Counts] = {}
        shown = self._shown
        for connection, before in shown.items():
            now = _counts_of(connection)
            if now != before:
                shown[connection] = changed[self._id(connection)] = now
        room = range(self._max_rows - len(shown))
        opened = {connection: _counts_of(connection) for connection, _ in zip(self._waiting, room, strict=False)}
        for connection in opened:
            del self._waiting[connection]
        shown.update(opened)
        return make_changes(reset=reset, closed=closed, opened=self._rows(opened), changed=changed)

    def rows(self) -> list[Row]:
        return self._rows({**self._closed, **self._shown})

    def reset(self) -> None:
        self._waiting = {**dict.fromkeys(self._shown), **self._waiting}
        self._shown = {}
        self._closed = {}
        self._reset = True

    def opened(self, connection: Connection) -> None:
        self._waiting[connection] = None

    def handshake_completed(self, connection: Connection, details: TLSDetails) -> None:
        # Its row is replaced by one with the result of the handshake.
        if connection in self._shown:
            self._remove(connection)
            self._waiting[connection] = None

    def closed(self, connection: Connection, reason: EndReason) -> None:
        self._remove(connection)

    def _remove(self, connection: Connection) -> None:
        if counts := self._shown.pop(connection, None):
            self._closed[connection] = counts
        else:
            del self._waiting[connection]

    def _id(self, connection: Connection) -> str:
        return f"{self._prefix}{connection.number}"

    def _rows(self, connections: Mapping[Connection, Counts]) -> list[Row]:
        offset = self._unix_time() - self._now()
        return [
            Row(
                id=self._id(connection),
                client=format_address(connection.peer),
                server=format_address(connection.host),
                transport=connection.listener.transport,
                tls=_format_tls(connection.tls),
                opened=round(connection.opened + offset, 1),
                active=round(connection.heard + offset, 1),
                **named(counts),
            )
            for connection, counts in connections.items()
        ]


def _format_tls(tls: TLSDetails | None) -> str:
    return " ".join(filter(None, (tls.version, tls.cipher, tls.server_name, tls.alpn, tls.client))) if tls else ""
