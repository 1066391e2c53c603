"""The PROXY header: what is one, and what is not."""

from __future__ import annotations

import socket
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echoreply.proxy.header import Header, InvalidHeader, parse_header

V2 = b"\r\n\r\n\0\r\nQUIT\n"

V1_TCP4 = b"PROXY TCP4 192.0.2.7 198.51.100.1 5555 80\r\n"
V1_TCP6 = b"PROXY TCP6 2001:db8::7 2001:db8::1 65535 0\r\n"


def v2(command: int, family: int, addresses: bytes, version: int = 2) -> bytes:
    return V2 + struct.pack("!BBH", version << 4 | command, family, len(addresses)) + addresses


V2_TCP4 = v2(1, 0x11, socket.inet_aton("192.0.2.7") + socket.inet_aton("198.51.100.1") + struct.pack("!HH", 5555, 80))
V2_TCP6 = v2(
    1,
    0x21,
    socket.inet_pton(socket.AF_INET6, "2001:db8::7")
    + socket.inet_pton(socket.AF_INET6, "2001:db8::1")
    + struct.pack("!HH", 65535, 0),
)
TLV = b"\x04\x00\x03abc"

TCP4 = (("192.0.2.7", 5555), ("198.51.100.1", 80))
TCP6 = (("2001:db8::7", 65535), ("2001:db8::1", 0))

GOOD = {
    V1_TCP4: TCP4,
    V1_TCP6: TCP6,
    b"PROXY UNKNOWN\r\n": (None, None),
    b"PROXY UNKNOWN ffff:f...f:ffff whatever it is\r\n": (None, None),
    V2_TCP4: TCP4,
    V2_TCP6: TCP6,
    v2(1, 0x11, V2_TCP4[16:] + TLV): TCP4,
    v2(0, 0x00, b""): (None, None),
    v2(0, 0x11, V2_TCP4[16:] + TLV): (None, None),
    v2(0, 0xFF, b"anything"): (None, None),
    v2(1, 0x00, b""): (None, None),
    v2(1, 0x31, b"/client".ljust(108, b"\0") + b"/server".ljust(108, b"\0")): (None, None),
}

BAD = {
    b"GET / HTTP/1.0\r\n\r\n": "no PROXY signature",
    b"hello\n": "no PROXY signature",
    b"proxy TCP4 192.0.2.7 198.51.100.1 5555 80\r\n": "no PROXY signature",
    b"PROXY TCP5 192.0.2.7 198.51.100.1 5555 80\r\n": "none of TCP4, TCP6 and UNKNOWN",
    b"PROXY \r\n": "none of TCP4, TCP6 and UNKNOWN",
    b"PROXY TCP4\r\n": "no two addresses and ports of TCP4",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 5555\r\n": "no two addresses and ports of TCP4",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 5555 80 80\r\n": "no two addresses and ports of TCP4",
    b"PROXY TCP4 192.0.2.7  198.51.100.1 5555 80\r\n": "no two addresses and ports of TCP4",
    b"PROXY TCP4 192.0.2.256 198.51.100.1 5555 80\r\n": "no two addresses and ports of TCP4",
    b"PROXY TCP4 2001:db8::7 2001:db8::1 5555 80\r\n": "no two addresses and ports of TCP4",
    b"PROXY TCP6 192.0.2.7 198.51.100.1 5555 80\r\n": "no two addresses and ports of TCP6",
    b"PROXY TCP6 fe80::7%eth0 fe80::1 5555 80\r\n": "no two addresses and ports of TCP6",
    b"PROXY TCP6 fe80::7%\x1b[2J\nforged fe80::1 5555 80\r\n": "no two addresses and ports of TCP6",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 65536 80\r\n": "no two addresses and ports of TCP4",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 -1 80\r\n": "no two addresses and ports of TCP4",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 05 80\r\n": "no two addresses and ports of TCP4",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 x 80\r\n": "no two addresses and ports of TCP4",
    b"PROXY TCP4 \xff\xfe 198.51.100.1 5555 80\r\n": "no two addresses and ports of TCP4",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 5555 80\n".ljust(107, b"x"): "does not end within 107 bytes",
    v2(1, 0x11, V2_TCP4[16:], version=1): "version and command 1 and 1",
    v2(2, 0x11, V2_TCP4[16:]): "version and command 2 and 2",
    v2(1, 0x41, bytes(300)): "family and protocol 4 and 1",
    v2(1, 0x13, V2_TCP4[16:]): "family and protocol 1 and 3",
    v2(1, 0x11, V2_TCP4[16:-1]): "no room for its addresses in 11 bytes",
    v2(1, 0x21, V2_TCP4[16:]): "no room for its addresses in 12 bytes",
    v2(1, 0x31, bytes(215)): "no room for its addresses in 215 bytes",
}


@pytest.mark.parametrize(("header", "addresses"), GOOD.items())
def test_a_valid_header_is_parsed(header: bytes, addresses: Any) -> None:  # noqa: ANN401
    assert parse_header(header) == Header(len(header), *addresses)
    assert parse_header(header + b"hello\r\n") == Header(len(header), *addresses)


@pytest.mark.parametrize("header", GOOD)
def test_a_header_is_incomplete_until_its_last_byte(header: bytes) -> None:
    for end in range(len(header)):
        assert parse_header(header[:end]) is None


@pytest.mark.parametrize(("header", "why"), BAD.items())
def test_an_invalid_header_has_a_reason(header: bytes, why: str) -> None:
    with pytest.raises(InvalidHeader, match=why):
        parse_header(header)


@given(st.one_of(st.binary(), st.binary().map(V2.__add__), st.binary().map(b"PROXY TCP4 ".__add__)))
def test_arbitrary_bytes_are_a_header_or_incomplete_or_invalid(data: bytes) -> None:
    try:
        header = parse_header(data)
    except InvalidHeader:
        return
    assert header is None or 0 < header.length <= len(data)
