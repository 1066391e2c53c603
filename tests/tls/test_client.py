"""A client's TLS in memory: one end is ours, the other Python's own."""

from __future__ import annotations

import ssl
from contextlib import suppress
from pathlib import Path

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint, ITCPTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer
from zope.interface.verify import verifyObject

from echoreply.tls.client import HandshakeError, TLSClientEndpoint, TLSClientTransport, client_context
from echoreply.tls.context import server_context
from tests.support.fake_transports import TCPStringTransport
from tests.support.tls_peers import make_certificate

PEER = IPv4Address("TCP", "192.0.2.1", 443)


class Upper(Protocol):
    """Records what it is told."""

    def __init__(self) -> None:
        self.data = b""
        self.made = 0
        self.reason: BaseException | None = None

    def connectionMade(self) -> None:
        self.made += 1

    def dataReceived(self, data: bytes) -> None:
        self.data += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.reason = reason.value


@implementer(IStreamClientEndpoint)
class Pair:
    """Our client, and Python's server."""

    tls: TLSClientTransport
    lower: TCPStringTransport

    def __init__(self, certificate: tuple[str, str], context: ssl.SSLContext | None = None) -> None:
        self.upper = Upper()
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.server = server_context(*certificate).wrap_bio(self._incoming, self._outgoing, server_side=True)
        context = context or client_context(certificate[0])
        # make_certificate's have a common name only.
        context.check_hostname = False
        factory = Factory.forProtocol(lambda: self.upper)
        self.result: list[object] = []
        self.connecting = TLSClientEndpoint(self, context, "server.example").connect(factory)
        self.connecting.addBoth(self.result.append)

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        tls = protocolFactory.buildProtocol(PEER)
        assert isinstance(tls, TLSClientTransport)
        self.tls = tls
        self.lower = TCPStringTransport(tls)
        tls.makeConnection(self.lower)
        return succeed(tls)

    def answer(self) -> bytes:
        """Return the server's answer to what our end has sent."""
        self._incoming.write(self.lower.take())
        with suppress(ssl.SSLWantReadError):
            self.server.do_handshake()
        return self._outgoing.read()

    def shake_hands(self) -> None:
        for _ in range(3):
            if answer := self.answer():
                self.tls.dataReceived(answer)

    def failure(self) -> str:
        (failed,) = self.result
        assert isinstance(failed, Failure)
        assert isinstance(failed.value, HandshakeError)
        return str(failed.value)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def pair(certificate: tuple[str, str]) -> Pair:
    return Pair(certificate)


def test_the_interfaces_are_provided(pair: Pair) -> None:
    verifyObject(ITCPTransport, pair.tls)
    verifyObject(IStreamClientEndpoint, TLSClientEndpoint(pair, client_context(), None))


def test_the_protocol_is_connected_after_the_handshake(pair: Pair) -> None:
    for byte in pair.answer():
        assert (pair.upper.made, pair.result) == (0, [])
        pair.tls.dataReceived(bytes([byte]))
    pair.shake_hands()
    assert (pair.upper.made, pair.result) == (1, [pair.upper])
    assert pair.upper.transport is pair.tls
    assert pair.tls.cipher().startswith("TLSv1.3, TLS_")


def test_data_that_comes_with_the_end_of_the_handshake_is_received(certificate: tuple[str, str]) -> None:
    context = client_context(certificate[0])
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    pair = Pair(certificate, context)
    pair.tls.dataReceived(pair.answer())
    last = pair.answer()
    pair.server.write(b"welcome")
    pair.tls.dataReceived(last + pair._outgoing.read())
    assert (pair.upper.made, pair.upper.data) == (1, b"welcome")


def test_the_server_name_is_sent(certificate: tuple[str, str]) -> None:
    pair = Pair(certificate)
    assert b"server.example" in pair.lower.value()


