"""
The header of the PROXY protocol, versions 1 and 2.

The source of every rule is HAProxy's U{doc/proxy-protocol.txt<https://www.haproxy.org/download/2.6/doc/
proxy-protocol.txt>}, sections 2.1 and 2.2. A header is taken in whatever pieces it comes, and never partly.
"""

from __future__ import annotations

import socket
import struct
from ipaddress import IPv4Address, IPv6Address

from attrs import frozen

_V1 = b"PROXY "
_V1_LONGEST = 107
_V1_FAMILIES = {b"TCP4": IPv4Address, b"TCP6": IPv6Address}

_V2 = b"\r\n\r\n\0\r\nQUIT\n"
_V2_START = struct.Struct("!12sBBH")
_V2_ADDRESSES = {1: struct.Struct("!4s4sHH"), 2: struct.Struct("!16s16sHH")}
_V2_FAMILIES = {1: socket.AF_INET, 2: socket.AF_INET6}
_V2_UNIX, _V2_UNIX_LENGTH = 3, 216


class BadHeader(Exception):  # noqa: N818
    """It is no header, or not a right one. The text says why."""


@frozen
class Header:
    """
    What a proxy says.

    @ivar length: of the header, in bytes.
    @ivar source: host and port of the client; nothing if the proxy speaks for itself, or does not say.
    @ivar destination: where the client has connected to, in the same way.
    """

    length: int
    source: tuple[str, int] | None = None
    destination: tuple[str, int] | None = None


def read_header(data: bytes) -> Header | None:
    """
    Read the header that a connection begins with.

    @param data: all that has come so far.
    @return: nothing if the header goes on.
    @raise BadHeader: it is none.
    """
    if data.startswith(_V2):
        return _read_v2(data)
    if data.startswith(_V1):
        return _read_v1(data)
    if _V2.startswith(data) or _V1.startswith(data):
        return None
    raise BadHeader("it does not begin with one")


def _read_v1(data: bytes) -> Header | None:
    line, end, _ = data[:_V1_LONGEST].partition(b"\r\n")
    if not end:
        if len(data) >= _V1_LONGEST:
            raise BadHeader(f"its line does not end within {_V1_LONGEST} bytes")
        return None
    length = len(line) + len(end)
    _, family, *words = line.split(b" ")
    if family == b"UNKNOWN":
        return Header(length)
    address = _V1_FAMILIES.get(family)
    if address is None:
        raise BadHeader("its protocol is none of TCP4, TCP6 and UNKNOWN")
    try:
        if b"%" in line:
            # Python takes a zone, RFC 4007, and anything for its name. A proxy's says nothing to us.
            raise ValueError
        source, destination, source_port, destination_port = (word.decode("ascii") for word in words)
        return Header(
            length,
            (str(address(source)), _port(source_port)),
            (str(address(destination)), _port(destination_port)),
        )
    except ValueError:
        raise BadHeader(f"it has no two addresses and ports of {family.decode()}") from None


def _port(text: str) -> int:
    number = int(text)
    if str(number) != text or not 0 <= number <= 65535:
        raise ValueError
    return number


def _read_v2(data: bytes) -> Header | None:
    if len(data) < _V2_START.size:
        return None
    _, version_and_command, family_and_protocol, rest = _V2_START.unpack_from(data)
    version, command = divmod(version_and_command, 16)
    family, protocol = divmod(family_and_protocol, 16)
    if version != 2 or command > 1:
        raise BadHeader(f"its version and command are {version} and {command}")
    length = _V2_START.size + rest
    if command == 0:
        return Header(length) if len(data) >= length else None
    if family > _V2_UNIX or protocol > 2:
        raise BadHeader(f"its address family and protocol are {family} and {protocol}")
    addresses = _V2_ADDRESSES.get(family)
    if rest < (addresses.size if addresses else _V2_UNIX_LENGTH if family == _V2_UNIX else 0):
        raise BadHeader(f"it has no room for its addresses in {rest} bytes")
    if len(data) < length:
        return None
    if addresses is None:
        return Header(length)
    source, destination, source_port, destination_port = addresses.unpack_from(data, _V2_START.size)
    kind = _V2_FAMILIES[family]
    return Header(
        length,
        (socket.inet_ntop(kind, source), source_port),
        (socket.inet_ntop(kind, destination), destination_port),
    )
