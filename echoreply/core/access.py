"""Access lists: the networks whose clients are allowed or denied."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from attrs import frozen

Network = IPv4Network | IPv6Network

_MAPPED = IPv6Network("::ffff:0:0/96")


def network(text: str) -> Network:
    """
    Parse a network in CIDR notation (RFC 4632 and 4291), or a single address.

    @return: a network of IPv4-mapped addresses as the IPv4 network.
    @raise ValueError: the text is not a network. The text is the reason, for people.
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
    """Return whether an IP address, in any of its forms, is in one of the networks."""
    address = ip_address(host)
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address in network for network in networks)


@frozen
class AccessList:
    """
    Allows or denies clients by their addresses.

    @ivar allow: if there are any, only clients in these networks may connect.
    @ivar deny: clients in these networks may not connect, even if they are allowed.
    """

    allow: tuple[Network, ...] = ()
    deny: tuple[Network, ...] = ()

    def permits(self, host: str) -> bool:
        """
        Return whether a client may connect.

        @param host: its IP address; empty for a UNIX socket, which is always permitted, since its file has permissions
            of its own.
        """
        if not host or not (self.allow or self.deny):
            return True
        return not within(host, self.deny) and (not self.allow or within(host, self.allow))
