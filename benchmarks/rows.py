"""What is measured."""

from __future__ import annotations

from enum import Enum

from attrs import frozen


class Group(Enum):
    """Servers that are measured beside each other. The value says in a row's title what is theirs."""

    ALL = ""
    TLS = "TLS"
    WORKERS = "on two cores"
    """They may use the load generator's core, too, and their work is much beside the load generator's."""
    SCRIPTS = "reply scripts"
    """They show what a reply script costs."""
    OBSERVERS = "observers"
    """They show what it costs to be looked at."""


@frozen
class Row:
    """
    One way to load a server.

    @ivar depth: how many messages a connection has in flight.
    @ivar size: of a message in bytes, its LF included.
    @ivar reconnect: whether each message has a connection of its own; there are so many at a time, then.
    @ivar group: whose row it is, and nobody else's.
    @ivar peers: the names of those whose row this is; if empty, all.
    """

    name: str
    connections: int
    depth: int = 1
    size: int = 64
    reconnect: bool = False
    group: Group = Group.ALL
    peers: frozenset[str] = frozenset()

    @property
    def title(self) -> str:
        if self.reconnect:
            return f"connect, one message, its reply, close; {self.connections} at a time"
        return f"{self.connections:,} × {self.depth}, {self.size:,} bytes" + (
            f", {self.group.value}" if self.group.value else ""
        )


ROWS = [
    Row("1x1", 1),
    Row("100x1", 100),
    Row("1000x1", 1000),
    Row("10000x1", 10_000),
    Row("100x64", 100, 64),
    Row("10x16", 10, 16, 1024),
    Row("connect", 16, reconnect=True),
    Row("workers", 100, 64, group=Group.WORKERS),
    Row("tls-100x1", 100, group=Group.TLS),
    Row("tls-100x64", 100, 64, group=Group.TLS),
    Row("tls-10x16", 10, 16, 1024, group=Group.TLS),
    Row("scripts-100x1", 100, group=Group.SCRIPTS),
    Row("scripts-100x64", 100, 64, group=Group.SCRIPTS),
    Row("observers-100x1", 100, group=Group.OBSERVERS),
    Row("observers-100x64", 100, 64, group=Group.OBSERVERS),
]
