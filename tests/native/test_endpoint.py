"""The native server endpoint."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from typing import Any

from twisted.internet.interfaces import (
    IStreamServerEndpoint,
)
from twisted.internet.protocol import Factory
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from echoreply.native.endpoint import NativeServerEndpoint
from tests.native.loops import asyncio_loop, uvloop_loop
from tests.native.stage import HalfCloseable, Stage, staged


class Behaviour:
    """The tests, for an event loop that a subclass makes."""

    make_loop: staticmethod[[], AbstractEventLoop]
    assertEqual: Any
    assertIsInstance: Any
    assertTrue: Any

    @staged
    async def test_an_endpoint_listens(self, stage: Stage) -> None:
        endpoint = NativeServerEndpoint(stage.reactor, stage.loop, 0, interface="127.0.0.1")
        verifyObject(IStreamServerEndpoint, endpoint)
        listening: Any = endpoint.listen(Factory.forProtocol(HalfCloseable))
        stage.ports.append(await listening.asFuture(stage.loop))
        host: Any = stage.ports[0].getHost()
        self.assertTrue(await stage.dial((host.host, host.port)))


class AsyncioTests(Behaviour, SynchronousTestCase):
    make_loop = staticmethod(asyncio_loop)


class UvloopTests(Behaviour, SynchronousTestCase):
    make_loop = staticmethod(uvloop_loop)
