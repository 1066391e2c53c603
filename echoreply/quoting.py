"""Peers' bytes, made fit to be seen: in a log line or on a terminal they can do nothing but be read."""

from __future__ import annotations

_SHORT = {"\\": r"\\", '"': r"\"", "\t": r"\t", "\n": r"\n", "\r": r"\r"}


def quote(data: bytes, longest: int | None = None) -> str:
    r"""
    Quote bytes as text in double quotes.

    Valid UTF-8 that prints stays readable; every other byte becomes C{\xNN}, or C{\t}, C{\n}, C{\r}. The result has no
    control, format or unassigned character, names every byte exactly, and never spans lines.

    @param longest: if there are more bytes than this, only so many are shown, and then how many there were.
    """
    shown = data if longest is None else data[:longest]
    text = shown.decode("utf-8", "surrogateescape")
    if not text.isprintable() or '"' in text or "\\" in text:
        text = "".join(map(_escape, text))
    return f'"{text}"' if len(shown) == len(data) else f'"{text}"... ({len(data)} bytes)'


def _escape(character: str) -> str:
    if character in _SHORT:
        return _SHORT[character]
    if character.isprintable():
        return character
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))
