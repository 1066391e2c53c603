"""X.509 certificates (RFC 5280): checking their dates, naming their subjects, and making self-signed ones."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from echoreply.net.addresses import is_ip_address

VALID_DAYS = 397
"""Days for which a self-signed certificate is valid. Some clients reject certificates that are valid for longer."""

_MAX_COMMON_NAME = 64


def check_dates(pem: bytes, name: str) -> None:
    """
    Check that certificates are valid now.

    @param pem: one or more of them.
    @param name: the name of their file, for errors.
    @raise ValueError: one has expired, or is not valid yet, or can't be read.
    """
    now = datetime.now(UTC)
    try:
        certificates = x509.load_pem_x509_certificates(pem)
    except (ValueError, x509.InvalidVersion):
        raise ValueError(f"{name} holds a certificate that can't be read") from None
    for certificate in certificates:
        if now > certificate.not_valid_after_utc:
            raise ValueError(f"{name} has expired, on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC")
        if now < certificate.not_valid_before_utc:
            raise ValueError(f"{name} is not valid before {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC")


def fingerprint(pem: bytes) -> str:
    """Return the SHA-256 fingerprint of a certificate, in the format of C{openssl x509 -fingerprint -sha256}."""
    return x509.load_pem_x509_certificate(pem).fingerprint(hashes.SHA256()).hex(":").upper()


def subject_of(der: bytes) -> str:
    """
    Return the subject of a certificate in the format of RFC 4514, or its SHA-256 fingerprint if it can't be read.

    OpenSSL accepts certificates that C{cryptography} can't read.
    """
    try:
        subject = x509.load_der_x509_certificate(der).subject.rfc4514_string()
    except Exception:
        # cryptography raises ValueError, TypeError, x509.InvalidVersion, and others.
        subject = ""
    return subject or sha256(der).digest().hex(":").upper()


def make_certificate(addresses: Iterable[str] = ()) -> bytes:
    """
    Return a new self-signed certificate, for this machine's name, C{localhost} and the loopback addresses.

    @param addresses: further IP addresses that it is for.
    @return: the certificate and its key, in PEM.
    """
    hostname = socket.gethostname()[:_MAX_COMMON_NAME]
    if not hostname or not hostname.isascii():
        # A common name must be ASCII and not empty.
        hostname = "localhost"
    names = dict.fromkeys([hostname, "localhost", "127.0.0.1", "::1", *addresses])
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hostname)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # The clocks of clients may be behind.
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=VALID_DAYS - 1))
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _general_name(name: str) -> x509.GeneralName:
    return x509.IPAddress(ip_address(name)) if is_ip_address(name) else x509.DNSName(name)
