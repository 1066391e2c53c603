"""The web site: the live page and what it is made of, metrics, health checks. Nothing in it changes anything."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.resources import files
from io import BytesIO
from pathlib import PurePath
from typing import NamedTuple

from twisted.internet.interfaces import IPushProducer
from twisted.web.http import NOT_ALLOWED, OK, SERVICE_UNAVAILABLE
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site
from zope.interface import implementer

from echoreply.statistics import Condition, Statistics
from echoreply.web.feed import Feed
from echoreply.web.metrics import Metrics

MOST_VIEWERS = 100
"""Pages that are told each second what is new, at most."""

PATIENCE = 60
"""Seconds that a client of the site may be silent for, unless it is being told something."""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
"""
Those of every answer: what a peer has chosen, such as the name in its certificate, is shown on the page and is no
markup, and if it were, it could do nothing (https://www.w3.org/TR/CSP3/, https://www.w3.org/TR/trusted-types/).
"""

PLAIN = "text/plain; charset=utf-8"

_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}


def site(statistics: Statistics, feed: Feed, metrics: Metrics) -> Site:
    """Make the web site."""
    root = Resource()
    for file in files(__package__).joinpath("page").iterdir():
        kind = _KINDS.get(PurePath(file.name).suffix)
        if kind:
            path = "" if file.name == "page.html" else file.name
            root.putChild(path.encode(), Answer(partial(_part_of_page, kind, file.read_bytes())))
    root.putChild(b"events", Events(feed))
    root.putChild(b"metrics", Answer(partial(_metrics, metrics)))
    root.putChild(b"healthz", Answer(partial(_health, statistics, {Condition.ACCEPTING, Condition.FULL})))
    root.putChild(b"readyz", Answer(partial(_health, statistics, {Condition.ACCEPTING})))
    return QuietSite(root, requestFactory=LookingRequest, timeout=PATIENCE)  # type: ignore[no-untyped-call]


def _part_of_page(kind: str, data: bytes, _request: Request) -> Given:
    return Given(OK, kind, data)


def _metrics(metrics: Metrics, request: Request) -> Given:
    text, kind = metrics.exposition(request.getHeader("accept") or "")
    return Given(OK, kind, text)


def _health(statistics: Statistics, good: set[Condition], _request: Request) -> Given:
    condition = statistics.condition()
    return Given(OK if condition in good else SERVICE_UNAVAILABLE, PLAIN, f"{condition.value}\n".encode())


class Given(NamedTuple):
    """What somebody gets who asks."""

    status: int
    kind: str
    body: bytes


class QuietSite(Site):
    """A site whose visits are not logged: there is one a second from whoever asks for health."""

    noisy = False

    def log(self, request: object) -> None:
        """Do nothing."""


class LookingRequest(Request):
    """A request to look at something: a body is read and dropped, and anything but GET and HEAD is refused."""

    def gotLength(self, length: int | None) -> None:
        # Twisted would keep a long one in a file.
        self.content = BytesIO()

    def handleContentChunk(self, data: bytes) -> None:
        """Drop it."""

    def process(self) -> None:
        """Answer, with the headers that all answers have."""
        for name, value in HEADERS.items():
            self.setHeader(name, value)  # type: ignore[no-untyped-call]
        if self.method in (b"GET", b"HEAD"):
            super().process()  # type: ignore[no-untyped-call]
            return
        self.setResponseCode(NOT_ALLOWED)
        self.setHeader("Allow", "GET, HEAD")  # type: ignore[no-untyped-call]
        self.setHeader("Content-Type", PLAIN)  # type: ignore[no-untyped-call]
        self.write(b"GET and HEAD only\n")  # type: ignore[no-untyped-call]
        self.finish()  # type: ignore[no-untyped-call]


class Answer(Resource):
    """
    Something that is given at once.

    @param answer: gives it.
    """

    isLeaf = True

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

    isLeaf = True

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
