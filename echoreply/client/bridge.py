"""
The bridge between standard input and output and a socket: two protocols that send the input, and write out the replies.

Each side's transport is the other side's producer, so the faster side waits for the slower one.
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

from echoreply.client.states import BRIDGE, BridgeEvent, BridgeState
from echoreply.connect import failures
from echoreply.core.input_lines import InputLines
from echoreply.core.quoting import TerminalText
from echoreply.core.state_machine import StateMachine
from echoreply.net.timer import Timer
from echoreply.net.transport import IDuplexTransport, unsent

if TYPE_CHECKING:
    from twisted.internet.stdio import StandardIO


class SessionEnd(Enum):
    """The reason why a connection of the client ended. The values are messages for the user."""

    CLOSED_ON_REQUEST = "closed by the server"
    """The server closed after C{exit}, or after the client had closed its sending side."""
    SILENCE = "no more replies"
    """The client had closed its sending side, and nothing arrived for C{--wait} seconds."""
    CLOSED = failures.CLOSED
    """The server closed although the client had not requested it."""
    LOST = failures.RESET
    """The connection was reset, or lost for another reason: C{ReplyClientFactory.reason}."""
    UNSENT = "the server does not read: some of the input was not sent"
    OUTPUT_CLOSED = "cannot write to standard output"


@implementer(IHalfCloseableProtocol)
class StdioProtocol(Protocol):
    """The near end of the bridge: standard input and output, or a line editor in place of them."""

    transport: StandardIO

    def __init__(self, client: ReplyClient, lines: InputLines) -> None:
        self.client = client
        self._lines = lines

    def dataReceived(self, data: bytes) -> None:
        self.client.send(self._lines.receive(data))
        if self._lines.over:
            self.client.finish()

    def readConnectionLost(self) -> None:
        """Send the rest of the input, which has ended."""
        self.client.send(self._lines.finish())
        self.client.finish()

    def writeConnectionLost(self) -> None:
        self.client.output_closed()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if reason.check(ConnectionDone):
            self.client.output_flushed()
        else:
            self.client.output_closed()


@implementer(IHalfCloseableProtocol, IPushProducer)
class ReplyClient(Protocol):
    """
    The far end of the bridge: the socket. Made by L{ReplyClientFactory}.

    Its states are those of L{BridgeState}. In each but the last, reading may be paused.
    """

    factory: ReplyClientFactory
    transport: IDuplexTransport

    def __init__(self, clock: IReactorTime, lines: InputLines, wait: float, terminal: TerminalText | None) -> None:
        self._lines = lines
        self._terminal = terminal
        self._stdio = StdioProtocol(self, lines)
        self._silence = Timer(clock, wait, self._silent)
        self._machine = StateMachine(BRIDGE, BridgeState.OPEN)
        self._reading = True
        self._unsent: int | None = None
        self._session_end: SessionEnd | None = None

    @property
    def state(self) -> BridgeState:
        """The current state."""
        return self._machine.state

    # Called by the socket.

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)
        self.factory.connect_stdio(self._stdio)
        self.transport.registerProducer(self._stdio.transport, True)
        self._stdio.transport.registerProducer(self, True)

    def dataReceived(self, data: bytes) -> None:
        self._watch_silence()
        self._stdio.transport.write(self._terminal.receive(data) if self._terminal else data)

    def readConnectionLost(self) -> None:
        """End the session: the server has closed its sending side, so nothing more will arrive."""
        requested = self.state is BridgeState.FINISHED or self._lines.exit
        self._end(SessionEnd.CLOSED_ON_REQUEST if requested else SessionEnd.CLOSED)

    def writeConnectionLost(self) -> None:
        """Wait for the remaining replies: all input has been sent."""
        self._machine.process(BridgeEvent.SENT)
        self._watch_silence()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if reason.check(ConnectionDone):
            self.readConnectionLost()
        else:
            self.factory.reason = reason.value
            self._end(SessionEnd.LOST)

    # Called by standard output, as the consumer of what is received.

    def pauseProducing(self) -> None:
        """Pause reading. Meanwhile the server does not count as silent."""
        self._reading = False
        self._watch_silence()
        self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        self._reading = True
        self._watch_silence()
        self.transport.resumeProducing()

    def stopProducing(self) -> None:
        pass  # StdioProtocol.writeConnectionLost follows.

    # Called by the near end.

    def send(self, data: bytes) -> None:
        """Write input to the socket."""
        self.transport.write(data)

    def finish(self) -> None:
        """Close the sending side, and wait for the remaining replies. Later calls have no effect."""
        first = self.state is BridgeState.OPEN
        self._machine.process(BridgeEvent.FINISH)
        if not first:
            return
        self._stdio.transport.pauseProducing()
        # A transport does not close while it has a paused producer.
        self.transport.unregisterProducer()
        if ISSLTransport.providedBy(self.transport):
            # Twisted's own TLS can't half-close: half-closing TCP would look like a truncated connection.
            self.writeConnectionLost()
        else:
            self.transport.loseWriteConnection()
            self._watch_silence()

    def output_closed(self) -> None:
        """End the session immediately: received bytes can't be written any more."""
        self._end(SessionEnd.OUTPUT_CLOSED)
        self.factory.session_ended(SessionEnd.OUTPUT_CLOSED)

    def output_flushed(self) -> None:
        """Report how the connection ended: everything that was received has been written."""
        if self._session_end:
            self.factory.session_ended(self._session_end)

    def _watch_silence(self) -> None:
        """Restart the silence timer, which runs only while the client waits for the last replies and reads."""
        if self._reading and self.state in (BridgeState.FINISHING, BridgeState.FINISHED):
            self._silence.start()
        else:
            self._silence.stop()

    def _silent(self) -> None:
        before, self._unsent = self._unsent, unsent(self.transport)
        if self.state is BridgeState.FINISHED and not self._unsent:
            self._end(SessionEnd.SILENCE)
        elif self._unsent != before:
            # The server sends nothing, but is still reading.
            self._watch_silence()
        else:
            self._end(SessionEnd.UNSENT)

    def _end(self, session_end: SessionEnd) -> None:
        """Close the socket, and the near end once it has written everything. Only the first reason counts."""
        before = self.state
        self._machine.process(BridgeEvent.END)
        if before is BridgeState.ENDED:
            return
        self._session_end = session_end
        self._silence.stop()
        if before is BridgeState.OPEN:
            self.transport.unregisterProducer()
        self.transport.loseConnection()
        if self._terminal:
            self._stdio.transport.write(self._terminal.finish())
        self._stdio.transport.unregisterProducer()
        self._stdio.transport.loseConnection()


