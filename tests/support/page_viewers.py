"""Viewers of a server's monitoring site in another process, which check what they receive under load."""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import ExitStack
from http.client import HTTPConnection, HTTPException
from multiprocessing.connection import Connection
from operator import itemgetter

from attrs import define, field
from prometheus_client.parser import text_string_to_metric_families

from tests.support.processes import beside
from tests.support.web_clients import Viewer, look_and_read_nothing
from tests.support.wire_contract import PATIENCE

LOOKING = 10
"""Viewers that read the feed."""

HELD = LOOKING + 1
"""Connections of all viewers, including one that does not read."""

MAX_SILENCE = 10
"""Maximum seconds between two beats. A busy server is late."""

SCRAPE_SECONDS = 1

NEVER_FALL = ("accepted", "ended", "refused", "failed", "messages", "received", "sent")


@define
class Seen:
    """
    The findings of the viewers.

    @ivar wrong: descriptions of errors.
    @ivar slowest: maximum seconds between two beats.
    @ivar totals: the last totals of each viewer.
    """

    wrong: list[str] = field(factory=list)
    beats: int = 0
    scrapes: int = 0
    slowest: float = 0.0
    totals: list[dict[str, int]] = field(factory=list)

    def compare(self, before: dict[str, int], now: dict[str, int]) -> None:
        """Check that totals are consistent, and have not decreased."""
        if fallen := [name for name in NEVER_FALL if now.get(name, 0) < before.get(name, 0)]:
            self.wrong.append(f"{fallen} fell from {before} to {now}")
        if now["accepted"] != now["open"] + now["ended"]:
            self.wrong.append(f"the totals do not add up: {now}")

    def look(self, viewer: Viewer, stops: threading.Event) -> None:
        """Read the feed to its end. L{Viewer} checks the table at each event."""
        last, totals = time.monotonic(), viewer.last["totals"]
        try:
            while True:
                viewer.follow()
                now, last = time.monotonic() - last, time.monotonic()
                self.slowest = max(self.slowest, now)
                self.beats += 1
                self.compare(totals, viewer.last["totals"])
                totals = viewer.last["totals"]
        except (EOFError, OSError, HTTPException) as error:
            if not stops.is_set():
                self.wrong.append(f"the feed ended: {error!r}")
        except Exception as error:  # Any exception is a finding, and would be lost with the thread.
            self.wrong.append(f"an event is wrong: {error!r}")
        self.totals.append(totals)

    def scrape(self, port: int, stops: threading.Event) -> None:
        """Request metrics and health repeatedly."""
        totals: dict[str, int] = {}
        while not stops.wait(SCRAPE_SECONDS):
            try:
                text = self._get(port, "/metrics")
                if self._get(port, "/healthz") != "accepting\n":
                    self.wrong.append("it is not healthy")
            except (OSError, HTTPException) as error:
                if not stops.is_set():
                    self.wrong.append(f"a scrape failed: {error!r}")
                continue
            before, totals = totals, metrics_of(text)
            self.compare(before, totals)
            self.scrapes += 1

    def _get(self, port: int, path: str) -> str:
        connection = HTTPConnection("127.0.0.1", port, timeout=MAX_SILENCE)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            if response.status != 200:
                self.wrong.append(f"{path} has the status {response.status}")
            return response.read().decode("ascii")
        finally:
            connection.close()


def metrics_of(text: str) -> dict[str, int]:
    """Return the totals in metrics that the page also has."""
    totals: Counter[str] = Counter()
    for family in text_string_to_metric_families(text):
        name = family.name.removeprefix("echoreply_").removeprefix("connections_")
        if name in ("open", "accepted", "ended", "refused"):
            totals[name] += sum(map(int, (sample.value for sample in family.samples if "created" not in sample.name)))
    return {name: totals[name] for name in ("open", "accepted", "ended", "refused")}


def watch(port: int, pipe: Connection) -> None:
    """Run all viewers until the server has stopped, which the pipe announces; then send their findings."""
    seen, stops = Seen(), threading.Event()
    with ExitStack() as stack:
        stack.enter_context(look_and_read_nothing(port))
        viewers = [Viewer(port, MAX_SILENCE) for _ in range(LOOKING)]
        pipe.send(None)
        threads = [threading.Thread(target=seen.look, args=(viewer, stops)) for viewer in viewers]
        threads.append(threading.Thread(target=seen.scrape, args=(port, stops)))
        for thread in threads:
            thread.start()
        pipe.recv()
        stops.set()
        for thread in threads:
            thread.join()
    pipe.send(seen)


class Onlookers:
    """Ten viewers, one that reads nothing, and a client that requests metrics and health once a second."""

    def __init__(self, port: int) -> None:
        self._pipe, self._process = beside(watch, port)
        self._pipe.recv()

    def expect_stop(self) -> None:
        """Announce that the server stops from now on."""
        self._pipe.send(None)

    def seen(self) -> Seen:
        """Return the findings, once the server has stopped."""
        assert self._pipe.poll(PATIENCE)
        seen: Seen = self._pipe.recv()
        self._process.join(PATIENCE)
        return seen


def last_totals(seen: Seen) -> dict[str, int]:
    """Return the last totals that any viewer has seen."""
    return max(seen.totals, key=itemgetter("messages", "ended"))
