"""The names of cipher suites, held against OpenSSL's own table."""

from __future__ import annotations

import shutil
import ssl
import subprocess

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from echoreply.tls.details import suite_name


class SuiteNameTests(SynchronousTestCase):
    def test_all_that_a_server_offers_have_the_names_of_the_registry(self) -> None:
        if not shutil.which("openssl"):
            raise SkipTest("no openssl")
        offered = [cipher["name"] for cipher in ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).get_ciphers()]
        command = ["openssl", "ciphers", "-stdname", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"]
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        names = {openssl: registry for registry, _, openssl in (line.split()[:3] for line in listed.splitlines())}
        self.assertGreater(len(offered), 3)
        self.assertEqual({name: suite_name(name) for name in offered}, {name: names[name] for name in offered})

    def test_names_that_both_have_stay(self) -> None:
        for name in ("TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256", ""):
            self.assertEqual(suite_name(name), name)

    def test_those_of_tls_1_2_are_rewritten(self) -> None:
        for openssl, registry in {
            "ECDHE-ECDSA-AES128-GCM-SHA256": "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            "ECDHE-RSA-AES256-SHA384": "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384",
            "ECDHE-RSA-CHACHA20-POLY1305": "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        }.items():
            self.assertEqual(suite_name(openssl), registry)
