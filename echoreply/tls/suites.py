"""The names of cipher suites."""

from __future__ import annotations

import re


def suite_name(name: str) -> str:
    """
    Give the name that a cipher suite has in IANA's registry: RFC 5289, RFC 7905 and RFC 8446, B.4.

    @param name: as OpenSSL has it, whose names for the suites of TLS 1.2 are its own.
    @return: the same, if it is none of those that Python's L{ssl} offers.
    """
    match = re.fullmatch(r"(\w+)-(\w+)-(?:AES(\d+)-(GCM-)?(SHA\d+)|CHACHA20-POLY1305)", name)
    if not match:
        return name
    exchange, signature, bits, gcm, digest = match.groups()
    cipher = f"AES_{bits}_{'GCM' if gcm else 'CBC'}_{digest}" if bits else "CHACHA20_POLY1305_SHA256"
    return f"TLS_{exchange}_{signature}_WITH_{cipher}"
