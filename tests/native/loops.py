"""The event loops that native transports are tested on, and a reactor on each."""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop
from collections.abc import Callable
from unittest import SkipTest, TestCase

from echoreply.native.client import ConnectingReactor
from echoreply.native.reactor import NativeReactor

try:
    import uvloop
except ImportError:
    uvloop = None  # type: ignore[assignment]


def asyncio_loop() -> AbstractEventLoop:
    return asyncio.SelectorEventLoop()


def uvloop_loop() -> AbstractEventLoop:
    if uvloop is None:
        raise SkipTest("uvloop is not installed")
    loop: AbstractEventLoop = uvloop.new_event_loop()
    return loop


def close(loop: AbstractEventLoop) -> None:
    """Close a loop after a last turn, in which it closes connections."""
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()


def _reactor_on(
    make_loop: Callable[[], AbstractEventLoop], make_reactor: type[NativeReactor] = NativeReactor
) -> Callable[[TestCase], NativeReactor]:
    def factory(case: TestCase) -> NativeReactor:
        loop = make_loop()
        case.addCleanup(close, loop)
        return make_reactor(loop)

    return factory


AsyncioReactor = _reactor_on(asyncio_loop)
UvloopReactor = _reactor_on(uvloop_loop)
AsyncioConnectingReactor = _reactor_on(asyncio_loop, ConnectingReactor)
UvloopConnectingReactor = _reactor_on(uvloop_loop, ConnectingReactor)
REACTORS = [f"{__name__}.AsyncioReactor", f"{__name__}.UvloopReactor"]
"""The reactors that a L{ReactorBuilder <twisted.internet.test.reactormixins.ReactorBuilder>} makes test cases for."""
CONNECTING = [f"{__name__}.AsyncioConnectingReactor", f"{__name__}.UvloopConnectingReactor"]
"""The reactors whose outgoing connections are native, too."""
