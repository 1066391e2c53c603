"""The protocol for refused clients: it sends an error line and disconnects them."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IHalfCloseableProtocol, IReactorTime, ISSLTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from echoreply.core.replies import error_line
from echoreply.net.timer import Timer
from echoreply.net.transport import IDuplexTransport

REFUSAL_SECONDS = 2.0
"""Seconds after which a refused client is disconnected at the latest."""


@implementer(IHalfCloseableProtocol)
class RefusalProtocol(Protocol):
    """
    Sends one error line and closes. Under TLS the line is sent after the handshake.

    @param error: the reason in the error line.
    @param linger: whether to let the client close first, for a moment. Closing at once resets a connection on which the
        client has sent something, and the reset can overtake the line.
    @param closed: called when the connection is lost.
    """

    transport: IDuplexTransport

    def __init__(
        self, clock: IReactorTime, error: str, *, linger: bool, closed: Callable[[RefusalProtocol], object]
    ) -> None:
        self._timer = Timer(clock, REFUSAL_SECONDS, self.disconnect)
        self._error = error
        self._linger = linger
        self._closed = closed
        self._flushed = False

    def connectionMade(self) -> None:
        self.transport.write(error_line(self._error))
        if self._linger and not ISSLTransport.providedBy(self.transport):
            self.transport.loseWriteConnection()
        else:
            self.transport.loseConnection()
        self._timer.start()

    def readConnectionLost(self) -> None:
        self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        self._flushed = True

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._timer.stop()
        # Breaks the reference cycle with the timer.
        del self._timer
        self._closed(self)

    def disconnect(self) -> None:
        """Close if the line has been sent, else reset the connection."""
        if self._flushed:
            self.transport.loseConnection()
        else:
            self.abort()

    def abort(self) -> None:
        """Reset the connection."""
        self.transport.abortConnection()
