"""
TLS between a transport and a protocol.

It must be cheap for a read that is one record and is answered by another: one call of OpenSSL for each, and no copy but
those that they make.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from ssl import MemoryBIO, SSLCertVerificationError, SSLError, SSLObject, SSLWantReadError, SSLZeroReturnError
from typing import cast

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import (
    IAddress,
    IHalfCloseableProtocol,
    IHandshakeListener,
    ILoggingContext,
    IProducer,
    IProtocol,
    IPushProducer,
    ISystemHandle,
    ITransport,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from echoreply.core.connection_info import TLSDetails
from echoreply.native.private_names import ssl_object
from echoreply.net.transport import IDuplexTransport, IRecordTransport, ISecureTransport
from echoreply.tls.context import ServerSession


@implementer(
    IProtocol,
    IHalfCloseableProtocol,
    ILoggingContext,
    IDuplexTransport,
    IRecordTransport,
    ISecureTransport,
    ISystemHandle,
)
class TLSTransport:
    """
    The protocol of a transport, and the transport of a protocol.

    The protocol above is connected at once, so that it knows, and limits, those who never come to an end with their
    handshake. What it writes until then is held.

    Closing is that of TLS 1.3, RFC 8446, section 6.1, in which each direction has an end of its own: C{close_notify} is
    what a FIN is to TCP, and is followed by one. A FIN without it is the end of a connection that somebody cut.

    It gives no C{ISSLTransport}, which promises the certificate as pyOpenSSL has it.

    @param incoming: what C{session} reads from. It is empty between two calls, and so may serve several connections.
    @param outgoing: what C{session} writes to, in the same way.
    @param tell: is called with the peer and the reason if the connection fails.
    @ivar taken: bytes read so far, as they were on the wire.
    @ivar disconnecting: whether the connection will be closed once everything is written.
    """

    __slots__ = (
        "__provides__",
        "_decrypt",
        "_encrypt",
        "_fault",
        "_goodbye_said",
        "_held",
        "_incoming",
        "_outgoing",
        "_producer",
        "_protocol",
        "_read_ended",
        "_read_paused",
        "_secure",
        "_session",
        "_streaming",
        "_tell",
        "_transport",
        "_write_closing",
        "connected",
        "disconnecting",
        "taken",
    )

    def __init__(
        self,
        protocol: IProtocol,
        session: SSLObject,
        incoming: MemoryBIO,
        outgoing: MemoryBIO,
        tell: Callable[[IAddress, str], object],
    ) -> None:
        self._protocol = protocol
        self._session = session
        # What C{SSLObject} only passes the call on to, if it has it: this is done for every message.
        direct = ssl_object(session)
        self._decrypt: Callable[[int], bytes] = direct.read
        self._encrypt: Callable[[bytes | memoryview], int] = direct.write
        self._incoming = incoming
        self._outgoing = outgoing
        self._tell = tell
        self._producer: IProducer | None = None
        self._streaming = False
        self._held: list[bytes] = []
        self._fault: Failure | None = None
        self._secure = False
        self._read_paused = False
        self._read_ended = False
        self._write_closing = False
        self._goodbye_said = False
        self.taken = 0
        self.connected = False
        self.disconnecting = False

    # What the transport tells.

    def makeConnection(self, transport: ITransport) -> None:
        """Begin."""
        self._transport = cast(IDuplexTransport, transport)
        self.connected = True
        self._protocol.makeConnection(self)

    def connectionMade(self) -> None:
        """Do nothing: C{makeConnection} has."""

    def dataReceived(self, data: bytes) -> None:
        """Decrypt what was read, and pass it on as one."""
        size = len(data)
        self.taken += size
        incoming = self._incoming
        incoming.write(data)
        if not self._secure:
            self._shake_hands()
            return
        try:
            message = self._decrypt(size)
        except SSLError as error:
            self._read_on([], size, error)
            return
        if incoming.pending or not 0 < len(message) < size:
            self._read_on([message], size)
            return
        if self._outgoing.pending:
            self._flush()
        self._protocol.dataReceived(message)

    def readConnectionLost(self) -> None:
        """See whether the peer has said goodbye before it closed its sending side."""
        if self._goodbye_said:
            # What it had to say no longer matters.
            self._end_reading()
        elif not self._read_ended:
            if self.taken:
                self._fail("closed without a close_notify" if self._secure else "closed during the handshake")
            else:
                self._transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """Pass on that everything has been written, and our side is closed."""
        half_closeable = IHalfCloseableProtocol(self._protocol, None)
        if half_closeable:
            half_closeable.writeConnectionLost()

    def connectionLost(self, reason: Failure) -> None:
        """Pass on why the connection ended."""
        self.connected = False
        self._write_closing = True
        self._held.clear()
        producer, self._producer = self._producer, None
        if producer and not self._secure:
            producer.stopProducing()
        protocol = self._protocol
        # They know each other.
        del self._protocol
        protocol.connectionLost(self._fault or reason)

    # What the protocol asks.

    @property
    def bufferSize(self) -> int:
        """Bytes that are read at once."""
        return self._transport.bufferSize

    @bufferSize.setter
    def bufferSize(self, size: int) -> None:
        self._transport.bufferSize = size

    def write(self, data: bytes) -> None:
        """Encrypt and write, or hold it until there is a key."""
        if self._write_closing:
            return
        if not self._secure:
            self._hold(data)
        elif data:
            sent = self._encrypt(data)
            while sent != len(data):
                # It takes a record at a time.
                sent += self._encrypt(memoryview(data)[sent:])
            self._transport.write(self._outgoing.read())

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Write several pieces."""
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        """Close once everything is written, and a producer that has more to write is unregistered."""
        if self.disconnecting or not self.connected:
            return
        self.disconnecting = True
        if not (self._secure or self._held):
            self._transport.loseConnection()
        elif self._secure and not self._producer:
            self._close()

    def abortConnection(self) -> None:
        """Close now, with a reset."""
        self.disconnecting = self._write_closing = True
        self._transport.abortConnection()

    def loseWriteConnection(self) -> None:
        """Close our sending side once everything is written."""
        if not self._write_closing:
            self._write_closing = True
            if self._secure:
                self._close_writing()
            elif not self._held:
                # There is nobody to say goodbye to yet, and nothing else to say.
                self._goodbye_said = True
                self._transport.loseWriteConnection()

    def pauseProducing(self) -> None:
        """Read no more for now, or once there are keys."""
        self._read_paused = True
        if self._secure:
            self._transport.pauseProducing()

    def resumeProducing(self) -> None:
        """Read again."""
        self._read_paused = False
        if self._secure:
            self._transport.resumeProducing()

    def stopProducing(self) -> None:
        """Close: the protocol's own bytes have nowhere to go."""
        self.loseConnection()

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """
        Have a producer paused while too much waits to be written.

        @raise RuntimeError: there is one already.
        """
        if self._producer:
            raise RuntimeError(f"{producer} can't be registered before {self._producer} is unregistered")
        if not self.connected:
            producer.stopProducing()
            return
        self._producer, self._streaming = producer, streaming
        if self._secure:
            self._transport.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """Expect no more of the producer."""
        if not self._producer:
            return
        self._producer = None
        if self._secure and self.connected:
            self._transport.unregisterProducer()
            if self.disconnecting:
                self._close()

    def getPeer(self) -> IPv4Address | IPv6Address:
        """Give the address of the other end."""
        return self._transport.getPeer()

    def getHost(self) -> IPv4Address | IPv6Address:
        """Give the address of this end."""
        return self._transport.getHost()

    def getHandle(self) -> object:
        """Give the socket, if there is one. What it knows are bytes on the wire."""
        transport = self._transport
        return cast(ISystemHandle, transport).getHandle() if ISystemHandle.providedBy(transport) else None

    def getTcpNoDelay(self) -> bool:
        """Tell whether small segments are sent at once: RFC 9293, 3.7.4."""
        return self._transport.getTcpNoDelay()

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Have small segments sent at once, or not."""
        self._transport.setTcpNoDelay(enabled)

    def getTcpKeepAlive(self) -> bool:
        """Tell whether a silent peer is asked if it is still there: RFC 9293, 3.8.4."""
        return self._transport.getTcpKeepAlive()

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """Have a silent peer asked, or not."""
        self._transport.setTcpKeepAlive(enabled)

    def logPrefix(self) -> str:
        """Name the connection for a log."""
        protocol = self._protocol
        name = protocol.logPrefix() if ILoggingContext.providedBy(protocol) else type(protocol).__name__
        return f"{name} (TLS)"

    @property
    def tls(self) -> TLSDetails:
        """Say what the handshake has led to, once it is done."""
        from echoreply.tls.certificate import subject_of  # as in server_context

        session = self._session
        shown = session.getpeercert(binary_form=True)
        name, *_ = session.cipher() or ("",)
        return TLSDetails(
            version=session.version() or "",
            cipher=suite_name(name),
            server_name=(isinstance(session, ServerSession) and session.asked_for) or "",
            alpn=session.selected_alpn_protocol() or "",
            client=subject_of(shown) if shown else "",
        )

    # Reading.

    def _shake_hands(self) -> None:
        """Go on with the handshake, with what was read."""
        try:
            self._session.do_handshake()
        except SSLWantReadError:
            self._flush()
            return
        except SSLError as error:
            self._fail(self._words(error))
            return
        self._secure = True
        rest = self._incoming.read()
        self._flush()
        if IHandshakeListener.providedBy(self._protocol):
            self._protocol.handshakeCompleted()
        self._begin()
        if rest and self.connected:
            self.taken -= len(rest)
            self.dataReceived(rest)

    def _begin(self) -> None:
        """Do what the protocol has asked for before there were keys."""
        held, self._held = b"".join(self._held), []
        closing, self._write_closing = self._write_closing, False
        self.write(held)
        self._write_closing = closing
        if self._read_paused:
            self._transport.pauseProducing()
        if self._producer:
            self._transport.registerProducer(self._producer, self._streaming)
            if len(held) > self.bufferSize and self._streaming:
                cast(IPushProducer, self._producer).resumeProducing()
        if self.disconnecting and not self._producer:
            self._close()
        elif closing and not self._goodbye_said:
            self._close_writing()

    def _read_on(self, pieces: list[bytes], size: int, error: SSLError | None = None) -> None:
        """Decrypt the rest of what was read, and pass on all of it, then what came of it."""
        incoming = self._incoming
        ended = pieces == [b""]
        try:
            while not (error or ended) and (incoming.pending or len(pieces[-1]) == size):
                piece = self._decrypt(size)
                pieces.append(piece)
                ended = not piece
        except SSLError as told:
            error = told
        if incoming.pending:
            # It follows a goodbye, or what can't be understood.
            incoming.read()
        self._flush()
        if message := b"".join(pieces):
            self._protocol.dataReceived(message)
        if ended or isinstance(error, SSLZeroReturnError):
            self._end_reading()
        elif error and not isinstance(error, SSLWantReadError):
            self._fail(self._words(error))

    def _end_reading(self) -> None:
        if self._read_ended or not self.connected:
            return
        self._read_ended = True
        half_closeable = IHalfCloseableProtocol(self._protocol, None)
        if half_closeable:
            half_closeable.readConnectionLost()
        else:
            self.loseConnection()

    def _fail(self, why: str) -> None:
        """End the connection, which somebody cut, or one of the two did not understand the other."""
        # What can't be understood is not left to others.
        self._incoming.read()
        self._flush()
        if self._fault or not self.connected:
            return
        self._fault = Failure(ConnectionLost(why))
        self._write_closing = self._read_ended = True
        self._tell(self._transport.getPeer(), why)
        if self._producer and self._secure:
            self._transport.unregisterProducer()
        self._transport.loseConnection()

    def _words(self, error: SSLError) -> str:
        """Say what OpenSSL says, for people."""
        if isinstance(error, SSLCertVerificationError):
            return f"certificate verify failed: {error.verify_message}"
        return (error.reason or "unknown error").replace("_", " ").lower()

    # Writing.

    def _hold(self, data: bytes) -> None:
        before = sum(map(len, self._held))
        self._held.append(data)
        if self._producer and self._streaming and before <= self.bufferSize < before + len(data):
            cast(IPushProducer, self._producer).pauseProducing()

    def _flush(self) -> None:
        """Write what OpenSSL wants to say."""
        if self._outgoing.pending:
            self._transport.write(self._outgoing.read())

    def _say_goodbye(self) -> None:
        if not self._goodbye_said:
            self._goodbye_said = self._write_closing = True
            # It would like to hear one, too.
            with suppress(SSLError):
                self._session.unwrap()
            self._flush()

    def _close_writing(self) -> None:
        self._say_goodbye()
        self._transport.loseWriteConnection()

    def _close(self) -> None:
        if not self._fault:
            self._say_goodbye()
        self._transport.loseConnection()


def suite_name(name: str) -> str:
    """
    Give the name that a cipher suite has in IANA's registry: RFC 5289, RFC 7905 and RFC 8446, B.4.

    @param name: as OpenSSL has it, whose names for the suites of TLS 1.2 are its own.
    @return: the same, if it is none of those that Python's L{ssl} offers.
    """
    match = re.fullmatch(r"(\w+)-(\w+)-(?:AES(\d+)-(GCM-)?(SHA\d+)|CHACHA20-POLY1305)", name)
    if not match:
        return name
    exchange, signature, bits, gcm, digest = match.groups()
    cipher = f"AES_{bits}_{'GCM' if gcm else 'CBC'}_{digest}" if bits else "CHACHA20_POLY1305_SHA256"
    return f"TLS_{exchange}_{signature}_WITH_{cipher}"
