"""The connections that are open, as rows, and what has changed of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import cast

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.interfaces import IAddress
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from echoreply.circumstances import TLSDetails
from echoreply.observer import Connection, IReplyObserver, Listener
from echoreply.reasons import CloseReason
from echoreply.roster import Changes, MergedTable, Roster, Row, no_changes

HOST = IPv4Address("TCP", "192.0.2.9", 8088)
PEER = IPv4Address("TCP", "192.0.2.1", 4000)
LISTENER = Listener(host=HOST)
STEPS = st.sampled_from(["open", "answer", "close", "secure", "tell", "look", "come"])


class Page:
    """Keeps rows as the page does, from those that there are when it comes."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self.rows = {row[0]: row for row in rows}

    def take(self, changes: Changes) -> None:
        changes = json.loads(json.dumps(changes))
        for name in changes["closed"]:
            del self.rows[name]
        for row in changes["opened"]:
            assert row[0] not in self.rows
            self.rows[row[0]] = cast(Row, tuple(row))
        changed = changes["changed"]
        for name, *totals in zip(changed["id"], changed["messages"], changed["received"], changed["sent"], strict=True):
            self.rows[name] = cast(Row, (*self.rows[name][:7], *totals))

    @property
    def totals(self) -> dict[str, tuple[int, int, int]]:
        return {name: row[7:] for name, row in self.rows.items()}


class RosterTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.now = 100.0
        self.opened = 0

    def roster(self, most: int = 10, prefix: str = "") -> Roster:
        return Roster(lambda: self.now, lambda: self.now + 1_000_000, most, prefix)

    def open(self, roster: Roster, peer: IAddress = PEER, listener: Listener = LISTENER) -> Connection:
        self.opened += 1
        connection = Connection(self.opened, peer, HOST, listener, opened=self.now, heard=self.now)
        roster.opened(connection)
        return connection

    def answer(self, connection: Connection) -> None:
        connection.messages += 1
        connection.received += 2
        connection.sent += 15


class RosterTests(RosterTestCase):
    def test_it_is_an_observer(self) -> None:
        verifyObject(IReplyObserver, self.roster())

    def test_a_row_tells_who_is_connected_how_and_since_when(self) -> None:
        roster = self.roster(prefix="2.")
        connection = self.open(roster)
        self.now += 5.25
        self.answer(connection)
        connection.heard = self.now
        row = ("2.1", "192.0.2.1:4000", "192.0.2.9:8088", "tcp", "", 1_000_100.0, 1_000_105.2, 1, 2, 15)
        self.assertEqual(roster.look()["opened"], [row])
        self.assertEqual(roster.rows(), [row])

    def test_what_is_new_is_told_once(self) -> None:
        roster = self.roster()
        connection = self.open(roster)
        self.assertTrue(roster.look()["anew"])
        self.assertEqual(roster.look(), no_changes())
        self.answer(connection)
        changed = {"id": ["1"], "messages": [1], "received": [2], "sent": [15]}
        self.assertEqual(roster.look(), {**no_changes(), "changed": changed})
        roster.closed(connection, CloseReason.CLIENT)
        self.assertEqual(roster.look(), {**no_changes(), "closed": ["1"]})
        self.assertEqual(roster.look(), no_changes())

    def test_who_comes_between_two_looks_has_the_rows_as_they_were_at_the_last(self) -> None:
        roster = self.roster()
        gone, secured = self.open(roster), self.open(roster)
        roster.look()
        roster.closed(gone, CloseReason.CLIENT)
        roster.secured(secured, TLSDetails("TLSv1.3", "TLS_AES_128_GCM_SHA256"))
        self.open(roster)
        page = Page(roster.rows())
        self.assertEqual((list(page.rows), len(roster)), (["1", "2"], 2))
        page.take(roster.look())
        self.assertEqual((list(page.rows), len(roster)), (["2", "3"], 2))

    def test_who_comes_and_goes_between_two_looks_is_not_told(self) -> None:
        roster = self.roster()
        roster.look()
        roster.closed(self.open(roster), CloseReason.CLIENT)
        self.assertEqual(roster.look(), no_changes())

    def test_what_tls_has_come_to_is_told_when_it_is_known(self) -> None:
        roster = self.roster()
        connection = self.open(roster, listener=Listener(("TLS",), HOST))
        self.assertEqual([row[3:5] for row in roster.look()["opened"]], [("tls", "")])
        connection.tls = TLSDetails("TLSv1.3", "TLS_AES_128_GCM_SHA256", "example.org", "echo", "CN=<b>me</b>")
        roster.secured(connection, connection.tls)
        changes = roster.look()
        self.assertEqual(changes["closed"], ["1"])
        (row,) = changes["opened"]
        self.assertEqual(row[4], "TLSv1.3 TLS_AES_128_GCM_SHA256 example.org echo CN=<b>me</b>")

    def test_the_name_of_a_unix_socket_is_quoted_where_it_is_no_plain_word(self) -> None:
        roster = self.roster()
        self.open(roster, UNIXAddress(b"/tmp/\xff\n<script>"))
        json.dumps(roster.look()).encode("ascii")
        self.assertEqual(roster.rows()[0][1], r'unix:"/tmp/\xff\n<script>"')

    def test_there_are_no_more_rows_than_that_and_the_first_leave_room_for_the_next(self) -> None:
        roster = self.roster(most=2)
        first, *_ = [self.open(roster) for _ in range(3)]
        self.assertEqual([row[0] for row in roster.look()["opened"]], ["1", "2"])
        roster.closed(first, CloseReason.CLIENT)
        changes = roster.look()
        self.assertEqual((changes["closed"], [row[0] for row in changes["opened"]]), (["1"], ["3"]))
        self.assertEqual(len(roster), 2)

    def test_when_it_has_forgotten_all_are_new_in_their_order(self) -> None:
        roster = self.roster()
        gone, _ = self.open(roster), self.open(roster)
        roster.look()
        roster.closed(gone, CloseReason.CLIENT)
        self.open(roster)
        roster.forget()
        changes = roster.look()
        self.assertTrue(changes["anew"])
        self.assertEqual((changes["closed"], [row[0] for row in changes["opened"]]), ([], ["2", "3"]))


