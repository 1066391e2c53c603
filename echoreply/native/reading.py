"""
The reading side of a L{NativeTransport <echoreply.native.transport.NativeTransport>}.

L{ReadingSide} holds back what the event loop reads while the protocol has paused reading; L{BoundedReads} bounds the
size of a read.
"""

from __future__ import annotations

from abc import abstractmethod
from asyncio import BufferedProtocol, Protocol, Transport

from echoreply.native.states import Reading

# Module-level names: looking a member up in its enum takes longer, and these are compared for every connection.
_OPEN, _PAUSED, _HOLDING, _HOLDING_END, _ENDED = (
    Reading.OPEN,
    Reading.PAUSED,
    Reading.HOLDING,
    Reading.HOLDING_END,
    Reading.ENDED,
)

SMALL_READS = 8
"""
Number of reads shorter than the buffer after which the event loop may choose the size of its reads.

It is more than a TLS handshake has.
"""


class ReadingSide:
    """
    Decides whether data and the end of input are passed to the protocol, held or discarded.

    Methods that pause or resume the event loop's own transport take it as an argument, C{None} if there is none.

    @ivar state: the state. Data is passed on as it is read only while this is C{OPEN}.
    """

    __slots__ = ("_held", "state")

    def __init__(self) -> None:
        self.state = _OPEN
        self._held = b""

    def hold(self, data: bytes, native: Transport | None) -> None:
        """Hold data that was read in spite of a pause; discard it once reading has been stopped."""
        self.state = self.state.after["data"]
        if self.state is not Reading.STOPPED:
            self._held += data
        if native:
            # Before Python 3.12, asyncio starts to read a paused socket, but still treats it as paused.
            native.resume_reading()
            native.pause_reading()

    def end(self) -> bool:
        """Handle the end of input. Return whether the protocol has to be notified now."""
        self.state = self.state.after["end"]
        return self.state is _ENDED

    def pause(self, native: Transport | None) -> None:
        """Pause reading."""
        self.state = self.state.after["pause"]
        if self.state is _PAUSED and native:
            native.pause_reading()

    def resume(self, native: Transport | None) -> bool:
        """Resume reading. Return whether something is held, which has to be delivered in the next turn."""
        before, self.state = self.state, self.state.after["resume"]
        if before is _PAUSED and native:
            native.resume_reading()
        return before is _HOLDING or before is _HOLDING_END

    def take_held(self) -> bytes:
        """Return the data to deliver now; none if reading has been paused again or stopped."""
        if self.state is Reading.DELIVERING:
            self.state = self.state.after["deliver"]
        elif self.state is not Reading.DELIVERING_END:
            return b""
        held, self._held = self._held, b""
        return held

    def delivered(self, native: Transport | None) -> bool:
        """Continue after delivering data. Return whether the protocol has to be notified of the end of input now."""
        if self.state is Reading.DELIVERING_END:
            self.state = self.state.after["deliver"]
            return True
        if self.state is _OPEN and native:
            native.resume_reading()
        return False

    def stop(self) -> None:
        """Stop reading for good: everything from now on is discarded."""
        self.state = self.state.after["stop"]
        self._held = b""


class Reader(Protocol):
    """An asyncio protocol that either receives data in reads of any size, or through L{BoundedReads}."""

    __slots__ = ()

    @abstractmethod
    def read_buffer(self) -> memoryview:
        """Return the buffer for bounded reads. Its size is their limit."""

    @abstractmethod
    def read_freely(self) -> None:
        """Switch to reads whose size the event loop chooses."""


class BoundedReads(BufferedProtocol):
    """
    The asyncio protocol of a connection whose reads are bounded by the size of a buffer.

    An event loop reads faster when it chooses the size of a read, but may then read up to 256,000 bytes at once
    (uvloop), or any number. Peers could make a program that bounds its memory by C{bufferSize} hold that much for every
    connection. So the reads of a connection are bounded at first. They become free once several have been small, and
    after one free read that exceeds C{bufferSize} they are bounded until the connection ends.

    @param reader: receives the data, and all other events.
    @param small_reads: the number of reads shorter than the buffer after which reads become free.
    """

    __slots__ = ("_buffer", "_reader", "_small_reads_left")

    def __init__(self, reader: Reader, small_reads: float) -> None:
        self._reader = reader
        self._small_reads_left = small_reads

    def allocate(self) -> None:
        """Allocate the buffer, in the size that the protocol wants now."""
        self._buffer = self._reader.read_buffer()

    def connection_made(self, transport: object) -> None:
        self._buffer = self._reader.read_buffer()
        self._reader.connection_made(transport)  # type: ignore[arg-type]

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if nbytes < len(self._buffer):
            self._small_reads_left -= 1
            if not self._small_reads_left:
                self._reader.read_freely()
        self._reader.data_received(bytes(self._buffer[:nbytes]))

    def eof_received(self) -> bool | None:
        return self._reader.eof_received()

    def pause_writing(self) -> None:
        self._reader.pause_writing()

    def resume_writing(self) -> None:
        self._reader.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._reader.connection_lost(exc)
