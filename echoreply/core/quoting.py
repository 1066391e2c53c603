"""Escaping bytes from a peer for logs and terminals, so that no control character reaches them."""

from __future__ import annotations

import codecs
import re

_SHORT = {"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"}


def quote(data: bytes, max_bytes: int | None = None) -> str:
    """
    Return bytes as escaped text in double quotes.

    @param max_bytes: maximum bytes to show; if there are more, their number follows.
    """
    shown = data if max_bytes is None else data[:max_bytes]
    text = '"' + escape(shown).replace('"', r"\"") + '"'
    return text if len(shown) == len(data) else f"{text}... ({len(data)} bytes)"


def escape(data: bytes) -> str:
    r"""
    Return bytes as escaped text on one line, from which every byte can be recovered.

    Printable UTF-8 stays as it is; every other byte becomes C{\xNN}, or C{\t}, C{\n}, C{\r}; a backslash is doubled.
    The result has no control, format or unassigned characters.
    """
    text = data.decode("utf-8", "surrogateescape")
    if not text.isprintable() or "\\" in text:
        text = "".join(map(_escape, text))
    return text


def _escape(character: str) -> str:
    if character in _SHORT:
        return _SHORT[character]
    if character.isprintable():
        return character
    return _hexadecimal(character)


def _hexadecimal(character: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))


class TerminalText:
    r"""
    Escapes a stream of bytes for a terminal.

    Control characters (ECMA-48: C0 except tab and newline, DEL, C1) and bytes that are not UTF-8 become C{\xNN}, one
    for each byte; the rest is unchanged. An incomplete character is held back until the rest of it has arrived.
    """

    _CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\udc80-\udcff]")

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")

    def receive(self, data: bytes) -> bytes:
        """Return the next bytes of the stream, escaped."""
        return self._shown(self._decoder.decode(data))

    def finish(self) -> bytes:
        """Return what was held back, escaped, at the end of the stream."""
        return self._shown(self._decoder.decode(b"", final=True))

    def _shown(self, text: str) -> bytes:
        return self._CONTROL.sub(lambda match: _hexadecimal(match[0]), text).encode()
