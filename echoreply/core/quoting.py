"""Peers' bytes, made fit to be seen: in a log line or on a terminal they can do nothing but be read."""

from __future__ import annotations

import codecs
import re

_SHORT = {"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"}


def quote(data: bytes, longest: int | None = None) -> str:
    """
    Quote bytes as text in double quotes, in which they are escaped.

    @param longest: if there are more bytes than this, only so many are shown, and then how many there were.
    """
    shown = data if longest is None else data[:longest]
    text = '"' + escape(shown).replace('"', r"\"") + '"'
    return text if len(shown) == len(data) else f"{text}... ({len(data)} bytes)"


def escape(data: bytes) -> str:
    r"""
    Write bytes as text.

    Valid UTF-8 that prints stays readable; every other byte becomes C{\xNN}, or C{\t}, C{\n}, C{\r}; a backslash is
    doubled. The result has no control, format or unassigned character, names every byte exactly, and never spans lines.
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
    What a peer sends, as it comes, for a terminal.

    Control characters (ECMA-48: C0, but for tab and newline, DEL, C1) and bytes that are no UTF-8 become C{\xNN}, one
    for each byte; anything else stays as it is. A character that is cut in two is held back until the rest has come.
    """

    _CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\udc80-\udcff]")

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")

    def receive(self, data: bytes) -> bytes:
        """Take what has come; give what is to be shown."""
        return self._shown(self._decoder.decode(data))

    def finish(self) -> bytes:
        """Give what was held back, when no more will come."""
        return self._shown(self._decoder.decode(b"", final=True))

    def _shown(self, text: str) -> bytes:
        return self._CONTROL.sub(lambda match: _hexadecimal(match[0]), text).encode()
