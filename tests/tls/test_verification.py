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


def test_the_addresses_that_a_certificate_is_for_are_told_as_people_write_them() -> None:
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
def test_of_several_dates_the_one_that_matters_is_told(code: int, words: str) -> None:
    assert reason(code, OLD, NEW) == reason(code, NEW, OLD) == f"the server's certificate {words}"


def test_an_issuer_that_is_not_trusted_is_the_last_of_the_chain() -> None:
    server, authority = {"issuer": ((("commonName", "Sub"),),)}, {"issuer": ((("commonName", "Root"),),)}
    assert reason(20, server, authority) == 'the server\'s certificate has an issuer that is not trusted, "Root"'


def test_a_self_signed_certificate_can_be_trusted_by_an_option() -> None:
    assert reason(18) == "the server's certificate is self-signed and not trusted; use --ca FILE"
