"""The web site: the live page and what it is made of, metrics, health checks. Nothing in it changes anything."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.resources import files
from pathlib import PurePath
from typing import NamedTuple

from twisted.internet.interfaces import IPushProducer, IReactorTime
from twisted.web.http import OK, SERVICE_UNAVAILABLE
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site
from zope.interface import implementer

from echoreply.observe.statistics import ServerState, Statistics
from echoreply.web.feed import Feed
from echoreply.web.http import PATIENCE, PLAIN, LookingRequest, QuietSite
from echoreply.web.metrics import Metrics, format_for

MOST_VIEWERS = 100
"""Pages that are told each second what is new, at most."""

_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}


def site(reactor: IReactorTime, statistics: Statistics, feed: Feed, metrics: Metrics) -> Site:
    """Make the web site."""
    root = Resource()
    for file in files(__package__).joinpath("page").iterdir():
        kind = _KINDS.get(PurePath(file.name).suffix)
        if kind:
            path = "" if file.name == "page.html" else file.name
            root.putChild(path.encode(), Answer(partial(_part_of_page, kind, file.read_bytes())))
    root.putChild(b"events", Events(feed))
    root.putChild(b"metrics", Answer(partial(_metrics, OncePerTurn(reactor, metrics.exposition))))
    root.putChild(b"healthz", Answer(partial(_health, statistics, {ServerState.ACCEPTING, ServerState.FULL})))
    root.putChild(b"readyz", Answer(partial(_health, statistics, {ServerState.ACCEPTING})))
    return QuietSite(  # type: ignore[no-untyped-call]
        root, requestFactory=LookingRequest, timeout=PATIENCE, reactor=reactor
    )


def _part_of_page(kind: str, data: bytes, _request: Request) -> Given:
    return Given(OK, kind, data)


class OncePerTurn:
    """
    Gives the same metrics to all who ask in one turn of the reactor.

    They take milliseconds to make. However many ask, a client's reply waits for that no more than once.
    """

    def __init__(self, reactor: IReactorTime, exposition: Callable[[str], tuple[bytes, str]]) -> None:
        self._reactor = reactor
        self._exposition = exposition
        self._made: dict[str, tuple[bytes, str]] = {}

    def __call__(self, accept: str) -> tuple[bytes, str]:
        """Give them, and their content type."""
        wanted = format_for(accept)
        if not self._made:
            self._reactor.callLater(0, self._made.clear)
        if wanted not in self._made:
            self._made[wanted] = self._exposition(wanted)
        return self._made[wanted]


def _metrics(exposition: Callable[[str], tuple[bytes, str]], request: Request) -> Given:
    # Asked for as text, it would have to be UTF-8.
    accept: bytes = request.getHeader(b"accept") or b""
    text, kind = exposition(accept.decode("latin-1"))
    return Given(OK, kind, text)


def _health(statistics: Statistics, good: set[ServerState], _request: Request) -> Given:
    condition = statistics.state()
    return Given(OK if condition in good else SERVICE_UNAVAILABLE, PLAIN, f"{condition.value}\n".encode())


class Given(NamedTuple):
    """What somebody gets who asks."""

    status: int
    kind: str
    body: bytes


class Answer(Resource):
    """
    Something that is given at once.

    @param answer: gives it.
    """

    def __init__(self, answer: Callable[[Request], Given]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._answer = answer

    def render_GET(self, request: Request) -> bytes:
        """Give it."""
        given = self._answer(request)
        request.setResponseCode(given.status)
        request.setHeader("Content-Type", given.kind)
        return given.body


class Events(Resource):
    """Server-sent events: what the page is fed with."""

    def __init__(self, feed: Feed) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._feed = feed

    def render_HEAD(self, request: Request) -> bytes:
        """Give the headers, and no events."""
        request.setHeader("Content-Type", "text/event-stream")
        return b""

    def render_GET(self, request: Request) -> bytes | int:
        """Give events for as long as somebody takes them."""
        if self._feed.viewers >= MOST_VIEWERS:
            request.setResponseCode(SERVICE_UNAVAILABLE)
            request.setHeader("Content-Type", PLAIN)
            return b"too many look at this already\n"
        request.setHeader("Content-Type", "text/event-stream")
        request.setHeader("Cache-Control", "no-store")
        # Milliseconds after which a browser comes again when the connection is lost.
        request.write(b"retry: 1000\n\n")
        viewer = Spectator(request)
        request.registerProducer(viewer, True)
        request.notifyFinish().addBoth(lambda _: self._feed.leave(viewer))
        self._feed.join(viewer)
        return NOT_DONE_YET


@implementer(IPushProducer)
class Spectator:
    """One who is being told; who does not read is told nothing more until it has."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._blocked = False

    def tell(self, event: bytes) -> bool:
        """Send an event, if there is room."""
        if self._blocked:
            return False
        self._request.write(event)
        return True

    def end(self) -> None:
        """End the events."""
        self._request.unregisterProducer()
        self._request.finish()

    def pauseProducing(self) -> None:
        """Take note that there is no room."""
        self._blocked = True

    def resumeProducing(self) -> None:
        """Take note that there is room again."""
        self._blocked = False

    def stopProducing(self) -> None:
        """Do nothing: the end of the request is told as well."""
