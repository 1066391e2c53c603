"""Self-signed certificates, and checks of certificates."""

from __future__ import annotations

import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from echoreply.tls.certificate import check_dates, fingerprint, make_certificate, subject_of
from echoreply.tls.context import context_of_pem, server_context
from tests.support.tls_peers import Authority, Session
from tests.support.tls_peers import make_certificate as make_with_openssl


def test_a_client_that_trusts_a_self_signed_certificate_verifies_it() -> None:
    pem = make_certificate(["192.0.2.7"])
    for name in ("localhost", "127.0.0.1", "::1", "192.0.2.7"):
        context = ssl.create_default_context(cadata=pem.decode())
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = context_of_pem(pem).wrap_bio(incoming, outgoing, server_side=True)
        client = Session(context, name)
        data = b""
        while not client.shake_hands(data):
            incoming.write(client.take())
            with pytest.raises(ssl.SSLWantReadError):
                server.do_handshake()
            data = outgoing.read()
        incoming.write(client.take())
        server.do_handshake()


def test_the_fingerprint_is_in_the_format_of_openssl() -> None:
    pem = make_certificate()
    command = ["openssl", "x509", "-noout", "-fingerprint", "-sha256"]
    said = subprocess.run(command, input=pem, capture_output=True, check=True).stdout.decode()
    assert said.split("=")[1].strip() == fingerprint(pem)


def test_generated_certificates_differ() -> None:
    assert fingerprint(make_certificate()) != fingerprint(make_certificate())


@pytest.mark.parametrize(
    ("begins", "ends", "said"),
    [(-20, -10, "has expired, on"), (10, 20, "is not valid before")],
)
def test_a_certificate_that_is_not_valid_now_is_rejected_with_its_date(
    begins: int, ends: int, said: str, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    certificate, key = Authority(tmp_path, "ca").sign("other", days=(begins, ends))
    day = (now + timedelta(days=ends if ends < 0 else begins)).strftime("%Y-%m-%d")
    with pytest.raises(ValueError, match=f"{said} {day}"):
        server_context(certificate, key)


def test_a_certificate_that_can_not_be_read_is_rejected() -> None:
    with pytest.raises(ValueError, match="x holds a certificate that can't be read"):
        check_dates(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "x")


def test_a_subject_is_written_as_rfc_4514_has_it(tmp_path: Path) -> None:
    certificate, _ = make_with_openssl(tmp_path, "alice, bob")
    der = ssl.PEM_cert_to_DER_cert(Path(certificate).read_text())
    assert subject_of(der) == "CN=alice\\, bob"


@pytest.mark.parametrize(
    ("there", "instead"),
    [(b"\x0c\x05alice", b"\x03\x05\x00lice"), (b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x05")],
    ids=["a name of bits", "another version"],
)
def test_a_subject_that_can_not_be_read_is_replaced_by_the_fingerprint(
    there: bytes, instead: bytes, tmp_path: Path
) -> None:
    certificate, _ = make_with_openssl(tmp_path, "alice")
    der = ssl.PEM_cert_to_DER_cert(Path(certificate).read_text())
    assert there in der
    odd = der.replace(there, instead)
    assert subject_of(odd).replace(":", "").lower() == sha256(odd).hexdigest()


def test_a_certificate_of_an_unknown_version_is_rejected(tmp_path: Path) -> None:
    certificate, _ = make_with_openssl(tmp_path)
    der = ssl.PEM_cert_to_DER_cert(Path(certificate).read_text())
    odd = der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x05")
    with pytest.raises(ValueError, match="x holds a certificate that can't be read"):
        check_dates(ssl.DER_cert_to_PEM_cert(odd).encode(), "x")


@pytest.mark.parametrize("name", ["", "b\u00fccher", "\udcff"])
def test_a_machine_name_that_fits_no_certificate_becomes_localhost(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: name)
    pem = make_certificate().decode().split("-----BEGIN PRIVATE KEY")[0]
    assert subject_of(ssl.PEM_cert_to_DER_cert(pem)) == "CN=localhost"
