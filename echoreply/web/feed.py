"""What the live page is told: each second what is new, and on arrival all there is."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from echoreply.net.listener import Listener
from echoreply.net.timer import Timer
from echoreply.observe.connection_table import Table
from echoreply.observe.statistics import Statistics
from echoreply.observe.totals import Totals

BEAT = 1.0
"""Seconds from one time that viewers are told to the next."""

KEPT = 601
"""Samples that are kept: those of ten minutes, with both ends."""


class Viewer(Protocol):
    """Somebody who looks at the page."""

    def tell(self, event: bytes) -> bool:
        """Send an event, or tell that it is not: others still wait to be taken."""

    def end(self) -> None:
        """Send nothing any more."""


class Feed(Service):
    """
    Tells viewers what a server knows of itself, as server-sent events: docs/web.md.

    While there are none, nothing is done but that once a second totals are kept, for the charts of whoever comes.

    @param clock: where time comes from, such as the reactor.
    @param unix_time: gives seconds since 1970.
    @param about: what is said of the server, whatever happens to it.
    """

    def __init__(
        self,
        clock: IReactorTime,
        unix_time: Callable[[], float],
        statistics: Statistics,
        table: Table,
        about: Mapping[str, object],
    ) -> None:
        self._timer = Timer(clock, BEAT, self._beat)
        self._unix_time = unix_time
        self._statistics = statistics
        self._table = table
        self._about = about
        self._history: deque[tuple[float, int, int, int, int]] = deque(maxlen=KEPT)
        self._by_listener: dict[Listener, Totals] = {}
        self._totals = Totals()
        self._time = 0.0
        self._state: bytes | None = None
        # Whether the table follows what there is, as it does from when somebody comes to the beat at which nobody is
        # there. So no number of viewers who come and go has it begin anew more than once a beat.
        self._follows = False
        # Whether each of them has missed something.
        self._viewers: dict[Viewer, bool] = {}

    def startService(self) -> None:
        """Begin to keep totals."""
        super().startService()  # type: ignore[no-untyped-call]
        self._beat()

    def stopService(self) -> Deferred[None] | None:
        """Let the viewers go."""
        self._timer.stop()
        for viewer in list(self._viewers):
            viewer.end()
        return super().stopService()  # type: ignore[no-untyped-call, no-any-return]

    @property
    def viewers(self) -> int:
        """How many there are."""
        return len(self._viewers)

    def join(self, viewer: Viewer) -> None:
        """Tell a viewer all there is, and from now on what is new."""
        if not self._follows:
            self._follows = True
            self._table.forget()
            self._table.look()
            self._state = None
        self._viewers[viewer] = not viewer.tell(self._all())

    def leave(self, viewer: Viewer) -> None:
        """Tell a viewer nothing any more."""
        del self._viewers[viewer]

    def _beat(self) -> None:
        self._timer.start()
        self._sample()
        if not self._viewers:
            if self._follows:
                self._follows = False
                self._table.forget()
            return
        changes = self._table.look()
        rows = {"closed": changes["closed"], "opened": changes["opened"], "changed": changes["changed"]}
        beat = _event("beat", {**self._present(), **rows})
        for viewer, behind in list(self._viewers.items()):
            self._viewers[viewer] = not viewer.tell(self._all() if behind else beat)

    def _sample(self) -> None:
        self._state = None
        self._by_listener = self._statistics.totals_by_listener()
        self._totals = totals = sum(self._by_listener.values(), Totals())
        self._time = round(self._unix_time(), 2)
        self._history.append((self._time, totals.messages, totals.received, totals.sent, totals.open))

    def _all(self) -> bytes:
        """Give the event that all begins with. Who comes until the next second gets the same."""
        if self._state is None:
            names = ("time", "messages", "received", "sent", "open")
            state = {
                "server": self._about,
                "history": dict(zip(names, zip(*self._history, strict=True), strict=True)),
                "connections": self._table.rows(),
                "beat": self._present(),
            }
            self._state = _event("state", state)
        return self._state

    def _present(self) -> dict[str, object]:
        totals = self._totals
        return {
            "time": self._time,
            "server_state": self._statistics.state().value,
            "totals": _numbers(totals) | {"ended": totals.endings.total(), "dropped": totals.drops.total()},
            "refusals": {reason.label: count for reason, count in totals.refusals.items()},
            "endings": {reason.label: count for reason, count in totals.endings.items()},
            "drops": {reason.label: count for reason, count in totals.drops.items()},
            "failures": {layer.value: count for layer, count in totals.failures.items()},
            "listed": len(self._table),
            "listeners": [
                {"listener": listener.name, "transport": listener.transport, **_numbers(counted)}
                for listener, counted in self._by_listener.items()
            ],
        }


def _numbers(totals: Totals) -> dict[str, int]:
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
    """Write an event: https://html.spec.whatwg.org/multipage/server-sent-events.html."""
    text = json.dumps(data, separators=(",", ":"))
    return f"event: {name}\ndata: {text}\n\n".encode("ascii")
