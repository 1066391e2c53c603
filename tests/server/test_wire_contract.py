"""The wire contract over real sockets, with the server in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

import pytest
import pytest_twisted
from twisted.internet import reactor as the_reactor
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from echoreply.core.conversation import Rules
from echoreply.core.framing import Framing
from echoreply.core.replies import Replies, Transform
from echoreply.net.binding import Binding
from echoreply.net.endpoints import server_endpoint
from echoreply.protocol import ReplyFactory
from echoreply.server.service import ReplyService
from tests.support import wire_contract as wire
from tests.support.memory_observer import Memory
from tests.support.wire_contract import Case, Dial, Wire

reactor: Any = the_reactor
T = TypeVar("T")
Serve = Callable[..., Awaitable[Dial]]


@pytest_twisted.async_yield_fixture
async def serve() -> AsyncIterator[Serve]:
    """Return a function that starts a server with some rules, and returns what dials it."""
    services: list[ReplyService] = []
    observers: list[Memory] = []

    async def start(rules: Rules | None = None, interface: str = "", host: str = "127.0.0.1") -> Dial:
        observer = Memory()
        factory = ReplyFactory(reactor, rules, pause=wire.PAUSE, observers=[observer])
        binding = Binding(interface, partial(server_endpoint(reactor, interface, 0).listen, factory))
        service = ReplyService(reactor, [binding], factory, drain=wire.PATIENCE)
        service.startService()
        services.append(service)
        observers.append(observer)
        await deferLater(reactor, 0)
        address: Any = observer.hosts[0]
        return partial(Wire, host, address.port)

    yield start
    for service in services:
        await service.stopService()
    for observer in observers:
        assert observer.open == [], "a connection was leaked"


def in_thread(function: Callable[..., T], *arguments: object) -> Awaitable[T]:
    """Run a function that blocks, in a thread."""
    return deferToThread(function, *arguments)


@pytest.mark.parametrize("case", wire.CASES, ids=lambda case: case.__name__)
@pytest_twisted.ensureDeferred
async def test_the_contract_holds(case: Case, serve: Serve) -> None:
    await in_thread(case, await serve())


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest_twisted.ensureDeferred
async def test_ipv6_and_ipv4_are_served_on_one_port(host: str, serve: Serve) -> None:
    await in_thread(wire.half_close_is_answered, await serve(host=host))


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@pytest_twisted.ensureDeferred
async def test_one_address_can_be_served(address: str, serve: Serve) -> None:
    await in_thread(wire.half_close_is_answered, await serve(interface=address, host=address))


@pytest_twisted.ensureDeferred
async def test_read_framing_without_a_prefix_is_rfc_862(serve: Serve) -> None:
    every = bytes(range(256)) * 20_000
    dial = await serve(Rules(Replies(b""), Framing.READ))

    def converse() -> None:
        with dial() as connection:
            connection.send(b"\0unterminated")
            connection.expect(b"\0unterminated")
        wire.exchange(dial, every, every)

    await in_thread(converse)


@pytest_twisted.ensureDeferred
async def test_line_framing_waits_for_the_end_of_a_line(serve: Serve) -> None:
    dial, other = await serve(Rules(framing=Framing.LINE)), await serve()

    def converse() -> None:
        with dial() as connection:
            connection.send(b"hel")
            wire.wait_for_a_pause(other)
            connection.send(b"lo\n")
            connection.expect(b"server reply:hello\n")

    await in_thread(converse)


@pytest_twisted.ensureDeferred
async def test_a_transform_leaves_the_prefix_alone(serve: Serve) -> None:
    dial = await serve(Rules(Replies(transform=Transform.UPPER)))
    await in_thread(wire.exchange, dial, "héllo\n".encode(), b"server reply:H\xc3\xa9LLO\n")
