"""The UDP port, on a real socket."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from twisted.internet.interfaces import IReactorFDSet
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from echoreply.core.conversation import Rules
from echoreply.core.replies import Replies
from echoreply.net.listener import Layer, Listener
from echoreply.net.sockets import datagram_sockets
from echoreply.net.udp_port import DatagramPort
from echoreply.server.datagrams import ReplyDatagrams
from tests.support.memory_observer import Memory


class LinkLocalSocket:
    """A socket that has received from a peer on the seventh link."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, Any]] = []

    def recvfrom(self, size: int) -> Any:  # noqa: ANN401
        return b"hello", ("fe80::1", 4000, 0, 7)

    def sendto(self, datagram: bytes, addr: Any) -> None:  # noqa: ANN401
        self.sent.append((datagram, addr))


class FailingSocket:
    """A socket whose first read fails."""

    def __init__(self, real: socket.socket) -> None:
        self._real = real
        self._fails = True

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._real, name)

    def recvfrom(self, size: int) -> Any:  # noqa: ANN401
        if self._fails:
            self._fails = False
            raise OSError(errno.EHOSTUNREACH, "no route")
        return self._real.recvfrom(size)


class PortTests(SynchronousTestCase):
    """The port on a real socket."""

    def setUp(self) -> None:
        self.observer = Memory()
        reactor = cast(IReactorFDSet, MemoryReactorClock())
        protocol = ReplyDatagrams(
            Clock(), lambda: Rules(Replies(prefix=b"")), self.observer, Listener((Layer.UDP,)), rate=1000
        )
        self.port = DatagramPort(reactor, protocol, datagram_sockets("127.0.0.1", 0)[0])
        self.port.startListening()
        self.addCleanup(self.port.connectionLost)

    @contextmanager
    def client(self) -> Iterator[socket.socket]:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(60)
            client.connect(self.port.socket.getsockname())
            yield client

    def test_the_datagrams_of_a_turn_are_limited_also_if_they_are_empty(self) -> None:
        with self.client() as client:
            for _ in range(5):
                client.send(b"")
            self.port.answer_waiting(3)
            self.assertEqual(len(self.observer.datagrams), 3)
            self.port.doRead()
            self.assertEqual(len(self.observer.datagrams), 5)

    def test_an_error_of_a_read_does_not_close_the_port(self) -> None:
        self.port.socket = cast(socket.socket, FailingSocket(self.port.socket))
        with self.client() as client:
            client.send(b"hello")
            self.port.doRead()
            self.assertEqual(self.observer.datagrams, [])
            self.port.doRead()
            self.assertEqual(client.recv(100), b"hello")

    def test_a_link_local_peer_is_answered_on_its_link(self) -> None:
        real, self.port.socket = self.port.socket, cast(socket.socket, LinkLocalSocket())
        try:
            self.port.answer_waiting(1)
            self.assertEqual(self.port.socket.sent, [(b"hello", ("fe80::1", 4000, 0, 7))])  # type: ignore[attr-defined]
        finally:
            self.port.socket = real
