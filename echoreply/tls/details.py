"""The result of a TLS handshake, with the names that the standards use."""

from __future__ import annotations

import re
from ssl import SSLObject

from echoreply.core.connection_info import TLSDetails
from echoreply.tls.context import ServerSession


def handshake_details(session: SSLObject) -> TLSDetails:
    """Return the result of a complete handshake."""
    from echoreply.tls.certificate import subject_of  # lazily: see server_context

    certificate = session.getpeercert(binary_form=True)
    name, *_ = session.cipher() or ("",)
    return TLSDetails(
        version=session.version() or "",
        cipher=suite_name(name),
        server_name=(isinstance(session, ServerSession) and session.server_name) or "",
        alpn=session.selected_alpn_protocol() or "",
        client=subject_of(certificate) if certificate else "",
    )


def suite_name(name: str) -> str:
    """
    Return the name of a cipher suite in IANA's registry: RFC 5289, RFC 7905 and RFC 8446, B.4.

    @param name: OpenSSL's name. For TLS 1.2, OpenSSL has names of its own.
    @return: the same name for a suite that Python's L{ssl} does not offer.
    """
    match = re.fullmatch(r"(\w+)-(\w+)-(?:AES(\d+)-(GCM-)?(SHA\d+)|CHACHA20-POLY1305)", name)
    if not match:
        return name
    exchange, signature, bits, gcm, digest = match.groups()
    cipher = f"AES_{bits}_{'GCM' if gcm else 'CBC'}_{digest}" if bits else "CHACHA20_POLY1305_SHA256"
    return f"TLS_{exchange}_{signature}_WITH_{cipher}"
