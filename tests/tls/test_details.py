"""What a handshake has agreed on. The names of cipher suites are compared with OpenSSL's own table."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest
from twisted.internet.protocol import Factory
from twisted.trial.unittest import SkipTest, SynchronousTestCase
from zope.interface.verify import verifyObject

from echoreply.net.transport import ISecureTransport
from echoreply.tls.context import server_context
from echoreply.tls.details import suite_name
from echoreply.tls.factory import TLSFactory
from tests.support.tls_pair import Pair, Upper
from tests.support.tls_peers import Authority, Session, client_context


class SuiteNameTests(SynchronousTestCase):
    def test_every_suite_that_a_server_offers_has_its_name_in_the_registry(self) -> None:
        if not shutil.which("openssl"):
            raise SkipTest("no openssl")
        offered = [cipher["name"] for cipher in ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).get_ciphers()]
        command = ["openssl", "ciphers", "-stdname", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"]
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        names = {openssl: registry for registry, _, openssl in (line.split()[:3] for line in listed.splitlines())}
        self.assertGreater(len(offered), 3)
        self.assertEqual({name: suite_name(name) for name in offered}, {name: names[name] for name in offered})

    def test_names_that_openssl_shares_with_the_registry_are_unchanged(self) -> None:
        for name in ("TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256", ""):
            self.assertEqual(suite_name(name), name)

    def test_names_of_tls_1_2_are_translated(self) -> None:
        for openssl, registry in {
            "ECDHE-ECDSA-AES128-GCM-SHA256": "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            "ECDHE-RSA-AES256-SHA384": "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384",
            "ECDHE-RSA-CHACHA20-POLY1305": "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        }.items():
            self.assertEqual(suite_name(openssl), registry)


class TestDetails:
    """What is known of a client once the handshake is done."""

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda v: v.name)
    def test_details_match_those_of_the_client(self, version: ssl.TLSVersion, tmp_path: Path) -> None:
        authority = Authority(tmp_path, "authority")
        server = server_context(*authority.sign("server"), client_ca=authority.path, alpn=["echo/2", "echo/1"])
        context = client_context(authority.sign("client"))
        context.minimum_version = context.maximum_version = version
        context.set_alpn_protocols(["echo/1"])
        pair = Pair(factory=TLSFactory(Factory.forProtocol(Upper), server, lambda *_: None))
        pair.client = Session(context, "server.test")
        pair.shake_hands()
        details = pair.tls.tls
        assert verifyObject(ISecureTransport, pair.tls)
        assert (
            details.version == pair.client.tls.version() == {"TLSv1_2": "TLSv1.2", "TLSv1_3": "TLSv1.3"}[version.name]
        )
        assert details.cipher == suite_name((pair.client.tls.cipher() or ("",))[0])
        assert details.cipher.startswith("TLS_")
        assert (details.server_name, details.alpn, details.client) == ("server.test", "echo/1", "CN=client")

    def test_details_that_a_client_does_not_send_are_empty(self) -> None:
        pair = Pair()
        pair.shake_hands()
        details = pair.tls.tls
        assert (details.server_name, details.alpn, details.client) == ("", "", "")

    def test_the_first_common_cipher_of_the_client_is_used(self) -> None:
        offered = ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES256-GCM-SHA384"]
        for _ in offered:
            offered.append(offered.pop(0))
            context = client_context()
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.set_ciphers(":".join(offered))
            pair = Pair()
            pair.client = Session(context)
            pair.shake_hands()
            assert pair.tls.tls.cipher == suite_name(offered[0])
