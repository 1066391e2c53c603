"""
A keyboard and a socket, bridged: what is typed is sent, what is received is shown, both ways at once.

Each side is a protocol of its own, and each side's transport is the other's producer, so that the side that is ahead
waits for the one that is behind.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress, IHalfCloseableProtocol, IPushProducer, IReactorTime, ISSLTransport
from twisted.internet.protocol import ClientFactory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from echoreply.connect import failures
from echoreply.core.input_lines import InputLines
from echoreply.core.quoting import TerminalText
from echoreply.net.timer import Timer
from echoreply.net.transport import IDuplexTransport, unsent

if TYPE_CHECKING:
    from twisted.internet.stdio import StandardIO


class SessionEnd(Enum):
    """How a client's connection ended."""

    ANSWERED = "closed by the server"
    """After we had asked for it: by C{exit}, or by sending all and closing our side."""
    SILENT = "no more replies"
    """We had ended what we send, and for a while nothing came."""
    CLOSED = failures.CLOSED
    """Unasked."""
    RESET = failures.RESET
    UNSENT = "the server takes no more of what was typed"
    OUTPUT_CLOSED = "cannot write to standard output"


@implementer(IHalfCloseableProtocol)
class Keyboard(Protocol):
    """The near end of the bridge: standard input and output."""

    transport: StandardIO

    def __init__(self, client: ReplyClient, lines: InputLines) -> None:
        self.client = client
        self._lines = lines

    def dataReceived(self, data: bytes) -> None:
        """Send what was typed."""
        self.client.send(self._lines.receive(data))
        if self._lines.over:
            self.client.finish()

    def readConnectionLost(self) -> None:
        """Send what is left: no more will be typed."""
        self.client.send(self._lines.finish())
        self.client.finish()

    def writeConnectionLost(self) -> None:
        """Leave: nobody sees what is received."""
        self.client.output_closed()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Leave: everything has been shown, or can't be."""
        if reason.check(ConnectionDone):
            self.client.left()
        else:
            self.client.output_closed()


