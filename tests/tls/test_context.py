"""TLS contexts: the files that they are made from, and files that can't be used."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from echoreply.tls.context import server_context
from tests.support.tls_peers import make_certificate


def test_a_key_with_a_password_is_an_error_without_a_prompt(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    locked = str(tmp_path / "locked")
    subprocess.run(["openssl", "ec", "-aes128", "-passout", "pass:x", "-in", key, "-out", locked], check=True)
    with pytest.raises(ValueError, match="the key has a password"):
        server_context(certificate, locked)


def test_a_file_of_authorities_may_have_comments_in_any_alphabet(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    (tmp_path / "ca").write_text("# Főtanúsítvány\n" + Path(certificate).read_text())
    assert server_context(certificate, key, client_ca=str(tmp_path / "ca")).cert_store_stats()["x509"] == 1


def test_a_file_of_authorities_without_a_certificate_is_rejected(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    for text in ("", "nothing", "-----BEGIN CERTIFICATE-----\n"):
        (tmp_path / "ca").write_text(text)
        with pytest.raises(ValueError, match="ca holds no certificate in PEM"):
            server_context(certificate, key, client_ca=str(tmp_path / "ca"))
