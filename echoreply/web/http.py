"""HTTP as the web site speaks it: a request a connection, in time, to look at something; with headers that protect."""

from __future__ import annotations

from io import BytesIO

from twisted.internet.interfaces import IAddress, ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import NOT_ALLOWED, HTTPChannel
from twisted.web.server import Request, Site

from echoreply.net.file_limits import MAX_WEB_CONNECTIONS

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
        if self.connections >= MAX_WEB_CONNECTIONS:
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
