"""Sending and receiving datagrams with plain sockets."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.processes import Transcript
from tests.support.wire_contract import PATIENCE


def udp_port(log: Transcript) -> int:
    """Return the UDP port that a server listens on, once its log has it."""
    return int(log.wait_for(rb"listening on \S+:(\d+) for UDP\n")[1])


@contextmanager
def client_of(port: int, host: str = "127.0.0.1", own: tuple[str, int] | None = None) -> Iterator[socket.socket]:
    """Yield a socket that is connected to a server."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(PATIENCE)
        if own:
            client.bind(own)
        client.connect((host, port))
        yield client


def ask(client: socket.socket, message: bytes) -> bytes:
    """Send a datagram; return the next one that arrives."""
    client.send(message)
    return client.recv(65536)
