"""Addresses, as people write them."""

from __future__ import annotations

from ipaddress import IPv6Address as IPv6
from ipaddress import ip_address

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress


def is_ip_address(text: str) -> bool:
    """Tell whether a text is an IP address, and no name."""
    return isIPAddress(text) or isIPv6Address(text)


def host_and_port(host: str, port: int) -> str:
    """
    Write a host and a port as one: RFC 3986's brackets around IPv6.

    An IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2), which is how a socket for both families names an IPv4 peer, is
    written as the IPv4 address that it is.
    """
    try:
        address = ip_address(host)
    except ValueError:
        return f"{host}:{port}"
    if isinstance(address, IPv6):
        if not address.ipv4_mapped:
            return f"[{host}]:{port}"
        address = address.ipv4_mapped
    return f"{address}:{port}"


def format_address(address: IAddress) -> str:
    """Write the address of a socket."""
    if isinstance(address, IPv4Address | IPv6Address):
        return host_and_port(address.host, address.port)
    return str(address)
