"""Addresses, as people write them."""

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
    """Tell whether a text is an IP address, and no name."""
    return isIPAddress(text) or isIPv6Address(text)


@lru_cache(1024)  # Each datagram asks.
def unmapped(host: str) -> str:
    """
    Write an IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2) as the IPv4 address that it is; anything else as it is.

    A socket for both families names its IPv4 peers so.
    """
    mapped = IPv6(host).ipv4_mapped if host.startswith("::") and isIPv6Address(host) else None
    return str(mapped) if mapped else host


def host_and_port(host: str, port: int) -> str:
    """Write a host and a port as one: RFC 3986's brackets around IPv6, and IPv4-mapped addresses as IPv4."""
    host = unmapped(host)
    return f"[{host}]:{port}" if isIPv6Address(host) else f"{host}:{port}"


def host_of(address: IAddress) -> str:
    """Give the IP address that a socket's address has; for another kind of socket, such as UNIX, the same for all."""
    return unmapped(address.host) if isinstance(address, IPv4Address | IPv6Address) else ""


def plain_address(address: IAddress) -> Address:
    """Take the address of a socket apart."""
    if isinstance(address, IPv4Address | IPv6Address):
        return Address(unmapped(address.host), address.port)
    return Address(os.fsdecode(address.name or b"") if isinstance(address, UNIXAddress) else str(address), 0)


def format_address(address: IAddress) -> str:
    """Write the address of a socket."""
    if isinstance(address, IPv4Address | IPv6Address):
        return host_and_port(address.host, address.port)
    if isinstance(address, UNIXAddress):
        # Most clients have no name.
        return f"unix:{_path(address.name)}" if address.name else "unix"
    return str(address)


def _path(name: bytes) -> str:
    """Write the name of a UNIX socket; quoted, if it is not just a word: clients choose their own."""
    quoted, plain = quote(name), os.fsdecode(name)
    return plain if quoted == f'"{plain}"' and " " not in plain else quoted
