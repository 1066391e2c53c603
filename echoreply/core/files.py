"""Files that somebody named."""

from __future__ import annotations

from pathlib import Path


def read(path: str) -> bytes:
    """
    Read a file.

    @raise ValueError: it can't be read. The text says which and why, for people.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None


def read_text(path: str) -> str:
    """
    Read a file of UTF-8.

    @raise ValueError: it can't be read, or is none. The text says which and why, for people.
    """
    data = read(path)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{path}, line {line}: not UTF-8") from None
