"""The HTTP resource that streams the feed's events to a browser."""

from __future__ import annotations

from twisted.internet.interfaces import IPushProducer
from twisted.web.http import SERVICE_UNAVAILABLE
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request
from zope.interface import implementer

from echoreply.web.feed import Feed
from echoreply.web.http import TEXT

MAX_STREAMS = 100
"""Maximum number of open streams."""


class EventStreamResource(Resource):
    """Responds with the feed's events, for as long as the client reads them."""

    def __init__(self, feed: Feed) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._feed = feed

    def render_HEAD(self, request: Request) -> bytes:
        request.setHeader("Content-Type", "text/event-stream")
        return b""

    def render_GET(self, request: Request) -> bytes | int:
        if self._feed.subscribers >= MAX_STREAMS:
            request.setResponseCode(SERVICE_UNAVAILABLE)
            request.setHeader("Content-Type", TEXT)
            return b"too many viewers\n"
        request.setHeader("Content-Type", "text/event-stream")
        request.setHeader("Cache-Control", "no-store")
        # Milliseconds after which a browser connects again when the connection is lost.
        request.write(b"retry: 1000\n\n")
        stream = EventStream(request)
        request.registerProducer(stream, True)
        request.notifyFinish().addBoth(lambda _: self._feed.unsubscribe(stream))
        self._feed.subscribe(stream)
        return NOT_DONE_YET


@implementer(IPushProducer)
class EventStream:
    """A subscriber of the feed. While its client does not read, events are dropped, to bound memory."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._paused = False

    def send(self, event: bytes) -> bool:
        """Send an event, unless earlier ones are still waiting to be read. Return whether it was sent."""
        if self._paused:
            return False
        self._request.write(event)
        return True

    def close(self) -> None:
        """End the response."""
        self._request.unregisterProducer()
        self._request.finish()

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = False

    def stopProducing(self) -> None:
        pass  # notifyFinish unsubscribes.
