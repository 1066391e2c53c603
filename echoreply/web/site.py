"""The web site: the live page and what it is made of, metrics, health checks. Nothing in it changes anything."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.resources import files
from io import BytesIO
from pathlib import PurePath
from typing import NamedTuple

from twisted.internet.interfaces import IAddress, IPushProducer, IReactorTime, ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import NOT_ALLOWED, OK, SERVICE_UNAVAILABLE, HTTPChannel
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site
from zope.interface import implementer

from echoreply.descriptors import MOST_LOOKING
from echoreply.statistics import Condition, Statistics
from echoreply.web.feed import Feed
from echoreply.web.metrics import Metrics, format_for

MOST_VIEWERS = 100
"""Pages that are told each second what is new, at most."""

PATIENCE = 60
"""Seconds in which a request has to be whole, and as many in which its answer has to be read."""

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
    root.putChild(b"healthz", Answer(partial(_health, statistics, {Condition.ACCEPTING, Condition.FULL})))
    root.putChild(b"readyz", Answer(partial(_health, statistics, {Condition.ACCEPTING})))
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


def _health(statistics: Statistics, good: set[Condition], _request: Request) -> Given:
    condition = statistics.condition()
    return Given(OK if condition in good else SERVICE_UNAVAILABLE, PLAIN, f"{condition.value}\n".encode())


class Given(NamedTuple):
    """What somebody gets who asks."""

    status: int
    kind: str
    body: bytes


class OneRequest(HTTPChannel):
    """
    A connection of the site, which ends with the answer to its first request, and if that takes too long.

    So nobody holds more than a connection, for longer than that, or has much done at once.
    """

    site: QuietSite
    transport: ITCPTransport

    def connectionMade(self) -> None:
        """Count it."""
        self.site.connections += 1
        super().connectionMade()  # type: ignore[no-untyped-call]

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Count it no longer."""
        self.site.connections -= 1
        super().connectionLost(reason)  # type: ignore[no-untyped-call]

    def headerReceived(self, line: bytes) -> bool:
        """Take a header."""
        try:
            return super().headerReceived(line)  # type: ignore[no-untyped-call, no-any-return]
        except ValueError:
            # A length of more digits than Python makes an integer of.
            self.transport.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            self.loseConnection()
            return False

    def checkPersistence(self, request: Request, _version: bytes) -> bool:
        """Tell that there is no second request."""
        request.setHeader("Connection", "close")
        return False

    def resetTimeout(self) -> None:
        """Do nothing: who sends a byte now and then has no more time than others."""

    def loseConnection(self) -> None:
        """Close, once all is written, if that is soon."""
        super().loseConnection()  # type: ignore[no-untyped-call]
        self.setTimeout(PATIENCE)  # type: ignore[no-untyped-call]

    def timeoutConnection(self) -> None:
        """Close now."""
        self.transport.abortConnection()


class QuietSite(Site):
    """
    A site whose visits are not logged: there is one a second from whoever asks for health.

    @ivar connections: how many there are.
    """

    noisy = False
    protocol = OneRequest  # type: ignore[assignment]  # for Twisted, it could be HTTP/2 as well
    connections = 0

    def buildProtocol(self, addr: IAddress | None) -> HTTPChannel | None:  # type: ignore[override]
        """Make what serves a connection, or nothing for one too many, which is closed."""
        if self.connections >= MOST_LOOKING:
            return None
        return super().buildProtocol(addr)  # type: ignore[no-untyped-call, no-any-return]

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
