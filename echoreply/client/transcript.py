"""What was sent and received, kept in a file."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import BinaryIO

from echoreply.client.round_trips import lines
from echoreply.core.quoting import quote

SENT, RECEIVED = ">", "<"


def record(direction: str, data: bytes, seconds: float) -> str:
    r"""
    Give the line of a transcript for some bytes: C{2026-11-23T08:15:00.250000Z < "server reply:a\n"}.

    The time is RFC 3339's, in UTC. The bytes are quoted, so that every one of them can be told from the line.

    @param seconds: when it was, since 1970.
    """
    time = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return f"{time} {direction} {quote(data)}\n"


class Transcript:
    """
    Writes records to a file, after what it has.

    @param path: the file's. It is made if there is none.
    @param failed: is called with words for people when the file can't be written any more. Nothing more is written.
    @raise OSError: the file can't be written.
    """

    def __init__(self, path: str, failed: Callable[[str], object]) -> None:
        # At once, so that what was said is there also if we are killed.
        self._file: BinaryIO | None = open(path, "ab", buffering=0)  # noqa: SIM115
        self._path = path
        self._failed = failed

    def keep(self, direction: str, data: bytes, seconds: float, *, whole: bool = False) -> None:
        """
        Write a record for each line in some bytes.

        @param whole: whether they are one, whatever lines they have, as a datagram is.
        """
        if not self._file:
            return
        text = "".join(record(direction, line, seconds) for line in ([data] if whole else lines(data)))
        rest = memoryview(text.encode())
        try:
            while rest:
                rest = rest[self._file.write(rest) or 0 :]
        except OSError as error:
            self.close()
            self._failed(f"the transcript ends here: {self._path}: {os.strerror(error.errno or 0).lower()}")

    def close(self) -> None:
        """Write no more."""
        if self._file:
            self._file.close()
            self._file = None
