"""What is measured."""

from __future__ import annotations

from attrs import frozen


@frozen
class Row:
    """
    One way to load a server.

    @ivar depth: how many messages a connection has in flight.
    @ivar size: of a message in bytes, its LF included.
    @ivar reconnect: whether each message has a connection of its own; there are so many at a time, then.
    @ivar workers: whether servers may use the load generator's core, too. It is the row of those who do, and whose work
        is much beside the load generator's.
    @ivar scripts: whether it is the row of those who show what a reply script costs, and of nobody else.
    @ivar tls: whether it is over TLS. It is the row of those who speak that, then, and of nobody else.
    @ivar peers: the names of those whose row this is; if empty, all.
    """

    name: str
    connections: int
    depth: int = 1
    size: int = 64
    reconnect: bool = False
    tls: bool = False
    scripts: bool = False
    workers: bool = False
    peers: frozenset[str] = frozenset()

    @property
    def title(self) -> str:
        if self.reconnect:
            return f"connect, one message, its reply, close; {self.connections} at a time"
        return (
            f"{self.connections:,} × {self.depth}, {self.size:,} bytes"
            + ", TLS" * self.tls
            + ", on two cores" * self.workers
            + ", reply scripts" * self.scripts
        )


ROWS = [
    Row("1x1", 1),
    Row("100x1", 100),
    Row("1000x1", 1000),
    Row("10000x1", 10_000),
    Row("100x64", 100, 64),
    Row("10x16", 10, 16, 1024),
    Row("connect", 16, reconnect=True),
    Row("workers", 100, 64, workers=True),
    Row("tls-100x1", 100, tls=True),
    Row("tls-100x64", 100, 64, tls=True),
    Row("tls-10x16", 10, 16, 1024, tls=True),
    Row("scripts-100x1", 100, scripts=True),
    Row("scripts-100x64", 100, 64, scripts=True),
]
