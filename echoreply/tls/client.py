"""The client's side of TLS: which servers a client trusts, and TLS connections to any endpoint."""

from __future__ import annotations

import re
from ssl import (
    CERT_NONE,
    OP_NO_RENEGOTIATION,
    MemoryBIO,
    SSLCertVerificationError,
    SSLContext,
    SSLError,
    create_default_context,
)
from typing import Any, cast

from attrs import frozen
from twisted.internet import tcp
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress, IProtocol, IProtocolFactory, IStreamClientEndpoint, ITransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from echoreply.native.private_names import has_unsent, unverified_chain
from echoreply.net.files import read
from echoreply.tls.context import load_certificate
from echoreply.tls.records import Records
from echoreply.tls.states import Writing
from echoreply.tls.transport import TLSTransport
from echoreply.tls.verification import rejection_reason

# OpenSSL names an alert with the version that introduced it, whichever version is in use.
_ALERT = re.compile(r"(?:SSLV3|TLSV1|TLSV13)_(?:ALERT_)?(\w+)")


class HandshakeError(Exception):
    """The TLS handshake has failed. The text is the reason, for people."""


def client_context(
    authorities: str = "", certificate: str = "", key: str = "", *, insecure: bool = False
) -> SSLContext:
    """
    Return a context with the authorities that a client trusts, and with its own certificate.

    It supports TLS 1.2 and 1.3, with Python's choice of ciphers: L{ssl.create_default_context}.

    @param authorities: the path of the trusted authorities' certificates, in PEM; if empty, the system's are trusted.
    @param certificate: the path of the client's own certificate in PEM, if it has one; others of its chain may follow.
    @param key: the path of its key; if empty, the key is in the certificate's file.
    @param insecure: whether any certificate of a server is accepted.
    @raise ValueError: a file can't be used. The text names it and the reason, for people.
    """
    if authorities:
        read(authorities)
    try:
        context = create_default_context(cafile=authorities or None)
    except SSLError:
        raise ValueError(f"{authorities} holds no certificate in PEM") from None
    context.options |= OP_NO_RENEGOTIATION
    if insecure:
        context.check_hostname = False
        context.verify_mode = CERT_NONE
    if certificate:
        load_certificate(context, certificate, key)
    return context


@implementer(IStreamClientEndpoint)
@frozen
class TLSClientEndpoint:
    """
    An endpoint that connects to another endpoint, with TLS on the connection.

    @ivar context: as L{client_context} returns it.
    @ivar name: the name or the IP address that the server's certificate must be for. A name is also sent: RFC 6066,
        section 3. It may be missing if the context does not check it.
    """

    _endpoint: IStreamClientEndpoint
    _context: SSLContext
    _name: str | None

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect to the other endpoint, and wait for the handshake to complete.

        @return: the protocol, once it is connected; or a failure, such as L{HandshakeError}.
        """
        factory = TLSClientFactory(protocolFactory, self._context, self._name)
        return self._endpoint.connect(factory).addCallback(_wait_for_handshake)


def _wait_for_handshake(transport: IProtocol) -> Deferred[IProtocol]:
    return cast(TLSClientTransport, transport).handshake_done


@implementer(IProtocolFactory)
@frozen
class TLSClientFactory:
    """Puts a client's TLS between a factory's protocols and their transports."""

    noisy = False

    _factory: IProtocolFactory
    _context: SSLContext
    _name: str | None

    def buildProtocol(self, addr: IAddress) -> TLSClientTransport | None:
        protocol = self._factory.buildProtocol(addr)
        return None if protocol is None else TLSClientTransport(protocol, self._context, self._name)

    def doStart(self) -> None:
        self._factory.doStart()

    def doStop(self) -> None:
        self._factory.doStop()


class PendingProtocol(Protocol):
    """The placeholder for the protocol until the handshake is complete."""


class TLSClientTransport(TLSTransport):
    """
    The client's end of a TLS connection.

    It begins the handshake. The protocol above is connected when the handshake is complete.

    @ivar handshake_done: fires with that protocol, or fails with L{HandshakeError}.
    """

    __slots__ = ("_name", "_upper", "handshake_done")

    def __init__(self, protocol: IProtocol, context: SSLContext, name: str | None) -> None:
        incoming, outgoing = MemoryBIO(), MemoryBIO()
        session = context.wrap_bio(incoming, outgoing, server_hostname=name)
        super().__init__(PendingProtocol(), Records(session, incoming, outgoing), lambda _peer, _reason: None)
        self._upper = protocol
        self._name = name
        self.handshake_done: Deferred[IProtocol] = Deferred(lambda _: self.abortConnection())

    def makeConnection(self, transport: ITransport) -> None:
        super().makeConnection(transport)
        self._advance_handshake()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(reason)
        if not self.handshake_done.called:
            self.handshake_done.errback(HandshakeError(self._handshake_failure(reason)))

    def cipher(self) -> str:
        """Return the version of TLS and the cipher suite, in OpenSSL's names."""
        session = self._records.session
        suite = session.cipher()
        return f"{session.version()}, {suite[0] if suite else 'no cipher'}"

    def _notify_complete(self) -> None:
        self._protocol = self._upper
        self._protocol.makeConnection(self)
        self.handshake_done.callback(self._protocol)

    def _end_reading(self) -> None:
        transport = self._transport
        if self._writing is Writing.ENDED and isinstance(transport, tcp.Connection) and not has_unsent(transport):
            # Everything but the FIN has been sent. A peer that has our close_notify may close before that, and then the
            # transport does not report that the sending side is closed.
            self.writeConnectionLost()
        super()._end_reading()

    def _handshake_failure(self, reason: Failure) -> str:
        if self._failure:
            return str(cast(Exception, self._failure.value).args[0])
        if reason.check(ConnectionDone):
            return "closed during the handshake"
        return "reset during the handshake"

    def _describe_error(self, error: SSLError) -> str:
        if isinstance(error, SSLCertVerificationError):
            try:
                return rejection_reason(error, self._name, self._certificates())
            except (SSLError, ValueError):
                # The certificates can't be decoded.
                return rejection_reason(error, self._name, [])
        if error.reason == "WRONG_VERSION_NUMBER" and self._handshake:
            return "the server does not speak TLS"
        if alert := _ALERT.fullmatch(error.reason or ""):
            return f"the server's alert: {alert[1].replace('_', ' ').lower()}"
        return super()._describe_error(error)

    def _certificates(self) -> list[dict[str, Any]]:
        return unverified_chain(self._records.session)