def test_a_server_with_an_untrusted_certificate_gets_an_alert(certificate: tuple[str, str]) -> None:
    pair = Pair(certificate, client_context())
    pair.tls.dataReceived(pair.answer())
    pair.lower.flush()
    assert pair.failure() == "the server's certificate is self-signed and not trusted; use --ca FILE"
    with pytest.raises(ssl.SSLError, match="ALERT_UNKNOWN_CA"):
        pair.answer()
    assert pair.upper.made == 0
    assert pair.upper.reason is None, "it was never connected"


def test_a_certificate_that_can_not_be_decoded_is_rejected_without_its_details(
    certificate: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def raise_error(_transport: TLSClientTransport) -> None:
        raise ssl.SSLError("no text")

    monkeypatch.setattr(TLSClientTransport, "_certificates", raise_error)
    pair = Pair(certificate, client_context())
    pair.tls.dataReceived(pair.answer())
    pair.lower.flush()
    assert pair.failure() == "the server's certificate is self-signed and not trusted; use --ca FILE"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (10, "the server's certificate has expired"),
        (9, "the server's certificate is not valid yet"),
        (20, "the server's certificate has an issuer that is not trusted"),
        (62, "the server's certificate is not for server.example"),
        (24, "the server's certificate was refused: invalid CA certificate"),
    ],
)
def test_unknown_details_of_the_certificate_are_left_out(code: int, words: str, pair: Pair) -> None:
    error = ssl.SSLCertVerificationError()
    error.verify_code, error.verify_message = code, "invalid CA certificate"
    assert pair.tls._describe_error(error) == words


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", "the server's alert: handshake failure"),
        ("TLSV1_ALERT_UNKNOWN_CA", "the server's alert: unknown ca"),
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "the server's alert: certificate required"),
        ("TLSV1_UNRECOGNIZED_NAME", "the server's alert: unrecognized name"),
        ("BAD_EXTENSION", "bad extension"),
    ],
)
def test_an_alert_is_attributed_to_the_server_without_openssls_version(reason: str, words: str, pair: Pair) -> None:
    error = ssl.SSLError()
    error.reason = reason
    assert pair.tls._describe_error(error) == words


@pytest.mark.parametrize(
    ("sent", "reason", "why"),
    [
        (b"220 hello, I am no TLS server\r\n", ConnectionDone(), "the server does not speak TLS"),
        (b"", ConnectionDone(), "closed during the handshake"),
        (b"", ConnectionLost(), "reset during the handshake"),
    ],
)
def test_a_failed_handshake_has_a_reason(sent: bytes, reason: Exception, why: str, pair: Pair) -> None:
    if sent:
        pair.tls.dataReceived(sent)
    pair.lower.lose(reason)
    assert pair.failure() == why


def test_a_server_may_close_during_the_handshake(pair: Pair) -> None:
    pair.tls.dataReceived(pair.answer()[:10])
    pair.tls.readConnectionLost()
    pair.lower.flush()
    assert pair.failure() == "closed during the handshake"


def test_cancelling_aborts_the_connection(pair: Pair) -> None:
    pair.connecting.cancel()
    (failed,) = pair.result
    assert isinstance(failed, Failure)
    assert failed.check(CancelledError, HandshakeError)
    assert not pair.tls.connected


def test_a_factory_may_refuse_a_connection() -> None:
    class Refusing(Factory):
        def buildProtocol(self, addr: object) -> None:
            return None

    built: list[object] = []

    @implementer(IStreamClientEndpoint)
    class Endpoint:
        def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
            protocolFactory.doStart()
            built.append(protocolFactory.buildProtocol(PEER))
            protocolFactory.doStop()
            return Deferred()

    TLSClientEndpoint(Endpoint(), client_context(), "server.example").connect(Refusing())
    assert built == [None]


def test_a_truncation_after_the_handshake_is_a_lost_connection(pair: Pair) -> None:
    pair.shake_hands()
    pair.tls.readConnectionLost()
    pair.lower.flush()
    assert isinstance(pair.upper.reason, ConnectionLost)
    assert pair.upper.reason.args == ("closed without a close_notify",)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="missing: No such file or directory"):
        client_context(str(tmp_path / "missing"))