class ReplyClientFactory(ClientFactory):
    """
    Makes the L{ReplyClient} of one connection.

    @param clock: the reactor, or another source of time.
    @param connect_stdio: called with a L{StdioProtocol} once the connection is established; has to connect it to a
        transport, such as a L{StandardIO}.
    @param lines: converts the input to what is sent.
    @param wait: seconds of silence after which the connection is closed, once all input has been sent.
    @param terminal: escapes received bytes for a terminal; C{None} leaves them unchanged.
    @ivar done: fires with a L{SessionEnd} when the connection has ended and everything received has been written.
    @ivar reason: the exception with which the connection was lost; C{None} if it was closed.
    """

    noisy = False

    def __init__(
        self,
        clock: IReactorTime,
        connect_stdio: Callable[[StdioProtocol], object],
        *,
        lines: InputLines,
        wait: float,
        terminal: TerminalText | None = None,
    ) -> None:
        self._clock = clock
        self._lines = lines
        self._wait = wait
        self._terminal = terminal
        self.connect_stdio = connect_stdio
        self.done: Deferred[SessionEnd] = Deferred()
        self.reason: BaseException | None = None

    def buildProtocol(self, addr: IAddress | None) -> ReplyClient:  # type: ignore[override]
        client = ReplyClient(self._clock, self._lines, self._wait, self._terminal)
        client.factory = self
        return client

    def session_ended(self, session_end: SessionEnd) -> None:
        """Fire C{done}, once. Called by the protocol."""
        if not self.done.called:
            self.done.callback(session_end)
