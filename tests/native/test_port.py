"""A native port: what happens to its connections when it is closed, and when the reactor stops."""

from __future__ import annotations

import socket
from asyncio import AbstractEventLoop
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.protocol import Factory
from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase

from echoreply.native.reactor import NativeReactor
from tests.native.loops import asyncio_loop, close, uvloop_loop
from tests.native.stage import HalfCloseable, Stage, staged


class Behaviour:
    """The tests, for an event loop that a subclass makes."""

    make_loop: staticmethod[[], AbstractEventLoop]
    assertEqual: Any
    assertIsInstance: Any
    assertTrue: Any

    @staged
    async def test_connections_are_taken_over_though_the_port_is_closed(self, stage: Stage) -> None:
        stopped: list[Deferred[None] | None] = []
        protocol, client = await stage.connect(lambda _: stopped.append(stage.ports[0].stopListening()))
        await stage.loop.sock_sendall(client, b"still here")
        await protocol.until("data")

    def test_connections_end_with_the_reactor(self) -> None:
        loop = self.make_loop()
        reactor: Any = NativeReactor(loop)
        protocol = HalfCloseable()
        protocol.greet = lambda _: deferLater(reactor, 0, reactor.stop)
        port = reactor.listenTCP(0, Factory.forProtocol(lambda: protocol), interface="127.0.0.1")
        with socket.create_connection(("127.0.0.1", port.getHost().port)):
            reactor.run(installSignalHandlers=False)
        close(loop)
        self.assertEqual(protocol.told, ["made", "lost"])
        self.assertIsInstance(protocol.reason, ConnectionLost)


class AsyncioTests(Behaviour, SynchronousTestCase):
    make_loop = staticmethod(asyncio_loop)


class UvloopTests(Behaviour, SynchronousTestCase):
    make_loop = staticmethod(uvloop_loop)
