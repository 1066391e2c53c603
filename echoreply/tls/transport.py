"""
A TLS connection: the protocol of a transport below, and the transport of a protocol above.

A read of one record that is answered with one record costs two calls of OpenSSL, and no copies but theirs. This fast
path is in C{dataReceived} and C{write}, where local names save look-ups.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ssl import SSLCertVerificationError, SSLError, SSLZeroReturnError
from typing import cast

from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import (
    IAddress,
    IHalfCloseableProtocol,
    IHandshakeListener,
    ILoggingContext,
    IProducer,
    IProtocol,
    IPushProducer,
    ITransport,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from echoreply.core.connection_info import TLSDetails
from echoreply.net.transport import IDuplexTransport, IRecordTransport, ISecureTransport
from echoreply.tls.details import handshake_details
from echoreply.tls.forwarding import ForwardingTransport
from echoreply.tls.handshake import Handshake
from echoreply.tls.records import Records
from echoreply.tls.states import READING, WRITING, Event, Reading, Writing

# Module-level names: these are compared for every message.
_READING_OPEN = Reading.OPEN
_WRITING_OPEN = Writing.OPEN

_READABLE = (Reading.HANDSHAKING, Reading.OPEN)


@implementer(IProtocol, IHalfCloseableProtocol, ILoggingContext, IDuplexTransport, IRecordTransport, ISecureTransport)
class TLSTransport(ForwardingTransport):
    """
    A TLS connection between a transport and a protocol.

    The protocol is connected before the handshake, so that it can limit clients that never complete it. Bytes that it
    writes until then are held.

    Each direction ends by itself, as in TLS 1.3 (RFC 8446, section 6.1): a C{close_notify} ends a
    direction as a FIN does in TCP, and is followed by a FIN. A FIN without it means that the connection was truncated.
    L{echoreply.tls.states} has the states of both directions.

    C{ISSLTransport} is not provided, since it promises pyOpenSSL's certificates.

    @param report_failure: called with the peer and the reason when the connection fails.
    @ivar taken: the number of bytes read so far, counted on the wire.
    @ivar disconnecting: whether the protocol has asked to close or to abort the connection.
    """

    __slots__ = (
        "_failure",
        "_handshake",
        "_producer",
        "_protocol",
        "_reading",
        "_records",
        "_report_failure",
        "_writing",
        "disconnecting",
        "taken",
    )

    def __init__(
        self, protocol: IProtocol, records: Records, report_failure: Callable[[IAddress, str], object]
    ) -> None:
        self._protocol = protocol
        self._records = records
        self._report_failure = report_failure
        self._reading = Reading.IDLE
        self._writing = Writing.HOLDING
        # None once there are keys.
        self._handshake: Handshake | None = Handshake(records)
        self._producer: IProducer | None = None
        self._failure: Failure | None = None
        self.taken = 0
        self.disconnecting = False

    @property
    def connected(self) -> bool:
        """Whether there is a connection."""
        return self._reading not in (Reading.IDLE, Reading.LOST)

    def makeConnection(self, transport: ITransport) -> None:
        self._reading = READING[self._reading][Event.CONNECTED]
        self._transport = cast(IDuplexTransport, transport)
        self._protocol.makeConnection(self)

    def connectionMade(self) -> None:
        pass  # makeConnection has connected the protocol above.

    def dataReceived(self, data: bytes) -> None:
        """Decrypt a read, and pass it on as one read."""
        size = len(data)
        self.taken += size
        if self._reading is not _READING_OPEN:
            self._receive_unless_open(data)
            return
        records = self._records
        incoming, decrypt = records.incoming, records.decrypt
        incoming.write(data)
        try:
            message = decrypt(size)
        except SSLError as error:
            self._receive_rest([], size, error)
            return
        if incoming.pending or not 0 < len(message) < size:
            self._receive_rest([message], size)
            return
        if records.outgoing.pending:
            self._flush()
        self._protocol.dataReceived(message)

    def _receive_unless_open(self, data: bytes) -> None:
        """Continue the handshake; drop bytes that follow the end, or a failure."""
        if self._reading is Reading.HANDSHAKING:
            self._records.incoming.write(data)
            self._advance_handshake()

    def _receive_rest(self, pieces: list[bytes], size: int, error: SSLError | None = None) -> None:
        """Pass on a read that is not exactly one record, as one read; then handle its end or error."""
        if not size:
            # For an empty read OpenSSL returns the same as at the end.
            return
        message, error = self._records.decrypt_rest(pieces, size, error)
        self._flush()
        if message:
            self._protocol.dataReceived(message)
        if isinstance(error, SSLZeroReturnError):
            self._end_reading()
        elif error:
            self._fail(self._describe_error(error))

    def readConnectionLost(self) -> None:
        if self._writing is Writing.ENDED:
            # A peer that has our close_notify need not send its own.
            self._end_reading()
        elif self._reading in _READABLE:
            if self.taken:
                self._fail("closed during the handshake" if self._handshake else "closed without a close_notify")
            else:
                self._transport.loseConnection()

    def _end_reading(self) -> None:
        if self._reading not in _READABLE:
            return
        self._reading = READING[self._reading][Event.PEER_CLOSED]
        half_closeable = IHalfCloseableProtocol(self._protocol, None)
        if half_closeable:
            half_closeable.readConnectionLost()
        else:
            self.loseConnection()

    def writeConnectionLost(self) -> None:
        half_closeable = IHalfCloseableProtocol(self._protocol, None)
        if half_closeable:
            half_closeable.writeConnectionLost()

    def connectionLost(self, reason: Failure) -> None:
        self._reading = READING[self._reading][Event.LOST]
        self._writing = WRITING[self._writing][Event.LOST]
        producer, self._producer = self._producer, None
        if self._handshake:
            self._handshake.held.clear()
            if producer:
                # It is registered with the transport below only after the handshake.
                producer.stopProducing()
        protocol = self._protocol
        # They refer to each other: this breaks the reference cycle.
        del self._protocol
        protocol.connectionLost(self._failure or reason)

    def _fail(self, reason: str) -> None:
        """Close a connection that was truncated, or on which OpenSSL has raised an error."""
        self._records.discard()
        self._flush()
        if self._reading not in _READABLE:
            return
        self._reading = READING[self._reading][Event.FAILURE]
        self._writing = WRITING[self._writing][Event.FAILURE]
        self._failure = Failure(ConnectionLost(reason))
        self._report_failure(self._transport.getPeer(), reason)
        if self._producer and not self._handshake:
            self._transport.unregisterProducer()
        self._transport.loseConnection()

    def _describe_error(self, error: SSLError) -> str:
        """Return OpenSSL's reason as text for people."""
        if isinstance(error, SSLCertVerificationError):
            return f"certificate verification failed: {error.verify_message}"
        return (error.reason or "unknown error").replace("_", " ").lower()

    def _advance_handshake(self) -> None:
        handshake = cast(Handshake, self._handshake)
        try:
            complete = handshake.advance()
        except SSLError as error:
            self._fail(self._describe_error(error))
            return
        if not complete:
            self._flush()
            return
        rest = self._records.incoming.read()
        self._finish_handshake(handshake)
        if rest and self.connected:
            self.taken -= len(rest)
            self.dataReceived(rest)

    def _finish_handshake(self, handshake: Handshake) -> None:
        """Perform the requests of the protocol that were waiting, and notify it that the handshake is complete."""
        self._reading = READING[self._reading][Event.KEYS]
        self._writing = WRITING[self._writing][Event.KEYS]
        self._handshake = None
        self._flush()
        held = b"".join(handshake.held)
        if self._writing in (Writing.OPEN, Writing.ENDING):
            self._records.encrypt_rest(held, 0)
            self._flush()
        if handshake.read_paused:
            self._transport.pauseProducing()
        if self._producer:
            self._transport.registerProducer(self._producer, handshake.streaming)
            if len(held) > self.bufferSize and handshake.streaming:
                cast(IPushProducer, self._producer).resumeProducing()
        self._notify_complete()
        if not self.connected:
            return
        if self.disconnecting and not self._producer:
            self._close()
        elif self._writing is Writing.ENDING:
            self._end_writing()

    def _notify_complete(self) -> None:
        """Notify the protocol that the handshake is complete."""
        if IHandshakeListener.providedBy(self._protocol):
            self._protocol.handshakeCompleted()

    def write(self, data: bytes) -> None:
        """Encrypt and send bytes; hold them until there are keys; drop them once this side is closed."""
        if self._writing is _WRITING_OPEN:
            if data:
                records = self._records
                encrypt = records.encrypt
                sent = encrypt(data)
                if sent != len(data):
                    records.encrypt_rest(data, sent)
                self._transport.write(records.outgoing.read())
        elif self._writing is Writing.HOLDING:
            self._hold(data)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self.write(b"".join(data))

    def _hold(self, data: bytes) -> None:
        handshake = cast(Handshake, self._handshake)
        if handshake.hold(data, self.bufferSize) and self._producer and handshake.streaming:
            cast(IPushProducer, self._producer).pauseProducing()

    def _flush(self) -> None:
        """Send the records that OpenSSL has written by itself."""
        outgoing = self._records.outgoing
        if outgoing.pending:
            self._transport.write(outgoing.read())

    def loseConnection(self) -> None:
        """Close once everything is sent, and a producer that has more to write is unregistered."""
        if self.disconnecting or not self.connected:
            return
        self.disconnecting = True
        waits = self._handshake.held if self._handshake else self._producer
        if not waits:
            self._close()

    def loseWriteConnection(self) -> None:
        """Close this side once everything is sent."""
        if self._writing is Writing.OPEN:
            self._end_writing()
        elif self._writing is Writing.HOLDING:
            if self._handshake and self._handshake.held:
                self._writing = WRITING[self._writing][Event.HALF_CLOSE]
            else:
                # Without keys there is no close_notify.
                self._writing = WRITING[self._writing][Event.CLOSED]
                self._transport.loseWriteConnection()

    def abortConnection(self) -> None:
        """Close at once, with a reset."""
        self.disconnecting = True
        self._writing = WRITING[self._writing][Event.ABORT]
        self._transport.abortConnection()

    def _close(self) -> None:
        if not self._handshake:
            self._send_close_notify()
        self._transport.loseConnection()

    def _end_writing(self) -> None:
        self._send_close_notify()
        self._transport.loseWriteConnection()

    def _send_close_notify(self) -> None:
        if self._writing in (Writing.OPEN, Writing.ENDING):
            self._writing = WRITING[self._writing][Event.CLOSED]
            self._records.close_notify()
            self._flush()

    def pauseProducing(self) -> None:
        """Pause reading, from the end of the handshake on."""
        if self._handshake:
            self._handshake.read_paused = True
        else:
            self._transport.pauseProducing()

    def resumeProducing(self) -> None:
        if self._handshake:
            self._handshake.read_paused = False
        else:
            self._transport.resumeProducing()

    def stopProducing(self) -> None:
        self.loseConnection()

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """
        Register a producer, which is paused while too many bytes wait to be sent.

        @raise RuntimeError: a producer is registered already.
        """
        if self._producer:
            raise RuntimeError(f"{producer} can't be registered before {self._producer} is unregistered")
        if not self.connected:
            producer.stopProducing()
            return
        self._producer = producer
        if self._handshake:
            self._handshake.streaming = streaming
        else:
            self._transport.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        if not self._producer:
            return
        self._producer = None
        if not self._handshake:
            self._transport.unregisterProducer()
            if self.disconnecting:
                self._close()

    @property
    def tls(self) -> TLSDetails:
        return handshake_details(self._records.session)

    def logPrefix(self) -> str:
        protocol = self._protocol
        name = protocol.logPrefix() if ILoggingContext.providedBy(protocol) else type(protocol).__name__
        return f"{name} (TLS)"
