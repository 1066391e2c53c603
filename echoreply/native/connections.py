"""The connections of one port, which share a read buffer and are closed when the reactor stops."""

from __future__ import annotations

from typing import Protocol


class Connection(Protocol):
    """A connection that is not lost yet."""

    def shut_down(self) -> None:
        """Close the connection immediately: the reactor is stopping, so there is no later turn."""


class Connections:
    """
    The connections of a port, or those that a reactor has made.

    @ivar connections: the connections that are not lost yet.
    """

    def __init__(self) -> None:
        self.connections: set[Connection] = set()
        self._buffers: dict[int, memoryview] = {}

    def read_buffer(self, size: int) -> memoryview:
        """Return a buffer of C{size} bytes. An event loop reads one connection at a time, so all share it."""
        if size not in self._buffers:
            self._buffers[size] = memoryview(bytearray(size))
        return self._buffers[size]

    def shut_down(self) -> None:
        """Close all connections immediately: the reactor is stopping."""
        for connection in list(self.connections):
            connection.shut_down()
