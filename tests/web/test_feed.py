"""The feed of the live page."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from echoreply.core.reasons import DropReason, EndReason, RefusalReason
from echoreply.net.listener import Layer, Listener
from echoreply.observe.connection_table import Changes, ConnectionTable, Row
from echoreply.observe.observer import Connection
from echoreply.observe.statistics import ProcessStatistics
from echoreply.web.feed import HISTORY_LENGTH, INTERVAL, Feed

PAGE = (Path(__file__).parents[2] / "docs" / "web.md").read_text(encoding="utf-8")

ADDRESS = IPv4Address("TCP", "192.0.2.1", 4000)
LISTENER = Listener(host=IPv4Address("TCP", "192.0.2.9", 8088))


class RecordingSubscriber:
    """Keeps the events that it is sent, unless it is blocked."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []
        self.blocked = False
        self.has_ended = False

    def send(self, event: bytes) -> bool:
        if self.blocked:
            return False
        kind, data, *end = event.decode("ascii").split("\n")
        assert end == ["", ""]
        self.told.append((kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
        return True

    def close(self) -> None:
        self.has_ended = True

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.told]


class FeedTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000)
        self.statistics = ProcessStatistics(lambda: False)
        self.table = ConnectionTable(self.clock.seconds, self.clock.seconds)
        self.feed = Feed(self.clock, self.clock.seconds, self.statistics, self.table, {"version": "1.2"})
        self.statistics.listening(LISTENER)
        self.feed.startService()
        self.addCleanup(self.feed.stopService)

    def open(self, number: int = 1) -> Connection:
        connection = Connection(number, ADDRESS, ADDRESS, LISTENER, opened=self.clock.seconds())
        for observer in (self.statistics, self.table):
            observer.opened(connection)
        return connection

    def join(self) -> RecordingSubscriber:
        viewer = RecordingSubscriber()
        self.feed.subscribe(viewer)
        return viewer

    def test_a_subscriber_gets_the_whole_state_and_then_changes_every_second(self) -> None:
        connection = self.open()
        viewer = self.join()
        ((kind, state),) = viewer.told
        self.assertEqual((kind, state["server"]), ("state", {"version": "1.2"}))
        (row,) = state["connections"]
        self.assertEqual(dict(zip(state["columns"], row, strict=True))["id"], "1")
        self.assertEqual(state["columns"], [*Row._fields])
        connection.messages, connection.received, connection.sent = 2, 4, 30
        self.clock.advance(INTERVAL)
        kind, beat = viewer.told[-1]
        self.assertEqual(kind, "beat")
        self.assertEqual(beat["changed"], {"id": ["1"], "messages": [2], "received": [4], "sent": [30]})
        self.assertEqual((beat["time"], beat["server_state"], beat["listed"]), (1001.0, "accepting", 1))
        totals = {"accepted": 1, "open": 1, "refused": 0, "failed": 0, "messages": 2, "received": 4, "sent": 30}
        self.assertEqual(beat["totals"], {**totals, "ended": 0, "dropped": 0})
        self.assertEqual(beat["listeners"], [{"listener": "192.0.2.9:8088", "transport": "tcp", **totals}])

    def test_events_have_exactly_the_members_in_docs_web(self) -> None:
        self.open()
        viewer = self.join()
        self.clock.advance(INTERVAL)
        for kind, data in viewer.told:
            section = PAGE.partition(f"`{kind}` has\n\n")[2].partition("\n\n")[0]
            items = [item.partition(":")[0] for item in section.removeprefix("- ").split("\n- ")]
            self.assertEqual({name for item in items for name in re.findall("`(.*?)`", item)}, set(data))

    def test_docs_web_has_every_column(self) -> None:
        table = PAGE.partition("\n| column | value |\n")[2].partition("\n\n")[0]
        self.assertEqual(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE), [*Row._fields])

    def test_events_count_by_reason(self) -> None:
        for observer in (self.statistics, self.table):
            observer.closed(self.open_for(observer), EndReason.RESET)
        self.statistics.refused(LISTENER, ADDRESS, RefusalReason.DENIED)
        self.statistics.failed(LISTENER, ADDRESS, Layer.TLS, "for a reason")
        self.statistics.dropped(LISTENER, ("192.0.2.1", 7), b"a", DropReason.RATE)
        viewer = self.join()
        self.clock.advance(INTERVAL)
        beat = viewer.told[-1][1]
        self.assertEqual(beat["endings"], {"reset": 1})
        self.assertEqual(beat["refusals"], {"denied": 1})
        self.assertEqual((beat["failures"], beat["drops"]), ({"TLS": 1}, {"rate": 1}))

    def test_the_state_has_the_texts_of_all_reasons(self) -> None:
        viewer = self.join()
        ((_, state),) = viewer.told
        for kind, reasons in (("refusals", RefusalReason), ("endings", EndReason), ("drops", DropReason)):
            self.assertEqual(state["reasons"][kind], {reason.label: reason.value for reason in reasons})
            self.assertEqual(state["beat"][kind], {})

    def open_for(self, observer: ProcessStatistics | ConnectionTable) -> Connection:
        connection = Connection(7, ADDRESS, ADDRESS, LISTENER)
        observer.opened(connection)
        return connection

    def test_ten_minutes_of_history_are_kept_also_without_subscribers(self) -> None:
        self.open()
        self.clock.pump([INTERVAL] * (HISTORY_LENGTH + 100))
        history = self.join().told[0][1]["history"]
        self.assertEqual({len(column) for column in history.values()}, {HISTORY_LENGTH})
        self.assertEqual(history["time"][-1] - history["time"][0], 600)
        self.assertEqual((history["open"][-1], history["messages"][-1]), (1, 0))

    def test_all_subscribers_get_the_same_events_until_they_unsubscribe(self) -> None:
        viewers = [self.join(), self.join()]
        self.clock.advance(INTERVAL)
        self.feed.unsubscribe(viewers[0])
        self.clock.advance(INTERVAL)
        self.assertEqual([viewer.kinds for viewer in viewers], [["state", "beat"], ["state", "beat", "beat"]])
        self.assertEqual(viewers[0].told, viewers[1].told[:2])
        self.assertEqual(self.feed.subscribers, 1)

    def test_a_subscriber_that_missed_events_gets_the_whole_state(self) -> None:
        viewer = self.join()
        viewer.blocked = True
        self.clock.pump([INTERVAL] * 3)
        self.open()
        viewer.blocked = False
        self.clock.pump([INTERVAL] * 2)
        self.assertEqual(viewer.kinds, ["state", "state", "beat"])
        self.assertEqual(len(viewer.told[1][1]["connections"]), 1)

    def test_a_closed_connection_is_not_reported_again_to_a_later_subscriber(self) -> None:
        connection = self.open()
        viewer = self.join()
        self.feed.unsubscribe(viewer)
        self.clock.advance(INTERVAL)
        self.table.closed(connection, EndReason.CLIENT)
        self.open(2)
        viewer = self.join()
        self.clock.advance(INTERVAL)
        self.assertEqual([row[0] for row in viewer.told[0][1]["connections"]], ["2"])
        self.assertEqual((viewer.told[1][1]["closed"], viewer.told[1][1]["opened"]), ([], []))

    def test_a_late_subscriber_gets_the_end_of_each_closed_connection_in_its_state(self) -> None:
        connection = self.open()
        self.join()
        self.clock.advance(INTERVAL)
        self.table.closed(connection, EndReason.CLIENT)
        viewer = self.join()
        self.clock.advance(INTERVAL)
        (_, state), (_, beat) = viewer.told
        self.assertEqual([row[0] for row in state["connections"]], beat["closed"])
        self.assertEqual(state["beat"]["listed"], len(state["connections"]))

    def test_the_table_is_read_once_per_beat_whatever_the_number_of_subscriptions(self) -> None:
        looked = []

        class Counting(ConnectionTable):
            def take_changes(self) -> Changes:
                looked.append(clock.seconds())
                return super().take_changes()

        clock = self.clock
        self.table.__class__ = Counting
        for _ in range(3):
            for _ in range(100):
                self.feed.unsubscribe(self.join())
            self.clock.advance(INTERVAL)
        self.assertEqual(looked, [1000, 1001, 1002])

    def test_stopping_the_server_ends_all_streams(self) -> None:
        viewer = self.join()
        self.feed.stopService()
        self.assertTrue(viewer.has_ended)
        self.assertEqual(self.clock.getDelayedCalls(), [])
