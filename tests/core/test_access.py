"""Access lists: networks, and the decision for an address."""

import re
from ipaddress import IPv4Network, IPv6Network

import pytest

from echoreply.core.access import AccessList, network, within


def access(allow: str = "", deny: str = "") -> AccessList:
    return AccessList(tuple(map(network, allow.split())), tuple(map(network, deny.split())))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.0/24", IPv4Network("192.0.2.0/24")),
        ("192.0.2.7", IPv4Network("192.0.2.7/32")),
        ("0.0.0.0/0", IPv4Network("0.0.0.0/0")),
        ("192.0.2.0/255.255.255.0", IPv4Network("192.0.2.0/24")),
        ("2001:db8::/32", IPv6Network("2001:db8::/32")),
        ("2001:0DB8:0:0:0:0:0:1", IPv6Network("2001:db8::1/128")),
        ("::ffff:192.0.2.0/120", IPv4Network("192.0.2.0/24")),
        ("::ffff:c000:207", IPv4Network("192.0.2.7/32")),
        ("::ffff:0:0/96", IPv4Network("0.0.0.0/0")),
        ("::/0", IPv6Network("::/0")),
    ],
)
def test_a_network_is_read(text: str, expected: IPv4Network | IPv6Network) -> None:
    assert network(text) == expected


@pytest.mark.parametrize(
    "text",
    ["/", "10.0.0.0/33", "10.0.0/8", "::/129", "localhost", "10.0.0.0/-1", "1.2.3.4/", "010.0.0.1", "10.0.0.0/8/8"],
)
def test_what_is_no_network_is_an_error_that_names_it(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        network(text)


def test_bits_beyond_the_prefix_are_an_error_that_says_what_would_be_right() -> None:
    with pytest.raises(ValueError, match=r"192\.0\.2\.7/24 has bits beyond its prefix; its network is 192\.0\.2\.0/24"):
        network("192.0.2.7/24")


def test_without_lists_everybody_may_come() -> None:
    assert access().permits("192.0.2.1")
    assert access().permits("2001:db8::1")


def test_who_is_denied_may_not_come_and_others_may() -> None:
    judge = access(deny="192.0.2.0/24 2001:db8::/32")
    assert [judge.permits(host) for host in ("192.0.2.9", "2001:db8::9", "198.51.100.1", "::1")] == [
        *(False, False),
        *(True, True),
    ]


def test_with_somebody_allowed_all_others_are_denied() -> None:
    judge = access(allow="192.0.2.0/24")
    assert judge.permits("192.0.2.9")
    assert not judge.permits("198.51.100.1")
    assert not judge.permits("::1")


def test_who_is_denied_and_allowed_is_denied() -> None:
    judge = access(allow="192.0.2.0/24", deny="192.0.2.7")
    assert judge.permits("192.0.2.6")
    assert not judge.permits("192.0.2.7")


@pytest.mark.parametrize("host", ["192.0.2.7", "::ffff:192.0.2.7", "::FFFF:c000:0207", "0:0:0:0:0:ffff:192.0.2.7"])
@pytest.mark.parametrize("listed", ["192.0.2.0/24", "::ffff:192.0.2.0/120", "::ffff:c000:200/120"])
def test_an_ipv4_mapped_address_is_ipv4s_on_either_side(host: str, listed: str) -> None:
    assert within(host, (network(listed),))
    assert not within(host, (network("::/0"),))


@pytest.mark.parametrize("host", ["fe80::1%eth0", "fe80:0:0::0001%2", "FE80::1"])
def test_a_zone_is_no_part_of_an_address(host: str) -> None:
    assert within(host, (network("fe80::/10"),))


def test_a_unix_sockets_file_says_who_may_come() -> None:
    assert access(allow="192.0.2.0/24").permits("")
