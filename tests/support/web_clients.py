"""Whoever looks at a server's web site."""

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
    """Give the port of the page, once the log says that it is there."""
    return int(log.wait_for(rb"page at http://127\.0\.0\.1:(\d+)/\n")[1])


def get(server: Server, path: str, method: str = "GET", body: bytes | None = None) -> tuple[HTTPResponse, bytes]:
    """Ask a server's site for something; give the answer, and its body."""
    connection = HTTPConnection("127.0.0.1", web_port(server.log), timeout=PATIENCE)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


class Viewer:
    """
    One who is told what the page is told.

    @param patience: seconds, at most, from one event to the next.
    @ivar last: the last beat that was told.
    @ivar rows: the table as the page has it.
    """

    def __init__(self, port: int, patience: float = PATIENCE) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=patience)
        self._connection.request("GET", "/events")
        self._response = self._connection.getresponse()
        assert self._response.status == 200
        self.rows: dict[str, list[Any]] = {}
        self.last: dict[str, Any] = {}
        self.state = self._next()[1]
        self._begin(self.state)

    def wait_until(self, condition: Callable[[Viewer], object]) -> None:
        """Follow what is told until a condition is met."""
        while not condition(self):
            self.follow()

    def follow(self) -> None:
        """
        Take what is told next.

        @raise EOFError: there is nothing more.
        """
        kind, data = self._next()
        if kind == "state":
            self._begin(data)
            return
        self.last = data
        for name in data["closed"]:
            del self.rows[name]
        for row in data["opened"]:
            assert row[0] not in self.rows, f"{row[0]} is told twice"
            self.rows[row[0]] = row
        changed = data["changed"]
        columns = (changed["id"], changed["messages"], changed["received"], changed["sent"])
        for name, *totals in zip(*columns, strict=True):
            self.rows[name][7:] = totals
        assert len(self.rows) == data["listed"]

    def has_ended(self) -> bool:
        """Wait until nothing is told any more; tell whether that was said."""
        while line := self._response.readline():
            assert line.startswith((b"event:", b"data:")) or not line.strip()
        return True

    def close(self) -> None:
        self._response.close()
        self._connection.close()

    def _begin(self, state: dict[str, Any]) -> None:
        self.last = state["beat"]
        self.rows = {row[0]: row for row in state["connections"]}
        assert len(self.rows) == self.last["listed"]

    def _next(self) -> tuple[str, Any]:
        kind = ""
        while line := self._response.readline():
            name, _, value = line.decode("ascii").rstrip("\n").partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                return kind, json.loads(value)
        raise EOFError("nothing more is told")


@contextmanager
def viewer(server: Server) -> Iterator[Viewer]:
    """Look at a server's page."""
    looking = Viewer(web_port(server.log))
    try:
        yield looking
    finally:
        looking.close()


def look_and_read_nothing(port: int) -> socket.socket:
    """Ask for what the page is told, and take none of it."""
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.settimeout(PATIENCE)
    deaf.connect(("127.0.0.1", port))
    deaf.sendall(b"GET /events HTTP/1.1\r\nHost: test\r\n\r\n")
    return deaf
