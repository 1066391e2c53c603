"""A native transport on a fake event loop, whose turns and reads a test controls."""

from __future__ import annotations

import socket
from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import Any, cast

from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from echoreply.native.connections import Connections
from echoreply.native.transport import NativeTransport


class Loop:
    """A fake event loop, whose turns a test runs."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Callable[..., object], tuple[Any, ...]]] = []

    def call_soon(self, call: Callable[..., object], *arguments: object) -> None:
        self.waiting.append((call, arguments))

    def turn(self) -> None:
        waiting, self.waiting = self.waiting, []
        for call, arguments in waiting:
            call(*arguments)


class Native:
    """A fake transport of an event loop, which records calls of its methods."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.protocols: list[object] = []
        self.reading = True

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: self.calls.append(name)

    def is_closing(self) -> bool:
        return "close" in self.calls or "abort" in self.calls

    def set_protocol(self, protocol: object) -> None:
        self.protocols.append(protocol)

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class Plain(Protocol):
    """Records what it receives, and calls a function of the test in its callback."""

    def __init__(self) -> None:
        self.received = b""
        self.reasons: list[type[BaseException] | None] = []
        self.in_callback: Callable[[], object] = lambda: None

    def dataReceived(self, data: bytes) -> None:
        self.received += data
        self.in_callback()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.reasons.append(reason.type)

    def pauseProducing(self) -> None:
        pass

    def resumeProducing(self) -> None:
        pass

    def stopProducing(self) -> None:
        pass


@implementer(IHalfCloseableProtocol)
class HalfCloseable(Plain):
    ended = False

    def readConnectionLost(self) -> None:
        self.ended = True

    def writeConnectionLost(self) -> None:
        pass


class Stage:
    """A native transport on a fake event loop."""

    def __init__(self, protocol: Plain, *, attached: bool = True) -> None:
        self.loop, self.native, self.protocol = Loop(), Native(), protocol
        self.socket = socket.socket()
        loop = cast(AbstractEventLoop, self.loop)
        self.transport = NativeTransport(loop, self.socket, protocol, ("127.0.0.1", 1), 0, Connections())
        if attached:
            self.transport.connection_made(self.native)

    def happen(self, event: str) -> object:
        """Cause an event of any table, except for those of closing and of pull producers."""
        transport = self.transport

        def written() -> None:
            transport.resume_writing()
            self.loop.turn()

        def full() -> None:
            transport.pause_writing()
            transport.write(b"data")

        happenings: dict[str, Callable[[], object]] = {
            "attached": lambda: transport.connection_made(self.native),
            "lost": lambda: transport.connection_lost(None),
            "data": lambda: transport.data_received(b"data"),
            "end": transport.eof_received,
            "pause": transport.pauseProducing,
            "resume": transport.resumeProducing,
            "deliver": self.loop.turn,
            "stop": transport.loseConnection,
            "close": transport.loseWriteConnection,
            "written": written,
            "full": full,
            "room": transport.resume_writing,
        }
        return happenings[event]()
