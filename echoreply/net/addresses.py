"""Socket addresses as text, and IP addresses in one form."""

from __future__ import annotations

import os
from functools import lru_cache
from ipaddress import IPv6Address as IPv6

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress

from echoreply.core.connection_info import Address
from echoreply.core.quoting import quote


def is_ip_address(text: str) -> bool:
    """Return whether a text is an IP address, not a host name."""
    return isIPAddress(text) or isIPv6Address(text)


@lru_cache(1024)  # Called for each datagram.
def unmapped(host: str) -> str:
    """
    Return an IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2) as an IPv4 address; anything else as it is.

    A socket for both families has such addresses for its IPv4 peers.
    """
    mapped = IPv6(host).ipv4_mapped if host.startswith("::") and isIPv6Address(host) else None
    return str(mapped) if mapped else host


def host_and_port(host: str, port: int) -> str:
    """Format a host and a port, with brackets around IPv6 (RFC 3986), and IPv4-mapped addresses as IPv4."""
    host = unmapped(host)
    return f"[{host}]:{port}" if isIPv6Address(host) else f"{host}:{port}"


def host_of(address: IAddress) -> str:
    """Return the IP address of a socket's address; for other kinds of sockets, such as UNIX ones, an empty text."""
    return unmapped(address.host) if isinstance(address, IPv4Address | IPv6Address) else ""


def plain_address(address: IAddress) -> Address:
    """Convert a socket's address to one for reply scripts, which do not depend on Twisted."""
    if isinstance(address, IPv4Address | IPv6Address):
        return Address(unmapped(address.host), address.port)
    return Address(os.fsdecode(address.name or b"") if isinstance(address, UNIXAddress) else str(address), 0)


def format_address(address: IAddress) -> str:
    """Format a socket's address for people."""
    if isinstance(address, IPv4Address | IPv6Address):
        return host_and_port(address.host, address.port)
    if isinstance(address, UNIXAddress):
        # The sockets of most clients have no name.
        return f"unix:{_path(address.name)}" if address.name else "unix"
    return str(address)


def _path(name: bytes) -> str:
    """Format the name of a UNIX socket, quoted unless it is a plain word: clients choose their own names."""
    quoted, plain = quote(name), os.fsdecode(name)
    return plain if quoted == f'"{plain}"' and " " not in plain else quoted
