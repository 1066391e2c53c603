"""The open connections as rows of a table, and what has changed in it."""

from __future__ import annotations

import json
from collections.abc import Iterable

from attrs import fields
from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.interfaces import IAddress
from twisted.trial.unittest import SynchronousTestCase

from echoreply.core.connection_info import TLSDetails
from echoreply.core.reasons import EndReason
from echoreply.net.listener import Layer, Listener
from echoreply.observe.connection_table import COUNTS, Changes, ConnectionTable, Row, make_changes
from echoreply.observe.observer import Connection
from tests.support.memory_observer import verify_observer

HOST = IPv4Address("TCP", "192.0.2.9", 8088)
PEER = IPv4Address("TCP", "192.0.2.1", 4000)
LISTENER = Listener(host=HOST)


class Page:
    """A table as the live page keeps it: from the rows that there are, by the changes that follow."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self.rows = {row.id: row for row in rows}

    def take(self, changes: Changes) -> None:
        changes = json.loads(json.dumps(changes))
        for name in changes["closed"]:
            del self.rows[name]
        for row in map(Row._make, changes["opened"]):
            assert row.id not in self.rows
            self.rows[row.id] = row
        changed = changes["changed"]
        for index, name in enumerate(changed["id"]):
            self.rows[name] = self.rows[name]._replace(**{count: changed[count][index] for count in COUNTS})

    @property
    def totals(self) -> dict[str, tuple[int, int, int]]:
        return {name: totals_of(row) for name, row in self.rows.items()}


def totals_of(row: Row) -> tuple[int, int, int]:
    return row.messages, row.received, row.sent


class TableTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.now = 100.0
        self.opened = 0

    def process_table(self, max_rows: int = 10, prefix: str = "") -> ConnectionTable:
        return ConnectionTable(lambda: self.now, lambda: self.now + 1_000_000, max_rows, prefix)

    def open(self, process_table: ConnectionTable, peer: IAddress = PEER, listener: Listener = LISTENER) -> Connection:
        self.opened += 1
        connection = Connection(self.opened, peer, HOST, listener, opened=self.now, heard=self.now)
        process_table.opened(connection)
        return connection

    def answer(self, connection: Connection) -> None:
        connection.messages += 1
        connection.received += 2
        connection.sent += 15


class ConnectionTableTests(TableTestCase):
    def test_it_is_an_observer(self) -> None:
        verify_observer(self.process_table())

    def test_a_row_has_the_addresses_the_transport_and_the_times(self) -> None:
        process_table = self.process_table(prefix="2.")
        connection = self.open(process_table)
        self.now += 5.25
        self.answer(connection)
        connection.heard = self.now
        row = Row(
            id="2.1",
            client="192.0.2.1:4000",
            server="192.0.2.9:8088",
            transport="tcp",
            tls="",
            opened=1_000_100.0,
            active=1_000_105.2,
            messages=1,
            received=2,
            sent=15,
        )
        self.assertEqual(process_table.take_changes()["opened"], [row])
        self.assertEqual(process_table.rows(), [row])

    def test_the_counts_are_columns_and_attributes_of_connections(self) -> None:
        self.assertLess({*COUNTS}, {*Row._fields})
        self.assertLess({*COUNTS}, {field.name for field in fields(Connection)})

    def test_changes_are_returned_once(self) -> None:
        process_table = self.process_table()
        connection = self.open(process_table)
        self.assertTrue(process_table.take_changes()["reset"])
        self.assertEqual(process_table.take_changes(), make_changes())
        self.answer(connection)
        changed = {"id": ["1"], "messages": [1], "received": [2], "sent": [15]}
        self.assertEqual(process_table.take_changes(), {**make_changes(), "changed": changed})
        process_table.closed(connection, EndReason.CLIENT)
        self.assertEqual(process_table.take_changes(), {**make_changes(), "closed": ["1"]})
        self.assertEqual(process_table.take_changes(), make_changes())

    def test_rows_stay_the_same_between_two_reads(self) -> None:
        process_table = self.process_table()
        gone, secured = self.open(process_table), self.open(process_table)
        process_table.take_changes()
        process_table.closed(gone, EndReason.CLIENT)
        process_table.handshake_completed(secured, TLSDetails("TLSv1.3", "TLS_AES_128_GCM_SHA256"))
        self.open(process_table)
        page = Page(process_table.rows())
        self.assertEqual((list(page.rows), process_table.size), (["1", "2"], 2))
        page.take(process_table.take_changes())
        self.assertEqual((list(page.rows), process_table.size), (["2", "3"], 2))

    def test_a_connection_that_opens_and_closes_between_two_reads_is_not_reported(self) -> None:
        process_table = self.process_table()
        process_table.take_changes()
        process_table.closed(self.open(process_table), EndReason.CLIENT)
        self.assertEqual(process_table.take_changes(), make_changes())

    def test_a_row_is_replaced_once_the_tls_handshake_is_complete(self) -> None:
        process_table = self.process_table()
        connection = self.open(process_table, listener=Listener((Layer.TLS,), HOST))
        self.assertEqual([(row.transport, row.tls) for row in process_table.take_changes()["opened"]], [("tls", "")])
        connection.tls = TLSDetails("TLSv1.3", "TLS_AES_128_GCM_SHA256", "example.org", "echo", "CN=<b>me</b>")
        process_table.handshake_completed(connection, connection.tls)
        changes = process_table.take_changes()
        self.assertEqual(changes["closed"], ["1"])
        (row,) = changes["opened"]
        self.assertEqual(row.tls, "TLSv1.3 TLS_AES_128_GCM_SHA256 example.org echo CN=<b>me</b>")

    def test_the_name_of_a_unix_socket_is_quoted_if_it_is_not_a_plain_word(self) -> None:
        process_table = self.process_table()
        self.open(process_table, UNIXAddress(b"/tmp/\xff\n<script>"))
        json.dumps(process_table.take_changes()).encode("ascii")
        self.assertEqual(process_table.rows()[0].client, r'unix:"/tmp/\xff\n<script>"')

    def test_the_number_of_rows_is_limited_and_closed_rows_make_room(self) -> None:
        process_table = self.process_table(max_rows=2)
        first, *_ = [self.open(process_table) for _ in range(3)]
        self.assertEqual([row.id for row in process_table.take_changes()["opened"]], ["1", "2"])
        process_table.closed(first, EndReason.CLIENT)
        changes = process_table.take_changes()
        self.assertEqual((changes["closed"], [row.id for row in changes["opened"]]), (["1"], ["3"]))
        self.assertEqual(process_table.size, 2)

    def test_after_a_reset_all_connections_are_new_rows_in_order(self) -> None:
        process_table = self.process_table()
        gone, _ = self.open(process_table), self.open(process_table)
        process_table.take_changes()
        process_table.closed(gone, EndReason.CLIENT)
        self.open(process_table)
        process_table.reset()
        changes = process_table.take_changes()
        self.assertTrue(changes["reset"])
        self.assertEqual((changes["closed"], [row.id for row in changes["opened"]]), ([], ["2", "3"]))