@implementer(IHalfCloseableProtocol, IPushProducer)
class ReplyClient(Protocol):
    """The far end of the bridge: the socket. Made by L{ReplyClientFactory}."""

    factory: ReplyClientFactory
    transport: IDuplexTransport

    def __init__(self, clock: IReactorTime, lines: InputLines, wait: float, terminal: TerminalText | None) -> None:
        self._lines = lines
        self._terminal = terminal
        self._keyboard = Keyboard(self, lines)
        self._silence = Timer(clock, wait, self._waited)
        self._finished = False
        self._all_sent = False
        self._listening = True
        self._unsent: int | None = None
        self._session_end: SessionEnd | None = None

    # What the socket tells.

    def connectionMade(self) -> None:
        """Open the keyboard."""
        self.transport.setTcpNoDelay(True)
        self.factory.open_keyboard(self._keyboard)
        self.transport.registerProducer(self._keyboard.transport, True)
        self._keyboard.transport.registerProducer(self, True)

    def dataReceived(self, data: bytes) -> None:
        """Show what was received."""
        self._watch_silence()
        self._keyboard.transport.write(self._terminal.receive(data) if self._terminal else data)

    def readConnectionLost(self) -> None:
        """Leave: the server has closed its sending side, so nothing more will come."""
        asked = self._all_sent or self._lines.exit
        self._part(SessionEnd.ANSWERED if asked else SessionEnd.CLOSED)

    def writeConnectionLost(self) -> None:
        """Wait for what is still to come: all that was typed has been sent."""
        self._all_sent = True
        self._watch_silence()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Leave, unless that is why the connection was lost."""
        if reason.check(ConnectionDone):
            self.readConnectionLost()
        else:
            self.factory.reason = reason.value
            self._part(SessionEnd.RESET)

    # What standard output asks, as the consumer of what is received.

    def pauseProducing(self) -> None:
        """Receive no more for now. A server that we do not listen to is not silent."""
        self._listening = False
        self._watch_silence()
        self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        """Receive again."""
        self._listening = True
        self._watch_silence()
        self.transport.resumeProducing()

    def stopProducing(self) -> None:
        """Do nothing: the keyboard's C{writeConnectionLost} follows."""

    # What the keyboard tells.

    def send(self, data: bytes) -> None:
        """Send what was typed."""
        self.transport.write(data)

    def finish(self) -> None:
        """Close our sending side, and wait for the replies that are owed."""
        if self._finished or self._session_end:
            return
        self._finished = True
        self._keyboard.transport.pauseProducing()
        # A transport with a producer that it has paused would not close.
        self.transport.unregisterProducer()
        if ISSLTransport.providedBy(self.transport):
            # Twisted's own TLS has no end for one side: its TCP would, and the server would take it for a cut.
            self.writeConnectionLost()
        else:
            self.transport.loseWriteConnection()
            self._watch_silence()

    def output_closed(self) -> None:
        """Leave: nobody sees what is received."""
        self._part(SessionEnd.OUTPUT_CLOSED)
        self.factory.parted(SessionEnd.OUTPUT_CLOSED)

    def left(self) -> None:
        """Tell how it ended: everything that was received has been shown."""
        if self._session_end:
            self.factory.parted(self._session_end)

    def _watch_silence(self) -> None:
        """Count the silence from now, while it means something: nothing more is typed, and we listen."""
        if self._finished and self._listening and not self._session_end:
            self._silence.start()
        else:
            self._silence.stop()

    def _waited(self) -> None:
        before, self._unsent = self._unsent, unsent(self.transport)
        if self._all_sent and not self._unsent:
            self._part(SessionEnd.SILENT)
        elif self._unsent != before:
            # The server says nothing yet, but it takes what was typed.
            self._watch_silence()
        else:
            self._part(SessionEnd.UNSENT)

    def _part(self, session_end: SessionEnd) -> None:
        """Show what has been received, then leave."""
        if self._session_end:
            return
        self._session_end = session_end
        self._silence.stop()
        if not self._finished:
            self.transport.unregisterProducer()
        self.transport.loseConnection()
        if self._terminal:
            self._keyboard.transport.write(self._terminal.finish())
        self._keyboard.transport.unregisterProducer()
        self._keyboard.transport.loseConnection()


class ReplyClientFactory(ClientFactory):
    """
    Makes the L{ReplyClient} for one connection.

    @param clock: where time comes from, such as the reactor.
    @param open_keyboard: is called with a L{Keyboard} once there is a connection, and connects it to a transport,
        such as a L{StandardIO}.
    @param lines: what is done to what is typed.
    @param wait: how many seconds of silence end it, once nothing more is typed.
    @param terminal: what is done to what is received, if it is shown on a terminal.
    @ivar done: fires with a L{SessionEnd}, when everything that was received has been shown.
    @ivar reason: why the connection was lost, if it was not closed.
    """

    noisy = False

    def __init__(
        self,
        clock: IReactorTime,
        open_keyboard: Callable[[Keyboard], object],
        *,
        lines: InputLines,
        wait: float,
        terminal: TerminalText | None = None,
    ) -> None:
        self._clock = clock
        self._lines = lines
        self._wait = wait
        self._terminal = terminal
        self.open_keyboard = open_keyboard
        self.done: Deferred[SessionEnd] = Deferred()
        self.reason: BaseException | None = None

    def buildProtocol(self, addr: IAddress | None) -> ReplyClient:  # type: ignore[override]
        """Make the protocol for the connection."""
        client = ReplyClient(self._clock, self._lines, self._wait, self._terminal)
        client.factory = self
        return client

    def parted(self, session_end: SessionEnd) -> None:
        """Take note that it is over. For the protocol to call."""
        if not self.done.called:
            self.done.callback(session_end)
