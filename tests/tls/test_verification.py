"""Why a certificate was rejected, told with what the certificates say."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

from echoreply.tls.verification import rejection_reason


def reason(code: int, *chain: dict[str, Any]) -> str:
    error = ssl.SSLCertVerificationError()
    error.verify_code, error.verify_message = code, "invalid CA certificate"
    return rejection_reason(error, "a.example", list(chain))


def test_the_addresses_of_a_certificate_are_shown_in_their_usual_form() -> None:
    error = ssl.SSLCertVerificationError()
    error.verify_code = 64
    names = [("DNS", "a.example"), ("IP Address", "0:0:0:0:0:0:0:1"), ("IP Address", "<invalid>"), ("URI", "x:y")]
    words = rejection_reason(error, "192.0.2.1", [{"subjectAltName": names}])
    assert words == 'the server\'s certificate is not for 192.0.2.1, but for "a.example, ::1, <invalid>"'


OLD = {"notBefore": "Jan  1 00:00:00 2020 GMT", "notAfter": "Jan  1 00:00:00 2021 GMT"}
NEW = {"notBefore": "Jan  1 00:00:00 2040 GMT", "notAfter": "Jan  1 00:00:00 2041 GMT"}


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (10, "has expired, on Jan  1 00:00:00 2021 GMT"),
        (9, "is not valid yet, but from Jan  1 00:00:00 2040 GMT"),
    ],
)
def test_the_date_of_the_invalid_certificate_is_shown(code: int, words: str) -> None:
    assert reason(code, OLD, NEW) == reason(code, NEW, OLD) == f"the server's certificate {words}"


def test_the_untrusted_issuer_is_that_of_the_last_certificate() -> None:
    server, authority = {"issuer": ((("commonName", "Sub"),),)}, {"issuer": ((("commonName", "Root"),),)}
    assert reason(20, server, authority) == 'the server\'s certificate has an issuer that is not trusted, "Root"'


def test_the_option_that_trusts_a_self_signed_certificate_is_named() -> None:
    assert reason(18) == "the server's certificate is self-signed and not trusted; use --ca FILE"
