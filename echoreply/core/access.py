"""Who may come at all, by address."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from attrs import frozen

Network = IPv4Network | IPv6Network

_MAPPED = IPv6Network("::ffff:0:0/96")


def network(text: str) -> Network:
    """
    Read a network in CIDR notation, RFC 4632 and 4291, or a single address; one of IPv4-mapped addresses is IPv4's.

    @raise ValueError: it is none. The text says what is wrong with it, for people.
    """
    try:
        found = ip_network(text)
    except ValueError as error:
        try:
            wider = ip_network(text, strict=False)
        except ValueError:
            raise error from None
        raise ValueError(f"{text} has bits beyond its prefix; its network is {wider}") from None
    if isinstance(found, IPv6Network) and found.subnet_of(_MAPPED):
        base = IPv6Address(found.network_address).ipv4_mapped
        return IPv4Network((str(base), found.prefixlen - _MAPPED.prefixlen))
    return found


def within(host: str, networks: tuple[Network, ...]) -> bool:
    """Tell whether an IP address, in any of its forms, is in one of some networks."""
    address = ip_address(host)
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address in network for network in networks)


@frozen
class AccessList:
    """
    Judges addresses. Who is denied is, also if allowed; if there is anybody who is allowed, all others are denied.

    @ivar allow: those who may come.
    @ivar deny: those who may not.
    """

    allow: tuple[Network, ...] = ()
    deny: tuple[Network, ...] = ()

    def permits(self, host: str) -> bool:
        """
        Tell whether a host may come.

        @param host: its IP address; if empty, as for a UNIX socket, whose file says who may, it may.
        """
        if not host or not (self.allow or self.deny):
            return True
        return not within(host, self.deny) and (not self.allow or within(host, self.allow))
