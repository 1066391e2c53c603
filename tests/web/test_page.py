"""The files of the live page, as far as they can be checked without a browser."""

from __future__ import annotations

import re
from importlib.resources import files

from twisted.trial.unittest import SynchronousTestCase

from echoreply.observe.connection_table import COUNTS, Row


class ColumnTests(SynchronousTestCase):
    """The columns that connections.js shows are values that the server sends."""

    def setUp(self) -> None:
        script = files("echoreply.web").joinpath("page", "connections.js").read_text("utf-8")
        table = script.partition("const COLUMNS = [\n")[2].partition("];\n")[0]
        self.columns = table.splitlines()

    def test_each_value_in_the_feed_has_its_own_line_on_the_page(self) -> None:
        shown = [re.findall(r"\bc\.(\w+)", column) for column in self.columns]
        # The number of a connection is made from its id.
        names = [({*line} - {"number"}).pop() for line in shown]
        self.assertEqual([{name, "number"} >= {*line} for name, line in zip(names, shown, strict=True)], [True] * 10)
        self.assertEqual(sorted(names), sorted(Row._fields))

    def test_columns_that_change_are_sorted_again(self) -> None:
        changing = {re.findall(r"\bc\.(\w+)", column)[0] for column in self.columns if "changes: true" in column}
        self.assertEqual(changing, {*COUNTS, "active"})
