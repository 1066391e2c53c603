"""The feed of the live page: server-sent events, first one with the whole state, then one with changes every second."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from echoreply.core.labelled import by_label
from echoreply.core.reasons import DropReason, EndReason, Reason, RefusalReason
from echoreply.net.listener import Listener
from echoreply.net.timer import Timer
from echoreply.observe.connection_table import Row, Table
from echoreply.observe.statistics import Statistics
from echoreply.observe.totals import Totals

INTERVAL = 1.0
"""Seconds from one event to the next."""

HISTORY_LENGTH = 601
"""Number of samples of the totals that are kept: ten minutes, including both ends."""

REASONS: Mapping[str, type[Reason]] = {"refusals": RefusalReason, "endings": EndReason, "drops": DropReason}
"""The enums of reasons, by the key of their counts in events."""


class Subscriber(Protocol):
    """A receiver of the feed's events."""

    def send(self, event: bytes) -> bool:
        """Send an event and return C{True}; drop it and return C{False} if earlier ones have not been read yet."""

    def close(self) -> None:
        """End the stream of events."""


class Feed(Service):
    """
    Sends the state of a server to subscribers once a second. docs/web.md describes the events.

    Without subscribers it only samples the totals once a second, for the charts of later subscribers.

    @param clock: schedules the events, such as the reactor.
    @param unix_time: returns seconds since 1970.
    @param about: facts about the server that do not change.
    """

    def __init__(
        self,
        clock: IReactorTime,
        unix_time: Callable[[], float],
        statistics: Statistics,
        table: Table,
        about: Mapping[str, object],
    ) -> None:
        self._timer = Timer(clock, INTERVAL, self._tick)
        self._unix_time = unix_time
        self._statistics = statistics
        self._table = table
        self._about = about
        self._history: deque[tuple[float, int, int, int, int]] = deque(maxlen=HISTORY_LENGTH)
        self._by_listener: dict[Listener, Totals] = {}
        self._totals = Totals()
        self._time = 0.0
        # The event `state` for all subscriptions until the next tick, once one has needed it.
        self._state: bytes | None = None
        # Whether the table is being read: from a subscription until the first tick without subscribers, so that any
        # number of subscriptions resets it at most once a second.
        self._reads_table = False
        # Each subscriber, with whether it has missed an event.
        self._subscribers: dict[Subscriber, bool] = {}

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        self._tick()

    def stopService(self) -> Deferred[None] | None:
        self._timer.stop()
        for subscriber in list(self._subscribers):
            subscriber.close()
        return super().stopService()  # type: ignore[no-untyped-call, no-any-return]

    @property
    def subscribers(self) -> int:
        """The number of subscribers."""
        return len(self._subscribers)

    def subscribe(self, subscriber: Subscriber) -> None:
        """Send a subscriber the event C{state} now, and C{beat} every second."""
        if not self._reads_table:
            self._reads_table = True
            self._table.reset()
            self._table.take_changes()
            self._state = None
        self._subscribers[subscriber] = not subscriber.send(self._whole_state())

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Stop sending events to a subscriber."""
        del self._subscribers[subscriber]

    def _tick(self) -> None:
        self._timer.start()
        self._sample()
        if not self._subscribers:
            if self._reads_table:
                self._reads_table = False
                self._table.reset()
            return
        changes = self._table.take_changes()
        rows = {"closed": changes["closed"], "opened": changes["opened"], "changed": changes["changed"]}
        beat = _event("beat", {**self._current(), **rows})
        for subscriber, has_missed in list(self._subscribers.items()):
            self._subscribers[subscriber] = not subscriber.send(self._whole_state() if has_missed else beat)

    def _sample(self) -> None:
        self._state = None
        self._by_listener = self._statistics.totals_by_listener()
        self._totals = totals = sum(self._by_listener.values(), Totals())
        self._time = round(self._unix_time(), 2)
        self._history.append((self._time, totals.messages, totals.received, totals.sent, totals.open))

    def _whole_state(self) -> bytes:
        if self._state is None:
            names = ("time", "messages", "received", "sent", "open")
            state = {
                "server": self._about,
                "reasons": {key: {each.label: each.value for each in reasons} for key, reasons in REASONS.items()},
                "columns": Row._fields,
                "history": dict(zip(names, zip(*self._history, strict=True), strict=True)),
                "connections": self._table.rows(),
                "beat": self._current(),
            }
            self._state = _event("state", state)
        return self._state

    def _current(self) -> dict[str, object]:
        totals = self._totals
        return {
            "time": self._time,
            "server_state": self._statistics.state().value,
            "totals": _sums(totals) | {"ended": totals.endings.total(), "dropped": totals.drops.total()},
            "refusals": by_label(totals.refusals),
            "endings": by_label(totals.endings),
            "drops": by_label(totals.drops),
            "failures": by_label(totals.failures),
            "listed": self._table.size,
            "listeners": [
                {"listener": listener.name, "transport": listener.transport, **_sums(counted)}
                for listener, counted in self._by_listener.items()
            ],
        }


def _sums(totals: Totals) -> dict[str, int]:
    return {
        "accepted": totals.accepted,
        "open": totals.open,
        "refused": totals.refusals.total(),
        "failed": totals.failures.total(),
        "messages": totals.messages,
        "received": totals.received,
        "sent": totals.sent,
    }


def _event(name: str, data: Mapping[str, Any]) -> bytes:
    """Return an event as U{https://html.spec.whatwg.org/multipage/server-sent-events.html} defines it."""
    text = json.dumps(data, separators=(",", ":"))
    return f"event: {name}\ndata: {text}\n\n".encode("ascii")
