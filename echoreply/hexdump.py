"""Bytes as people look at them one by one: an offset, sixteen of them in hexadecimal, and what of them prints."""

from __future__ import annotations

from collections.abc import Iterator

WIDTH = 16


def hexdump(data: bytes, offset: int = 0) -> Iterator[str]:
    """
    Give the rows of a dump, as C{hexdump -C} does.

    @param offset: where the first byte is. Rows begin there, not at multiples of sixteen.
    """
    for start in range(0, len(data), WIDTH):
        row = data[start : start + WIDTH]
        left, right = row[: WIDTH // 2].hex(" "), row[WIDTH // 2 :].hex(" ")
        printable = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        yield f"{offset + start:08x}  {left:<23}  {right:<23}  |{printable}|"
