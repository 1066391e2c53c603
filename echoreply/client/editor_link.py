"""The interactive client's end of one connection: a transport that replaces standard input and output."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from echoreply.client.bridge import StdioProtocol
from echoreply.client.round_trips import RoundTrips
from echoreply.connect.datagram_transport import DatagramTransport
from echoreply.core.input_lines import InputLines


class LineTooLongError(ValueError):
    """A line does not fit in a datagram."""


class SentLines(InputLines):
    """Input lines that keep the bytes that were sent for the last line."""

    _sent = b""

    def receive(self, data: bytes) -> bytes:
        self._sent = super().receive(data)
        return self._sent

    def take(self) -> bytes:
        """Return the bytes that were sent for the last line, once; none if it was C{quit}, or came after the end."""
        sent, self._sent = self._sent, b""
        return sent


class _LinkState(Enum):
    PAUSED = auto()
    """The connection's buffer is full, or it is being set up or ended: lines have to wait."""
    READY = auto()
    LOST = auto()


class EditorLink:
    """
    Passes lines to a L{StdioProtocol}, and received bytes to the interactive client.

    It is the protocol's transport. It buffers nothing: written bytes are passed on before C{write} returns.

    @param lines: the lines of this connection; the protocol has the same object.
    @param round_trips: matches the replies of this connection.
    @param connected_at: when the connection was established, by the reactor's clock.
    @param received: called with received bytes.
    @param ready: called when lines can be sent.
    """

    def __init__(
        self,
        stdio: StdioProtocol,
        lines: SentLines,
        round_trips: RoundTrips,
        connected_at: float,
        *,
        received: Callable[[bytes], object],
        ready: Callable[[], object],
    ) -> None:
        self._stdio = stdio
        self._lines = lines
        self._received = received
        self._ready = ready
        self._state = _LinkState.PAUSED
        self.round_trips = round_trips
        self.connected_at = connected_at

    @property
    def ready(self) -> bool:
        """Whether a line can be sent now."""
        return self._state is _LinkState.READY

    @property
    def end_requested(self) -> bool:
        """Whether a line that was sent has asked the server, or the client, to end the connection."""
        return self._lines.over or self._lines.exit

    @property
    def too_long(self) -> int:
        """The number of lines that were not sent because they do not fit in a datagram."""
        transport = self._stdio.client.transport
        return transport.too_long if isinstance(transport, DatagramTransport) else 0

    def send(self, line: bytes) -> bytes:
        """
        Send a line.

        @return: the bytes that were sent; none for a line that is only for the client, such as C{quit}.
        @raise LineTooLongError: the line does not fit in a datagram, and was not sent.
        """
        too_long = self.too_long
        self._stdio.dataReceived(line)
        sent = self._lines.take()
        if self.too_long > too_long:
            raise LineTooLongError
        return sent

    def finish(self) -> None:
        """Close the sending side."""
        self._stdio.readConnectionLost()

    # Called by the client's protocols, as they call standard output and input.

    def write(self, data: bytes) -> None:
        if data:
            self._received(data)

    def registerProducer(self, producer: object, streaming: bool) -> None:
        pass  # The producer never has to pause.

    def unregisterProducer(self) -> None:
        pass

    def pauseProducing(self) -> None:
        self._change(_LinkState.PAUSED)

    def resumeProducing(self) -> None:
        self._change(_LinkState.READY)
        if self.ready:
            self._ready()

    def stopProducing(self) -> None:
        self._change(_LinkState.PAUSED)

    def loseConnection(self) -> None:
        self._state = _LinkState.LOST
        self._stdio.connectionLost()

    def _change(self, state: _LinkState) -> None:
        if self._state is not _LinkState.LOST:
            self._state = state
