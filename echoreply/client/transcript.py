"""The transcript of the interactive client: a file with all sent and received bytes, with times."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import BinaryIO

from echoreply.client.round_trips import lines
from echoreply.core.parsing import printable
from echoreply.core.quoting import quote

SENT, RECEIVED = ">", "<"


def record(direction: str, data: bytes, seconds: float) -> str:
    r"""
    Return a line of a transcript, such as C{2026-11-23T08:15:00.250000Z < "server reply:a\n"}.

    The time is UTC, in the format of RFC 3339. The quoted text shows every byte exactly.

    @param seconds: the time of the event, in seconds since 1970.
    """
    time = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return f"{time} {direction} {quote(data)}\n"


class Transcript:
    """
    Appends records to a file.

    @param path: the path of the file, which is created if it does not exist.
    @param failed: called with a message for the user when writing fails. After that, nothing is written.
    @raise OSError: the file can't be opened.
    """

    def __init__(self, path: str, failed: Callable[[str], object]) -> None:
        # Unbuffered, so that the file is complete even if the client is killed.
        self._file: BinaryIO | None = open(path, "ab", buffering=0)  # noqa: SIM115
        self._path = path
        self._failed = failed

    def keep(self, direction: str, data: bytes, seconds: float, *, whole: bool = False) -> None:
        """
        Write a record for each line of the data.

        @param whole: whether to write a single record, as for a datagram.
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
            self._failed(f"transcript stopped: {printable(self._path)}: {os.strerror(error.errno or 0).lower()}")

    def close(self) -> None:
        """Close the file. Nothing is recorded after that."""
        if self._file:
            self._file.close()
            self._file = None
