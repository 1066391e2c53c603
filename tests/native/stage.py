"""Ports, protocols and clients of native transports over real sockets, on one event loop."""

from __future__ import annotations

import asyncio
import socket
from asyncio import AbstractEventLoop
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import (
    IHalfCloseableProtocol,
    IListeningPort,
    IPushProducer,
)
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure
from zope.interface import implementer

from echoreply.native.reactor import NativeReactor
from echoreply.native.transport import NativeTransport
from tests.native.loops import close

LONG = bytes(range(256)) * 200_000
"""More bytes than the kernel's buffers hold, in an order that shows a lost or repeated piece."""


@implementer(IPushProducer)
class Recorder(Protocol):
    """Records the calls of its methods, and lets a test wait for one."""

    transport: NativeTransport
    greet: Callable[[Recorder], object] = staticmethod(lambda _: None)
    fault_in = ""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.reads: list[int] = []
        self.received = bytearray()
        self.reason: Any = None
        self._waiting: list[asyncio.Future[None]] = []

    def note(self, event: str) -> None:
        self.told.append(event)
        for waiting in self._waiting:
            waiting.set_result(None)
        self._waiting.clear()
        if event == self.fault_in:
            raise ZeroDivisionError(event)

    async def until(self, event: str, size: int = 0) -> None:
        while event not in self.told or len(self.received) < size:
            waiting = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            await waiting

    def connectionMade(self) -> None:
        self.greet(self)
        self.note("made")

    def dataReceived(self, data: bytes) -> None:
        self.received += data
        self.reads.append(len(data))
        self.note("data")

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008
        self.reason = reason.value
        self.note("lost")

    # IPushProducer.

    def pauseProducing(self) -> None:
        self.note("pause")

    def resumeProducing(self) -> None:
        self.note("resume")

    def stopProducing(self) -> None:
        self.note("stop")


@implementer(IHalfCloseableProtocol)
class HalfCloseable(Recorder):
    def readConnectionLost(self) -> None:
        self.note("end")

    def writeConnectionLost(self) -> None:
        self.note("sent")


class Stage:
    """Ports, the protocols of their connections, and clients, on one event loop."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        self.loop = loop
        self.reactor = NativeReactor(loop)
        self.troubles: list[dict[str, Any]] = []
        loop.set_exception_handler(lambda _, context: self.troubles.append(context))
        self.protocols: list[Any] = []
        self.ports: list[IListeningPort] = []
        self.clients: list[socket.socket] = []

    def listen(self, make: Callable[[], Recorder], interface: str = "127.0.0.1") -> tuple[str, int]:
        def build() -> Recorder:
            self.protocols.append(make())
            protocol: Recorder = self.protocols[-1]
            return protocol

        self.ports.append(self.reactor.listenTCP(0, Factory.forProtocol(build), 1000, interface))
        address: Any = self.ports[-1].getHost()
        return address.host, address.port

    async def dial(self, address: tuple[str, int]) -> socket.socket:
        client = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        self.clients.append(client)
        client.setblocking(False)
        await self.loop.sock_connect(client, address)
        return client

    async def connect(
        self,
        greet: Callable[[Any], object] = lambda _: None,
        kind: Callable[[], Recorder] = HalfCloseable,
        interface: str = "127.0.0.1",
    ) -> tuple[Any, socket.socket]:
        """Connect a client to a protocol that calls C{greet} in its C{connectionMade}. Return both."""

        def make() -> Recorder:
            protocol = kind()
            protocol.greet = greet
            return protocol

        client = await self.dial(self.listen(make, interface))
        while not self.protocols:
            await asyncio.sleep(0)
        await self.protocols[0].until("made")
        return self.protocols[0], client

    async def read(self, client: socket.socket, size: int = -1) -> bytes:
        """Read C{size} bytes, or up to the end of input."""
        data = bytearray()
        while most := 1 << 18 if size < 0 else min(size - len(data), 1 << 18):
            more = await self.loop.sock_recv(client, most)
            if not more:
                break
            data += more
        return bytes(data)

    async def turn(self, times: int = 5) -> None:
        """Let the event loop take several turns, each with a look for ready sockets."""
        for _ in range(times):
            await asyncio.sleep(0)
            done = self.loop.create_future()
            ours, theirs = socket.socketpair()
            with ours, theirs:
                self.loop.add_reader(ours, done.set_result, None)
                theirs.send(b".")
                await done
                self.loop.remove_reader(ours)

    async def end(self) -> None:
        for client in self.clients:
            client.close()
        for port in self.ports:
            stopped: Any = port.stopListening()
            if stopped:
                await stopped.asFuture(self.loop)
        for protocol in self.protocols:
            if "lost" not in protocol.told:
                protocol.transport.abortConnection()
                await protocol.until("lost")
        for reader in list(self.reactor._internalReaders):
            self.reactor.removeReader(reader)
            reader.connectionLost(None)
        self.reactor._internalReaders.clear()


def reset(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()


def staged(test: Callable[[Any, Stage], Awaitable[None]]) -> Callable[[Any], None]:
    """Run a test on an event loop of its own. The test fails if the loop reports an error."""

    @wraps(test)
    def run(case: Any) -> None:  # noqa: ANN401
        loop = case.make_loop()
        stage = Stage(loop)

        async def play() -> None:
            try:
                await asyncio.wait_for(test(case, stage), 30)
            finally:
                await asyncio.wait_for(stage.end(), 30)

        try:
            loop.run_until_complete(play())
        finally:
            close(loop)
        case.assertEqual(stage.troubles, [])

    return run
