"""
The parser of PROXY headers, versions 1 and 2.

Every rule is from HAProxy's U{doc/proxy-protocol.txt<https://www.haproxy.org/download/2.6/doc/proxy-protocol.txt>},
sections 2.1 and 2.2. A header may arrive in pieces: it is parsed once it is complete.
"""

from __future__ import annotations

import socket
import struct
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address

from attrs import frozen

_V1 = b"PROXY "
_V1_MAX_LENGTH = 107
_V1_FAMILIES = {b"TCP4": IPv4Address, b"TCP6": IPv6Address}

_V2 = b"\r\n\r\n\0\r\nQUIT\n"
_V2_START = struct.Struct("!12sBBH")


class _Command(IntEnum):
    LOCAL = 0
    PROXY = 1


class _Family(IntEnum):
    UNSPECIFIED = 0
    INET = 1
    INET6 = 2
    UNIX = 3


class _TransportProtocol(IntEnum):
    UNSPECIFIED = 0
    STREAM = 1
    DATAGRAM = 2


_V2_ADDRESSES = {_Family.INET: struct.Struct("!4s4sHH"), _Family.INET6: struct.Struct("!16s16sHH")}
_V2_SOCKET_FAMILIES = {_Family.INET: socket.AF_INET, _Family.INET6: socket.AF_INET6}
_V2_UNIX_LENGTH = 216


class InvalidHeader(Exception):  # noqa: N818
    """The data does not begin with a valid header. The text is the reason."""


@frozen
class Header:
    """
    A PROXY header.

    @ivar length: the length of the header, in bytes.
    @ivar source: host and port of the client; C{None} if the proxy has connected for itself, or names no client.
    @ivar destination: host and port that the client has connected to; C{None} in the same cases.
    """

    length: int
    source: tuple[str, int] | None = None
    destination: tuple[str, int] | None = None


def parse_header(data: bytes) -> Header | None:
    """
    Parse the header that a connection begins with.

    @param data: all bytes that have arrived so far.
    @return: C{None} if the header is not complete.
    @raise InvalidHeader: it is not valid.
    """
    if data.startswith(_V2):
        return _parse_v2(data)
    if data.startswith(_V1):
        return _parse_v1(data)
    if _V2.startswith(data) or _V1.startswith(data):
        return None
    raise InvalidHeader("no PROXY signature")


def _parse_v1(data: bytes) -> Header | None:
    line, end, _ = data[:_V1_MAX_LENGTH].partition(b"\r\n")
    if not end:
        if len(data) >= _V1_MAX_LENGTH:
            raise InvalidHeader(f"the line does not end within {_V1_MAX_LENGTH} bytes")
        return None
    length = len(line) + len(end)
    _, family, *words = line.split(b" ")
    if family == b"UNKNOWN":
        return Header(length)
    address = _V1_FAMILIES.get(family)
    if address is None:
        raise InvalidHeader("the protocol is none of TCP4, TCP6 and UNKNOWN")
    try:
        if b"%" in line:
            # Python accepts an IPv6 zone (RFC 4007) with any name. A proxy's zone has no meaning on this machine.
            raise ValueError
        source, destination, source_port, destination_port = (word.decode("ascii") for word in words)
        return Header(
            length,
            (str(address(source)), _port(source_port)),
            (str(address(destination)), _port(destination_port)),
        )
    except ValueError:
        raise InvalidHeader(f"no two addresses and ports of {family.decode()}") from None


def _port(text: str) -> int:
    number = int(text)
    if str(number) != text or not 0 <= number <= 65535:
        raise ValueError
    return number


def _parse_v2(data: bytes) -> Header | None:
    if len(data) < _V2_START.size:
        return None
    _, version_and_command, family_and_protocol, rest = _V2_START.unpack_from(data)
    version, command = divmod(version_and_command, 16)
    family, protocol = divmod(family_and_protocol, 16)
    if version != 2 or command > max(_Command):
        raise InvalidHeader(f"unknown version and command {version} and {command}")
    length = _V2_START.size + rest
    if command == _Command.LOCAL:
        return Header(length) if len(data) >= length else None
    if family > max(_Family) or protocol > max(_TransportProtocol):
        raise InvalidHeader(f"unknown address family and protocol {family} and {protocol}")
    addresses = _V2_ADDRESSES.get(_Family(family))
    if rest < (addresses.size if addresses else _V2_UNIX_LENGTH if family == _Family.UNIX else 0):
        raise InvalidHeader(f"no room for its addresses in {rest} bytes")
    if len(data) < length:
        return None
    if addresses is None:
        return Header(length)
    source, destination, source_port, destination_port = addresses.unpack_from(data, _V2_START.size)
    socket_family = _V2_SOCKET_FAMILIES[_Family(family)]
    return Header(
        length,
        (socket.inet_ntop(socket_family, source), source_port),
        (socket.inet_ntop(socket_family, destination), destination_port),
    )
