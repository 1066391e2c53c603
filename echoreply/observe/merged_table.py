"""A table of connections that merges the tables of several processes, from the changes that they send."""

from __future__ import annotations

from collections.abc import Callable

from echoreply.observe.connection_table import COUNTS, Changes, Row, make_changes, named


class MergedTable:
    """
    A L{Table <echoreply.observe.connection_table.Table>} that merges the changes of several others.

    @param unix_time: returns seconds since 1970.
    """

    def __init__(self, unix_time: Callable[[], float]) -> None:
        self._unix_time = unix_time
        # The current rows; the ids of those opened and of those changed since the last take_changes(), as ordered sets;
        # and the rows closed since.
        self._rows: dict[str, Row] = {}
        self._opened: dict[str, None] = {}
        self._changed: dict[str, None] = {}
        self._closed: dict[str, Row] = {}

    @property
    def size(self) -> int:
        return len(self._rows) - len(self._opened) + len(self._closed)

    def add(self, prefix: str, changes: Changes) -> None:
        """
        Apply the changes of one of the tables.

        @param prefix: the prefix of the ids of its rows, which no other table has.
        """
        if changes["reset"]:
            self.close(prefix)
        for row_id in changes["closed"]:
            self._close(row_id)
        for values in changes["opened"]:
            row = Row(*values)  # JSON turns named tuples into lists.
            self._rows[row.id] = row
            self._opened[row.id] = None
        now = round(self._unix_time(), 1)
        changed = changes["changed"]
        for row_id, *counts in zip(changed["id"], *(changed[name] for name in COUNTS), strict=True):
            # Changes that were sent before a reset can arrive after it.
            if before := self._rows.get(row_id):
                row = before._replace(**named(tuple(counts)))
                self._rows[row_id] = row._replace(active=now) if row.received != before.received else row
                self._changed[row_id] = None

    def close(self, prefix: str) -> None:
        """Remove all rows whose ids begin with a prefix, such as those of a process that has ended."""
        for row_id in [row_id for row_id in self._rows if row_id.startswith(prefix)]:
            self._close(row_id)

    def take_changes(self) -> Changes:
        taken = make_changes(
            closed=list(self._closed),
            opened=[self._rows[row_id] for row_id in self._opened],
            changed={
                row_id: tuple(getattr(self._rows[row_id], name) for name in COUNTS)
                for row_id in self._changed
                if row_id not in self._opened
            },
        )
        self._opened, self._changed, self._closed = {}, {}, {}
        return taken

    def rows(self) -> list[Row]:
        return [*self._closed.values(), *(row for row_id, row in self._rows.items() if row_id not in self._opened)]

    def reset(self) -> None:
        """Empty the table. The merged tables have to be reset as well."""
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
