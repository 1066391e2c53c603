"""The HTTP server of the monitoring site: one read-only request a connection, with a timeout and security headers."""

from __future__ import annotations

from io import BytesIO

from twisted.internet.interfaces import IAddress, ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import NOT_ALLOWED, HTTPChannel
from twisted.web.server import Request, Site

from echoreply.net.file_limits import MAX_WEB_CONNECTIONS

REQUEST_TIMEOUT = 60
"""Seconds for receiving a request, and again for sending its response."""

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
The headers of every response.

The page shows text that peers choose, such as the names in their certificates. It never inserts it as markup; if it
did, these headers would keep scripts from running (https://www.w3.org/TR/CSP3/, https://www.w3.org/TR/trusted-types/).
"""

TEXT = "text/plain; charset=utf-8"


class OneRequestChannel(HTTPChannel):
    """
    A connection to the site, which is closed after the response to its first request, or when that takes too long.

    This limits how long a client can hold a connection, and how much work it can cause.
    """

    site: MonitoringSite
    transport: ITCPTransport

    def connectionMade(self) -> None:
        self.site.connections += 1
        super().connectionMade()  # type: ignore[no-untyped-call]

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.site.connections -= 1
        super().connectionLost(reason)  # type: ignore[no-untyped-call]

    def headerReceived(self, line: bytes) -> bool:
        try:
            return super().headerReceived(line)  # type: ignore[no-untyped-call, no-any-return]
        except ValueError:
            # The Content-Length has more digits than Python converts to an integer.
            self.transport.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            self.loseConnection()
            return False

    def checkPersistence(self, request: Request, _version: bytes) -> bool:
        """Announce that the connection is closed after the response."""
        request.setHeader("Connection", "close")
        return False

    def resetTimeout(self) -> None:
        pass  # Twisted would restart the timeout with each byte.

    def loseConnection(self) -> None:
        """Close when the response has been written, or when the timeout expires."""
        super().loseConnection()  # type: ignore[no-untyped-call]
        self.setTimeout(REQUEST_TIMEOUT)  # type: ignore[no-untyped-call]

    def timeoutConnection(self) -> None:
        self.transport.abortConnection()


class MonitoringSite(Site):
    """
    A site with a limit on its connections and without an access log, which health checks would fill.

    @ivar connections: open connections.
    """

    noisy = False
    protocol = OneRequestChannel  # type: ignore[assignment]  # Twisted declares a type for HTTP/2 as well
    connections = 0

    def buildProtocol(self, addr: IAddress | None) -> HTTPChannel | None:  # type: ignore[override]
        """Return the protocol of a connection; C{None}, which closes it, if there are too many."""
        if self.connections >= MAX_WEB_CONNECTIONS:
            return None
        return super().buildProtocol(addr)  # type: ignore[no-untyped-call, no-any-return]

    def log(self, request: object) -> None:
        pass  # no access log


class ReadOnlyRequest(Request):
    """A request that drops its body, and is refused unless its method is GET or HEAD."""

    def gotLength(self, length: int | None) -> None:
        # Twisted would create a temporary file for a long body.
        self.content = BytesIO()

    def handleContentChunk(self, data: bytes) -> None:
        pass  # The body is dropped.

    def process(self) -> None:
        for name, value in HEADERS.items():
            self.setHeader(name, value)  # type: ignore[no-untyped-call]
        if self.method in (b"GET", b"HEAD"):
            super().process()  # type: ignore[no-untyped-call]
            return
        self.setResponseCode(NOT_ALLOWED)
        self.setHeader("Allow", "GET, HEAD")  # type: ignore[no-untyped-call]
        self.setHeader("Content-Type", TEXT)  # type: ignore[no-untyped-call]
        self.write(b"GET and HEAD only\n")  # type: ignore[no-untyped-call]
        self.finish()  # type: ignore[no-untyped-call]
