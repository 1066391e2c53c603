"""The client's side of TLS: whom it trusts, and connections to any endpoint that speak it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_address
from ssl import (
    CERT_NONE,
    OP_NO_RENEGOTIATION,
    MemoryBIO,
    SSLCertVerificationError,
    SSLContext,
    SSLError,
    cert_time_to_seconds,
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

from echoreply.core.files import read
from echoreply.core.quoting import quote
from echoreply.native.private_names import has_unsent, unverified_chain
from echoreply.tls.context import load_certificate
from echoreply.tls.transport import TLSTransport

# OpenSSL's X509_V_ERR_..., of x509_vfy.h: what is wrong with a certificate.
_UNKNOWN_ISSUERS = {2, 19, 20, 21}
_NOT_YET_VALID = 9
_EXPIRED = 10
_SELF_SIGNED = 18
_OTHER_NAME = {62, 64}

# How OpenSSL names an alert that came: by the version that has brought it up, whichever is spoken.
_ALERT = re.compile(r"(?:SSLV3|TLSV1|TLSV13)_(?:ALERT_)?(\w+)")

LONGEST_SHOWN = 500
"""Bytes that are shown of the names in a certificate."""


class HandshakeError(Exception):
    """A connection could not be secured. The text says why, for people."""


def client_context(
    authorities: str = "", certificate: str = "", key: str = "", *, insecure: bool = False
) -> SSLContext:
    """
    Say whom a client trusts, and who it is.

    TLS 1.2 and 1.3 are spoken, with Python's choice of ciphers: L{ssl.create_default_context}.

    @param authorities: the path of the certificates, in PEM, of those who are trusted; if empty, the system's are.
    @param certificate: the path of the client's own certificate in PEM, if it has one; others of its chain may follow.
    @param key: the path of its key; if empty, the key is in the certificate's file.
    @param insecure: whether a server is believed to be who it says it is.
    @raise ValueError: a file can't be used. The text says which and why, for people.
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
    Connects where another endpoint does, and speaks TLS there.

    @ivar context: L{client_context} makes one.
    @ivar name: the name or the IP address that the server's certificate must be for. A name is also sent: RFC 6066,
        section 3. None is for a context that does not look at it.
    """

    _endpoint: IStreamClientEndpoint
    _context: SSLContext
    _name: str | None

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect, as the other endpoint does, and shake hands.

        @return: the protocol, once it is connected; or a failure, such as L{HandshakeError}.
        """
        factory = TLSClientFactory(protocolFactory, self._context, self._name)
        return self._endpoint.connect(factory).addCallback(_secured)


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


def _secured(transport: IProtocol) -> Deferred[IProtocol]:
    return cast(TLSClientTransport, transport).secured


class PendingProtocol(Protocol):
    """Stands where the protocol will be, until it is known who the server is."""


class TLSClientTransport(TLSTransport):
    """
    The client's end of a connection over TLS.

    It speaks first. The protocol above is connected when the handshake is done.

    @ivar secured: fires with that protocol, or fails with L{HandshakeError}.
    """

    __slots__ = ("_name", "_upper", "secured")

    def __init__(self, protocol: IProtocol, context: SSLContext, name: str | None) -> None:
        incoming, outgoing = MemoryBIO(), MemoryBIO()
        session = context.wrap_bio(incoming, outgoing, server_hostname=name)
        super().__init__(PendingProtocol(), session, incoming, outgoing, lambda _peer, _why: None)
        self._upper = protocol
        self._name = name
        self.secured: Deferred[IProtocol] = Deferred(lambda _: self.abortConnection())

    def makeConnection(self, transport: ITransport) -> None:
        """Say hello."""
        super().makeConnection(transport)
        self._shake_hands()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Pass on why the connection ended, or that there never was one."""
        super().connectionLost(reason)
        if not self.secured.called:
            self.secured.errback(HandshakeError(self._why_not(reason)))

    def cipher(self) -> str:
        """Name the version of TLS and the cipher suite, as OpenSSL does."""
        suite = self._session.cipher()
        return f"{self._session.version()}, {suite[0] if suite else 'no cipher'}"

    def _begin(self) -> None:
        super()._begin()
        self._protocol = self._upper
        self._protocol.makeConnection(self)
        self.secured.callback(self._protocol)

    def _end_reading(self) -> None:
        transport = self._transport
        if self._goodbye_said and isinstance(transport, tcp.Connection) and not has_unsent(transport):
            # Who is told goodbye may close before the FIN is sent that follows it. All that was to be sent has been.
            self.writeConnectionLost()
        super()._end_reading()

    def _why_not(self, reason: Failure) -> str:
        if self._fault:
            return str(cast(Exception, self._fault.value).args[0])
        if reason.check(ConnectionDone):
            return "closed during the handshake"
        return "reset during the handshake"

    def _words(self, error: SSLError) -> str:
        if isinstance(error, SSLCertVerificationError):
            try:
                return _what_is_wrong(error, self._name, self._certificates())
            except (SSLError, ValueError):
                # There is nonsense in them.
                return _what_is_wrong(error, self._name, [])
        if error.reason == "WRONG_VERSION_NUMBER" and not self._secure:
            return "the server does not speak TLS"
        if alert := _ALERT.fullmatch(error.reason or ""):
            return f"the server's alert: {alert[1].replace('_', ' ').lower()}"
        return super()._words(error)

    def _certificates(self) -> list[dict[str, Any]]:
        """Give what the server has shown, its own certificate first, as far as can be known when it was refused."""
        return unverified_chain(self._session)


def _what_is_wrong(error: SSLCertVerificationError, name: str | None, chain: list[dict[str, Any]]) -> str:
    """Say for people why a certificate was refused, with what is known of it."""
    code = error.verify_code
    if code in _OTHER_NAME:
        alternatives = chain[0].get("subjectAltName", ()) if chain else ()
        names = [_plain(text) for kind, text in alternatives if kind in ("DNS", "IP Address")]
        return f"the server's certificate is not for {name}" + (f", but for {_quoted(names)}" if names else "")
    if code == _EXPIRED:
        ended = min((certificate["notAfter"] for certificate in chain), key=cert_time_to_seconds, default="")
        return "the server's certificate has expired" + (f", on {ended}" if ended else "")
    if code == _NOT_YET_VALID:
        begins = max((certificate["notBefore"] for certificate in chain), key=cert_time_to_seconds, default="")
        return "the server's certificate is not valid yet" + (f", but from {begins}" if begins else "")
    if code == _SELF_SIGNED:
        return "the server's certificate is self-signed, and none that is trusted"
    if code in _UNKNOWN_ISSUERS:
        issuer = [text for pairs in (chain[-1]["issuer"] if chain else ()) for _, text in pairs]
        return "the server's certificate has an issuer that is not trusted" + (f", {_quoted(issuer)}" if issuer else "")
    return f"the server's certificate was refused: {error.verify_message}"


def _plain(name: str) -> str:
    """Write an IP address of a certificate as people do, which OpenSSL does not; a name as it is."""
    try:
        return str(ip_address(name))
    except ValueError:
        return name


def _quoted(texts: Iterable[str]) -> str:
    return quote(", ".join(texts).encode("utf-8", "surrogateescape"), LONGEST_SHOWN)