class MergedTableTests(RosterTestCase):
    def table(self) -> MergedTable:
        return MergedTable(lambda: self.now + 1_000_000)

    def test_several_are_told_as_one(self) -> None:
        table, page = self.table(), Page()
        one, two = self.roster(prefix="1."), self.roster(prefix="2.")
        connection = self.open(one)
        self.open(two)
        for prefix, roster in (("1.", one), ("2.", two)):
            table.add(prefix, roster.look())
        page.take(table.look())
        self.answer(connection)
        table.add("1.", one.look())
        page.take(table.look())
        self.assertEqual(page.totals, {"1.1": (1, 2, 15), "2.2": (0, 0, 0)})
        self.assertEqual({row[0]: row for row in table.rows()}, {**page.rows, "1.1": table.rows()[0]})

    def test_the_rows_of_one_that_is_no_more_go_and_those_of_the_next_may_have_the_same_names(self) -> None:
        table, page = self.table(), Page()
        roster = self.roster(prefix="1.")
        self.open(roster)
        table.add("1.", roster.look())
        page.take(table.look())
        table.close("1.")
        self.opened = 0
        following = self.roster(prefix="1.")
        self.now += 9
        self.open(following)
        table.add("1.", following.look())
        page.take(table.look())
        self.assertEqual([row[5] for row in page.rows.values()], [1_000_109.0])

    def test_what_was_on_its_way_when_all_was_forgotten_does_no_harm(self) -> None:
        table, page = self.table(), Page()
        roster = self.roster(prefix="1.")
        connection = self.open(roster)
        table.add("1.", roster.look())
        table.look()
        self.answer(connection)
        late = roster.look()
        table.forget()
        roster.forget()
        table.add("1.", late)
        page.take(table.look())
        table.add("1.", roster.look())
        page.take(table.look())
        self.assertEqual(page.totals, {"1.1": (1, 2, 15)})

    @given(st.lists(st.tuples(STEPS, st.integers(0, 3))))
    def test_whoever_looks_when_ever_ends_with_the_rows_there_are(self, steps: list[tuple[str, int]]) -> None:
        self.opened = 0
        rosters = {prefix: self.roster(most=3, prefix=prefix) for prefix in ("1.", "2.")}
        table, pages = self.table(), [Page()]
        live: list[tuple[Roster, Connection]] = []
        for step, which in steps:
            roster = rosters["2." if which % 2 else "1."]
            if step == "open":
                live.append((roster, self.open(roster)))
            elif step == "tell":
                table.add("2." if which % 2 else "1.", roster.look())
            elif step == "look":
                changes = table.look()
                for page in pages:
                    page.take(changes)
                    self.assertEqual({row[0]: row[7:] for row in table.rows()}, page.totals)
                    self.assertEqual(len(table), len(page.rows))
            elif step == "come":
                pages.append(Page(table.rows()))
            elif which < len(live):
                roster, connection = live[which]
                if step == "answer":
                    self.answer(connection)
                elif step == "close":
                    roster.closed(connection, CloseReason.CLIENT)
                    del live[which]
                else:
                    roster.secured(connection, TLSDetails("TLSv1.3", "TLS_AES_128_GCM_SHA256"))
        for prefix, roster in rosters.items():
            table.add(prefix, roster.look())
        changes = table.look()
        there = {row[0]: row[7:] for roster in rosters.values() for row in roster.rows()}
        for page in pages:
            page.take(changes)
            self.assertEqual(page.totals, there)
        self.assertEqual(len(table), len(there))
