"""One table of connections made from several."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from echoreply.core.connection_info import TLSDetails
from echoreply.core.reasons import EndReason
from echoreply.observe.connection_table import ConnectionTable
from echoreply.observe.merged_table import MergedTable
from echoreply.observe.observer import Connection
from tests.observe.test_connection_table import Page, TableTestCase, totals_of

STEPS = st.sampled_from(["open", "answer", "close", "secure", "tell", "look", "come"])


class MergedTableTests(TableTestCase):
    def table(self) -> MergedTable:
        return MergedTable(lambda: self.now + 1_000_000)

    def test_several_tables_are_merged(self) -> None:
        table, page = self.table(), Page()
        one, two = self.process_table(prefix="1."), self.process_table(prefix="2.")
        connection = self.open(one)
        self.open(two)
        for prefix, process_table in (("1.", one), ("2.", two)):
            table.add(prefix, process_table.take_changes())
        page.take(table.take_changes())
        self.answer(connection)
        table.add("1.", one.take_changes())
        page.take(table.take_changes())
        self.assertEqual(page.totals, {"1.1": (1, 2, 15), "2.2": (0, 0, 0)})
        self.assertEqual({row.id: row for row in table.rows()}, {**page.rows, "1.1": table.rows()[0]})

    def test_rows_of_an_ended_process_are_removed_and_their_ids_can_be_reused(self) -> None:
        table, page = self.table(), Page()
        process_table = self.process_table(prefix="1.")
        self.open(process_table)
        table.add("1.", process_table.take_changes())
        page.take(table.take_changes())
        table.close("1.")
        self.opened = 0
        following = self.process_table(prefix="1.")
        self.now += 9
        self.open(following)
        table.add("1.", following.take_changes())
        page.take(table.take_changes())
        self.assertEqual([row.opened for row in page.rows.values()], [1_000_109.0])

    def test_changes_that_arrive_after_a_reset_do_no_harm(self) -> None:
        table, page = self.table(), Page()
        process_table = self.process_table(prefix="1.")
        connection = self.open(process_table)
        table.add("1.", process_table.take_changes())
        table.take_changes()
        self.answer(connection)
        late = process_table.take_changes()
        table.reset()
        process_table.reset()
        table.add("1.", late)
        page.take(table.take_changes())
        table.add("1.", process_table.take_changes())
        page.take(table.take_changes())
        self.assertEqual(page.totals, {"1.1": (1, 2, 15)})

    @given(st.lists(st.tuples(STEPS, st.integers(0, 3))))
    def test_applying_changes_at_any_time_leads_to_the_current_rows(self, steps: list[tuple[str, int]]) -> None:
        self.opened = 0
        tables = {prefix: self.process_table(max_rows=3, prefix=prefix) for prefix in ("1.", "2.")}
        table, pages = self.table(), [Page()]
        live: list[tuple[ConnectionTable, Connection]] = []
        for step, which in steps:
            process_table = tables["2." if which % 2 else "1."]
            if step == "open":
                live.append((process_table, self.open(process_table)))
            elif step == "tell":
                table.add("2." if which % 2 else "1.", process_table.take_changes())
            elif step == "look":
                changes = table.take_changes()
                for page in pages:
                    page.take(changes)
                    self.assertEqual({row.id: totals_of(row) for row in table.rows()}, page.totals)
                    self.assertEqual(table.size, len(page.rows))
            elif step == "come":
                pages.append(Page(table.rows()))
            elif which < len(live):
                process_table, connection = live[which]
                if step == "answer":
                    self.answer(connection)
                elif step == "close":
                    process_table.closed(connection, EndReason.CLIENT)
                    del live[which]
                else:
                    process_table.handshake_completed(connection, TLSDetails("TLSv1.3", "TLS_AES_128_GCM_SHA256"))
        for prefix, process_table in tables.items():
            table.add(prefix, process_table.take_changes())
        changes = table.take_changes()
        there = {row.id: totals_of(row) for process_table in tables.values() for row in process_table.rows()}
        for page in pages:
            page.take(changes)
            self.assertEqual(page.totals, there)
        self.assertEqual(table.size, len(there))
