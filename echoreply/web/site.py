"""The paths of the monitoring site, all read-only: the live page and its files, the feed, metrics, health checks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.resources import files
from pathlib import PurePath
from typing import NamedTuple

from twisted.internet.interfaces import IReactorTime
from twisted.web.http import OK, SERVICE_UNAVAILABLE
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from echoreply.observe.statistics import ServerState, Statistics
from echoreply.web.event_stream import EventStreamResource
from echoreply.web.feed import Feed
from echoreply.web.http import REQUEST_TIMEOUT, TEXT, MonitoringSite, ReadOnlyRequest
from echoreply.web.metrics import Metrics, format_for

_CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}


def site(reactor: IReactorTime, statistics: Statistics, feed: Feed, metrics: Metrics) -> Site:
    """Return the site, for a port to serve."""
    root = Resource()
    for file in files(__package__).joinpath("page").iterdir():
        content_type = _CONTENT_TYPES.get(PurePath(file.name).suffix)
        if content_type:
            path = "" if file.name == "page.html" else file.name
            root.putChild(path.encode(), ComputedResource(partial(_file, content_type, file.read_bytes())))
    root.putChild(b"events", EventStreamResource(feed))
    root.putChild(b"metrics", ComputedResource(partial(_metrics, MetricsCache(reactor, metrics.exposition))))
    healthy, ready = {ServerState.ACCEPTING, ServerState.FULL}, {ServerState.ACCEPTING}
    root.putChild(b"healthz", ComputedResource(partial(_health, statistics, healthy)))
    root.putChild(b"readyz", ComputedResource(partial(_health, statistics, ready)))
    return MonitoringSite(  # type: ignore[no-untyped-call]
        root, requestFactory=ReadOnlyRequest, timeout=REQUEST_TIMEOUT, reactor=reactor
    )


class Response(NamedTuple):
    """A status, a content type and a body."""

    status: int
    content_type: str
    body: bytes


class ComputedResource(Resource):
    """
    Responds with the result of a function.

    @param respond: returns the response to a request.
    """

    def __init__(self, respond: Callable[[Request], Response]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._respond = respond

    def render_GET(self, request: Request) -> bytes:
        response = self._respond(request)
        request.setResponseCode(response.status)
        request.setHeader("Content-Type", response.content_type)
        return response.body


class MetricsCache:
    """
    Caches the metrics for one turn of the reactor, however many requests there are for them.

    Collecting them takes milliseconds, for which the replies to clients have to wait.

    @param exposition: returns the metrics in the format for an C{Accept}, and their content type.
    """

    def __init__(self, reactor: IReactorTime, exposition: Callable[[str], tuple[bytes, str]]) -> None:
        self._reactor = reactor
        self._exposition = exposition
        self._made: dict[str, tuple[bytes, str]] = {}

    def __call__(self, accept: str) -> tuple[bytes, str]:
        """Return the metrics in the format for an C{Accept}, and their content type."""
        wanted = format_for(accept)
        if not self._made:
            self._reactor.callLater(0, self._made.clear)
        if wanted not in self._made:
            self._made[wanted] = self._exposition(wanted)
        return self._made[wanted]


def _file(content_type: str, data: bytes, _request: Request) -> Response:
    return Response(OK, content_type, data)


def _metrics(exposition: Callable[[str], tuple[bytes, str]], request: Request) -> Response:
    # As bytes: for text, Twisted would decode UTF-8, and raise an exception if it is invalid.
    accept: bytes = request.getHeader(b"accept") or b""
    text, content_type = exposition(accept.decode("latin-1"))
    return Response(OK, content_type, text)


def _health(statistics: Statistics, good: set[ServerState], _request: Request) -> Response:
    state = statistics.state()
    return Response(OK if state in good else SERVICE_UNAVAILABLE, TEXT, f"{state.value}\n".encode())
