"""The addresses and socket options of native transports."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.native.loops import asyncio_loop, uvloop_loop
from tests.native.stage import Stage, staged


class Behaviour:
    """The tests, for an event loop that a subclass makes."""

    make_loop: staticmethod[[], AbstractEventLoop]
    assertEqual: Any
    assertIsInstance: Any
    assertTrue: Any

    @staged
    async def test_small_segments_may_be_held_back(self, stage: Stage) -> None:
        protocol, _ = await stage.connect(lambda protocol: protocol.transport.setTcpNoDelay(False))
        await stage.turn()
        self.assertEqual(protocol.transport.getTcpNoDelay(), False)
        for enabled in (True, False):
            protocol.transport.setTcpNoDelay(enabled)
            protocol.transport.setTcpKeepAlive(enabled)
            options = protocol.transport.getTcpNoDelay(), protocol.transport.getTcpKeepAlive()
            self.assertEqual(options, (enabled, enabled))

    @staged
    async def test_addresses_are_those_of_the_two_ends(self, stage: Stage) -> None:
        for interface in ("127.0.0.1", "::1"):
            stage.protocols.clear()
            protocol, client = await stage.connect(interface=interface)
            for address, name in (
                (protocol.transport.getPeer(), client.getsockname()),
                (protocol.transport.getHost(), client.getpeername()),
            ):
                self.assertEqual((address.host, address.port), name[:2])


class AsyncioTests(Behaviour, SynchronousTestCase):
    make_loop = staticmethod(asyncio_loop)


class UvloopTests(Behaviour, SynchronousTestCase):
    make_loop = staticmethod(uvloop_loop)
