"""Clients of a server's monitoring site: requests, and viewers of the live page's feed."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from typing import Any

from tests.support.processes import Server, Transcript
from tests.support.wire_contract import PATIENCE

WEB = "--web=tcp:0:interface=127.0.0.1"


def web_port(log: Transcript) -> int:
    """Return the port of the site, once the log has it."""
    return int(log.wait_for(rb"page at http://127\.0\.0\.1:(\d+)/\n")[1])


def get(server: Server, path: str, method: str = "GET", body: bytes | None = None) -> tuple[HTTPResponse, bytes]:
    """Send a request to a server's site; return the response, and its body."""
    connection = HTTPConnection("127.0.0.1", web_port(server.log), timeout=PATIENCE)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


class Viewer:
    """
    A viewer of the feed, which keeps what the page keeps.

    @param patience: seconds, at most, from one event to the next.
    @ivar last: the last beat.
    @ivar rows: the rows of the table by their ids, each with its values by their columns.
    """

    def __init__(self, port: int, patience: float = PATIENCE) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=patience)
        self._connection.request("GET", "/events")
        self._response = self._connection.getresponse()
        assert self._response.status == 200
        self.rows: dict[str, dict[str, Any]] = {}
        self.last: dict[str, Any] = {}
        self.state = self._next()[1]
        self._begin(self.state)

    def wait_until(self, condition: Callable[[Viewer], object]) -> None:
        """Receive events until a condition is met."""
        while not condition(self):
            self.follow()

    def follow(self) -> None:
        """
        Receive the next event.

        @raise EOFError: the stream has ended.
        """
        kind, data = self._next()
        if kind == "state":
            self._begin(data)
            return
        self.last = data
        for name in data["closed"]:
            del self.rows[name]
        self._open(data["opened"])
        ids = data["changed"].pop("id")
        for column, values in data["changed"].items():
            for row_id, value in zip(ids, values, strict=True):
                self.rows[row_id][column] = value
        assert len(self.rows) == data["listed"]

    def has_ended(self) -> bool:
        """Wait for the end of the stream, in which there may be more events."""
        while line := self._response.readline():
            assert line.startswith((b"event:", b"data:")) or not line.strip()
        return True

    def close(self) -> None:
        self._response.close()
        self._connection.close()

    def _begin(self, state: dict[str, Any]) -> None:
        self.last = state["beat"]
        self.rows = {}
        self._columns = state["columns"]
        self._open(state["connections"])
        assert len(self.rows) == self.last["listed"]

    def _open(self, rows: list[list[Any]]) -> None:
        for values in rows:
            row = dict(zip(self._columns, values, strict=True))
            assert row["id"] not in self.rows, f"{row['id']} is there twice"
            self.rows[row["id"]] = row

    def _next(self) -> tuple[str, Any]:
        kind = ""
        while line := self._response.readline():
            name, _, value = line.decode("ascii").rstrip("\n").partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                return kind, json.loads(value)
        raise EOFError("the stream has ended")


@contextmanager
def viewer(server: Server) -> Iterator[Viewer]:
    """Subscribe to a server's feed."""
    looking = Viewer(web_port(server.log))
    try:
        yield looking
    finally:
        looking.close()


def look_and_read_nothing(port: int) -> socket.socket:
    """Subscribe to the feed, and read none of it."""
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.settimeout(PATIENCE)
    deaf.connect(("127.0.0.1", port))
    deaf.sendall(b"GET /events HTTP/1.1\r\nHost: test\r\n\r\n")
    return deaf
