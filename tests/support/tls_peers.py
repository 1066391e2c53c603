"""Connections over TLS for the wire contract, and certificates to test with."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.wire_contract import Wire


def make_certificate(directory: Path, name: str = "server") -> tuple[str, str]:
    """Generate a certificate and its key with openssl; return their paths. Skip the test if it is not installed."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl")
    certificate, key = str(directory / f"{name}.pem"), str(directory / f"{name}.key")
    command = ["openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
    command += ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-keyout", key, "-out", certificate]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    return certificate, key


class Authority:
    """
    A certificate authority.

    @ivar path: the path of its own certificate.
    """

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory
        self._name = name
        self._key: Any = None
        self.path, _ = self.sign(name, authority=True)

    def sign(
        self, name: str, *others: str, days: tuple[int, int] = (-1, 1), authority: bool = False
    ) -> tuple[str, str]:
        """
        Sign a certificate for names and IP addresses; return the paths of the certificate and its key.

        @param days: the beginning and the end of its validity, in days from now.
        """

        def named(common_name: str) -> x509.Name:
            return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])

        def alternative(text: str) -> x509.GeneralName:
            try:
                return x509.IPAddress(ip_address(text))
            except ValueError:
                return x509.DNSName(text)

        key = ec.generate_private_key(ec.SECP256R1())
        self._key = self._key or key
        now = datetime.now(UTC)
        begin, end = (now + timedelta(number) for number in days)
        # Strict clients require it of authorities: RFC 5280, section 4.2.1.3.
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=authority,
            crl_sign=False,
            encipher_only=False,
            decipher_only=False,
        )
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        certificate = (
            x509.CertificateBuilder()
            .subject_name(named(name))
            .issuer_name(named(self._name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(authority, None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(issuer, critical=False)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectAlternativeName([alternative(text) for text in (name, *others)]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        stem = self._directory / f"{name}-{certificate.serial_number}".replace(" ", "-").replace(":", "-")
        pem, private = stem.with_suffix(".pem"), stem.with_suffix(".key")
        pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return str(pem), str(private)


def client_context(certificate: tuple[str, str] | None = None) -> ssl.SSLContext:
    """
    Return a client's context that does not verify certificates.

    @param certificate: the paths of the client's certificate and its key.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if certificate:
        context.load_cert_chain(*certificate)
    return context


class Session:
    """A client's end of a TLS connection, in memory."""

    def __init__(self, context: ssl.SSLContext, name: str | None = None) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_side=False, server_hostname=name)
        self.ended = False

    def shake_hands(self, data: bytes = b"") -> bool:
        """Continue the handshake with bytes of the other end; return whether it is complete."""
        self._incoming.write(data)
        with suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
            return True
        return False

    def receive(self, data: bytes) -> bytes:
        """Decrypt bytes of the other end."""
        self._incoming.write(data)
        got = b""
        with suppress(ssl.SSLWantReadError):
            try:
                while piece := self.tls.read(1 << 20):
                    got += piece
                self.ended = True
            except ssl.SSLZeroReturnError:
                self.ended = True
        return got

    def send(self, data: bytes) -> bytes:
        """Encrypt data; return the bytes for the other end."""
        view = memoryview(data)
        while view:
            view = view[self.tls.write(view) :]
        return self.take()

    def goodbye(self) -> bytes:
        """Return the C{close_notify} for the other end."""
        with suppress(ssl.SSLError):
            self.tls.unwrap()
        return self.take()

    def take(self) -> bytes:
        """Return the bytes for the other end."""
        return self._outgoing.read()


class TLSWire(Wire):
    """
    One connection over TLS, whose directions end separately.

    @ivar said_goodbye: whether the server has sent its C{close_notify}.
    """

    def __init__(
        self, host: str, port: int, receive_buffer: int | None = None, context: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(host, port, receive_buffer)
        self._lock = threading.Lock()
        self._decrypted = b""
        self.session = Session(context or client_context())
        data = b""
        while not self.session.shake_hands(data):
            self.socket.sendall(self.session.take())
            data = self.socket.recv(1 << 16)
            assert data, "the server closed during the handshake"
        self.socket.sendall(self.session.take())

    @property
    def said_goodbye(self) -> bool:
        return self.session.ended

    def send(self, data: bytes) -> None:
        for start in range(0, len(data), 1 << 16):
            with self._lock:
                encrypted = self.session.send(data[start : start + (1 << 16)])
            self.socket.sendall(encrypted)

    def finish(self) -> None:
        with self._lock:
            goodbye = self.session.goodbye()
        self.socket.sendall(goodbye)
        super().finish()

    def read(self, count: int) -> bytes:
        return self._read(lambda got: got < count, count)

    def read_all(self) -> bytes:
        data = self._read(lambda _: True, None)
        assert self.said_goodbye, "the server closed without a close_notify"
        return data

    def _read(self, wanted: Callable[[int], bool], count: int | None) -> bytes:
        data = bytearray(self._decrypted)
        while wanted(len(data)) and (more := self.socket.recv(1 << 20)):
            with self._lock:
                data += self.session.receive(more)
        self._decrypted = bytes(data[count:]) if count is not None else b""
        return bytes(data[:count])
