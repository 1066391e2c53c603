"""Reading files that the user has named, with errors of one line."""

from __future__ import annotations

from pathlib import Path


def read(path: str) -> bytes:
    """
    Return the contents of a file.

    @raise ValueError: the file can't be read. The message names the file and the reason, for the user.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None


def read_text(path: str) -> str:
    """
    Return the contents of a file in UTF-8, with or without a byte order mark.

    @raise ValueError: the file can't be read, or is not UTF-8. The message names the file, the reason and the line.
    """
    data = read(path)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{path}, line {line}: not UTF-8") from None
