"""Parsing TOML documents, with errors that name the line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from typing import Any

Path = Sequence[str | int]
"""The place of a value in a document: keys, and indices of arrays, from 0."""

_KEY = re.compile(r"""^[ \t]*([\w.-]+|"[^"\n]*"|'[^'\n]*')[ \t]*=""", re.MULTILINE)


def parse_toml(text: str, name: str) -> dict[str, Any]:
    """
    Parse a document.

    @param name: the name of the document in errors, such as its file.
    @raise ValueError: the document is not TOML. The text names the document, the line and the reason.
    """
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError(f"{name}: nested too deeply") from None
    except ValueError as error:
        # Newer Pythons have the position as attributes, all have it in the text.
        why, _, position = str(error).removesuffix(")").partition(" (at ")
        if not position.startswith("line "):
            # The mistake is at the end of the document.
            position = f"line {len(text.rstrip().encode().splitlines()) or 1}"
        if why == "Cannot overwrite a value":
            why += f": {_last_key(text, position)} is set twice"
        raise ValueError(f"{name}, {position}: {why}") from None


def _last_key(text: str, position: str) -> str:
    """Return the last key that begins in a line or before it. The line is the last one of the key's value."""
    number = int(position.removeprefix("line ").partition(",")[0])
    keys = _KEY.findall("\n".join(text.splitlines()[:number]))
    return str(keys[-1]) if keys else "a key"


def line_of(text: str, path: Path) -> int:
    """
    Return the number of the line in which a value begins, from 1.

    Python's parser does not keep positions. So ever more of the document's first lines are parsed: the value begins
    after the longest part that is valid TOML and does not have it.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    begins = 0
    for number in range(1, len(lines) + 1):
        try:
            document: Any = tomllib.loads("\n".join(lines[:number]))
        except tomllib.TOMLDecodeError:
            continue
        try:
            for place in path:
                document = document[place]
        except (KeyError, IndexError):
            begins = number
        else:
            break
    return begins + 1
