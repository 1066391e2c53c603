"""TLS on listening addresses: descriptions of endpoints, generated certificates, and their reload."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory
from twisted.internet.testing import StringTransport
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from echoreply.net.listener import Layer
from echoreply.server.certificates import add_tls, context_reader, generate_certificate, parse_ssl_endpoint
from echoreply.tls.certificate import fingerprint, make_certificate
from echoreply.tls.transport import TLSTransport
from tests.support.tls_pair import Upper, any_server_context

PEER = IPv4Address("TCP", "192.0.2.1", 4000)


class FilesTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        directory = TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = Path(directory.name, "server.pem")
        self.path.write_bytes(make_certificate())


class EndpointTests(FilesTestCase):
    def test_the_port_may_be_named_and_the_key_may_hold_the_certificate(self) -> None:
        for description in ("ssl:443:privateKey={}", "ssl:port=443:privateKey={0}:certKey={0}:interface=\\:\\:1"):
            endpoint = parse_ssl_endpoint(description.format(self.path))
            self.assertEqual((endpoint.port, endpoint.interface), (443, "::1" if "interface" in description else ""))
            endpoint.read_context()

    def test_files_are_read_when_the_context_is(self) -> None:
        endpoint = parse_ssl_endpoint("ssl:443:privateKey=/no/such/file")
        with self.assertRaises(ValueError) as caught:
            endpoint.read_context()
        self.assertIn("/no/such/file", str(caught.exception))

    def test_a_wrong_description_is_an_error_with_the_reason(self) -> None:
        for description, why in (
            ("ssl:443:sslmethod=x", "ssl takes no sslmethod, but privateKey, certKey, extraCertChain and interface"),
            ("ssl:65536", "ssl takes one port, 0 to 65535, not '65536'"),
            ("ssl:privateKey=x", "ssl takes one port, 0 to 65535, not ''"),
            ("ssl:1:2", "ssl takes one port, 0 to 65535, not '1:2'"),
            ("ssl:443:interface=localhost", "localhost is no IP address"),
        ):
            with self.assertRaises(ValueError) as caught:
                parse_ssl_endpoint(description)
            self.assertEqual(str(caught.exception), why)


class GeneratedTests(FilesTestCase):
    def test_the_fingerprint_of_a_generated_certificate_is_logged(self) -> None:
        with capturedLogs() as logs:
            pem = generate_certificate("192.0.2.7")
        (event,) = logs
        self.assertIn(fingerprint(pem), formatEvent(event))

    def test_a_certificate_is_generated_only_if_none_is_given_and_only_once(self) -> None:
        generated: list[bytes] = []

        def generate() -> bytes:
            generated.append(make_certificate())
            return generated[-1]

        context_reader(str(self.path), "", "", (), generate)()
        self.assertEqual(generated, [])
        read = context_reader("", "", "", (), generate)
        read()
        read()
        self.assertEqual(len(generated), 1)


class ReloadTests(SynchronousTestCase):
    def test_new_connections_get_the_new_context_and_a_failed_reload_keeps_the_last(self) -> None:
        first, second = any_server_context(), context_reader("", "", "", (), make_certificate)()
        contexts = [first, second]

        def read_context() -> object:
            if not contexts:
                raise ValueError("x holds no certificate")
            return contexts.pop(0)

        front, reload = add_tls("*:8443", Factory(), read_context, lambda *_: None)  # type: ignore[arg-type]
        self.assertIs(front.context, first)
        with capturedLogs() as logs:
            self.assertTrue(reload.attempt())
            self.assertIs(front.context, second)
            self.assertFalse(reload.attempt())
            self.assertIs(front.context, second)
        self.assertEqual(["certificate of *:8443" in formatEvent(event) for event in logs], [True, True])

    def test_a_failed_connection_is_reported_as_one_of_tls(self) -> None:
        failures: list[tuple[IAddress, Layer]] = []
        front, _ = add_tls(
            "*:8443",
            Factory.forProtocol(Upper),
            any_server_context,
            lambda peer, layer, _why: failures.append((peer, layer)),
        )
        transport = front.buildProtocol(PEER)
        assert isinstance(transport, TLSTransport)
        transport.makeConnection(StringTransport(peerAddress=PEER))
        transport.dataReceived(b"hello\n")
        self.assertEqual(failures, [(PEER, Layer.TLS)])
