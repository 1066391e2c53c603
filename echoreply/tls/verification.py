"""The reason why a client has rejected a server's certificate, as text for people."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from ssl import SSLCertVerificationError, cert_time_to_seconds
from typing import Any

from echoreply.core.quoting import quote

# OpenSSL's error codes X509_V_ERR_... in x509_vfy.h.
_UNKNOWN_ISSUERS = {2, 19, 20, 21}
_NOT_YET_VALID = 9
_EXPIRED = 10
_SELF_SIGNED = 18
_OTHER_NAME = {62, 64}

MAX_SHOWN = 500
"""Maximum bytes of the names in a certificate that are shown."""


def rejection_reason(error: SSLCertVerificationError, name: str | None, chain: list[dict[str, Any]]) -> str:
    """
    Return why a certificate was rejected, with the relevant names and dates of the certificates.

    @param name: the name that the certificate should be for.
    @param chain: the certificates, the server's own first, as L{unverified_chain
        <echoreply.native.private_names.unverified_chain>} returns them; empty if they are unknown.
    """
    code = error.verify_code
    if code in _OTHER_NAME:
        alternatives = chain[0].get("subjectAltName", ()) if chain else ()
        names = [_plain(text) for kind, text in alternatives if kind in ("DNS", "IP Address")]
        return f"the server's certificate is not for {name}" + (f", but for {_quoted(names)}" if names else "")
    if code == _EXPIRED:
        ended = min((certificate["notAfter"] for certificate in chain), key=cert_time_to_seconds, default="")
        return "the server's certificate has expired" + (f", on {ended}" if ended else "")
    if code == _NOT_YET_VALID:
        begins = max((certificate["notBefore"] for certificate in chain), key=cert_time_to_seconds, default="")
        return "the server's certificate is not valid yet" + (f", but from {begins}" if begins else "")
    if code == _SELF_SIGNED:
        return "the server's certificate is self-signed and not trusted; use --ca FILE"
    if code in _UNKNOWN_ISSUERS:
        issuer = [text for pairs in (chain[-1]["issuer"] if chain else ()) for _, text in pairs]
        return "the server's certificate has an issuer that is not trusted" + (f", {_quoted(issuer)}" if issuer else "")
    return f"the server's certificate was refused: {error.verify_message}"


def _plain(name: str) -> str:
    """Return a name as it is, and an IP address in its usual form, which OpenSSL does not use."""
    try:
        return str(ip_address(name))
    except ValueError:
        return name


def _quoted(texts: Iterable[str]) -> str:
    return quote(", ".join(texts).encode("utf-8", "surrogateescape"), MAX_SHOWN)
