"""The rows of the benchmark table: the kinds of load, and the groups of servers."""

from __future__ import annotations

from enum import Enum

from attrs import frozen


class Group(Enum):
    """A group of servers that are compared with each other. The value is shown in the titles of its rows."""

    ALL = ""
    TLS = "TLS"
    WORKERS = "on two cores"
    """Servers that may use both cores: the load generator takes little of the second one."""
    SCRIPTS = "reply scripts"
    """The costs of reply scripts."""
    OBSERVERS = "observers"
    """The costs of monitoring: JSON log and live page."""


@frozen
class Row:
    """
    A kind of load.

    @ivar depth: messages in flight per connection.
    @ivar size: bytes in a message, including its LF.
    @ivar reconnect: whether each message has its own connection; C{connections} of them are open at a time.
    @ivar group: the servers to measure.
    @ivar peers: the names of the servers to measure, if not all of the group.
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
