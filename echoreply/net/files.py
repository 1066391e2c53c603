"""Reading files that the user has named, with errors of one line."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from echoreply.core.parsing import printable


def read(path: str) -> bytes:
    """
    Return the contents of a file.

    @raise ValueError: the file can't be read. The message names the file and the reason, for the user.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"{printable(path)}: {error.strerror}") from None


def check_readable(path: str) -> None:
    """
    Check that a path is that of a file that this process may read, without reading: a pipe can be read only once.

    @raise ValueError: it is not. The message names the file and the reason, for the user.
    """
    try:
        number = errno.EISDIR if stat.S_ISDIR(os.stat(path).st_mode) else 0
    except OSError as error:
        number = error.errno or 0
    else:
        if not number and not os.access(path, os.R_OK):
            number = errno.EACCES
    if number:
        raise ValueError(f"{printable(path)}: {os.strerror(number)}")


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
        raise ValueError(f"{printable(path)}, line {line}: not UTF-8") from None
