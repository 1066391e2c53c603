"""The far end of the fixture: a server in a thread of its own, in a suite that has another reactor."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
import pytest_twisted
from twisted.internet import reactor as the_reactor
from twisted.internet.threads import deferToThread
from twisted.python.threadable import isInIOThread

from echoreply.core.conversation import Rules
from echoreply.core.reasons import EndReason
from echoreply.core.replies import Replies
from echoreply.testing.threaded import ReactorThread, ThreadedServer
from tests.end_to_end.conftest import on_linux
from tests.support.wire_contract import PATIENCE, Wire, exchange

CLIENTS = 8
ROUNDS = 50


@pytest.fixture
def thread() -> Iterator[ReactorThread]:
    thread = ReactorThread()
    yield thread
    thread.stop()


def test_a_message_whose_reply_was_read_is_recorded(echoreply_server: ThreadedServer) -> None:
    with Wire(*echoreply_server.address) as wire:
        for number in range(ROUNDS):
            wire.send(b"%d\r\n" % number)
            wire.expect(b"server reply:%d\r\n" % number)
            assert echoreply_server.messages == [b"%d" % earlier for earlier in range(number + 1)]
            [connection] = echoreply_server.connections
            assert connection.peer == wire.socket.getsockname()
            assert connection.received == sum(len(b"%d\r\n" % earlier) for earlier in range(number + 1))
            assert connection.ended is None


def test_many_threads_may_use_it(echoreply_server: ThreadedServer) -> None:
    def converse(client: int) -> None:
        for number in range(ROUNDS):
            with Wire(*echoreply_server.address) as wire:
                wire.send(b"%d %d\n" % (client, number))
                wire.expect(b"server reply:%d %d\n" % (client, number))
                assert b"%d %d" % (client, number) in echoreply_server.messages

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(converse, range(CLIENTS)))
    echoreply_server.wait_for(lambda server: all(connection.ended for connection in server.connections), PATIENCE)
    assert len(echoreply_server.connections) == len(echoreply_server.messages) == CLIENTS * ROUNDS


def test_why_a_connection_ended_can_be_waited_for(echoreply_server: ThreadedServer) -> None:
    dial = partial(Wire, *echoreply_server.address)
    exchange(dial, b"hello\n", b"server reply:hello\n")
    exchange(dial, b"hello\nquit\n", b"server reply:hello\n")
    with dial() as wire:
        wire.send(b"hello\n")
        wire.expect(b"server reply:hello\n")
        wire.reset()
    echoreply_server.wait_for(lambda server: all(connection.ended for connection in server.connections), PATIENCE)
    ended = [connection.ended for connection in echoreply_server.connections]
    assert ended == [EndReason.CLIENT, EndReason.CLOSE_WORD, EndReason.RESET]


def test_rules_can_be_set(echoreply_server: ThreadedServer) -> None:
    echoreply_server.rules = Rules(Replies(b"> "))
    assert echoreply_server.rules == Rules(Replies(b"> "))
    exchange(partial(Wire, *echoreply_server.address), b"hello\n", b"> hello\n")


def test_a_script_holds_for_connections_that_come_from_then_on(echoreply_server: ThreadedServer) -> None:
    script = r"""
        greeting = "READY\n"
        reply = "UNKNOWN\n"
        [[rule]]
        message = "PING"
        reply = "PONG\n"
    """
    with Wire(*echoreply_server.address) as before:
        before.send(b"PING\n")
        before.expect(b"server reply:PING\n")
        echoreply_server.script = script
        assert echoreply_server.script == script
        exchange(partial(Wire, *echoreply_server.address), b"PING\nHELLO\n", b"READY\nPONG\nUNKNOWN\n")
        before.send(b"PING\n")
        before.expect(b"server reply:PING\n")
    assert echoreply_server.messages == [b"PING", b"PING", b"HELLO", b"PING"]
    echoreply_server.script = ""
    exchange(partial(Wire, *echoreply_server.address), b"PING\n", b"server reply:PING\n")


def test_a_script_knows_the_port(echoreply_server: ThreadedServer) -> None:
    echoreply_server.script = r'reply = "{{ ports.tcp }}\n"'
    exchange(partial(Wire, *echoreply_server.address), b"hello\n", b"%d\n" % echoreply_server.port)


def test_a_message_that_gets_no_reply_is_received_all_the_same(echoreply_server: ThreadedServer) -> None:
    echoreply_server.script = 'reply = ""'
    exchange(partial(Wire, *echoreply_server.address), b"a\nb\n", b"")
    assert echoreply_server.messages == [b"a", b"b"]


def test_a_wrong_script_fails_the_test_and_changes_nothing(echoreply_server: ThreadedServer) -> None:
    with pytest.raises(ValueError, match=r"line 2: .*reply"):
        echoreply_server.script = "\nreply = 1"
    assert echoreply_server.script == ""
    exchange(partial(Wire, *echoreply_server.address), b"hello\n", b"server reply:hello\n")


def test_a_timeout_fails_and_lists_what_was_received(echoreply_server: ThreadedServer) -> None:
    exchange(partial(Wire, *echoreply_server.address), b"hello\n", b"server reply:hello\n")
    with pytest.raises(TimeoutError, match='the last "hello"'):
        echoreply_server.wait_for(lambda _server: False, timeout=0.01)


def test_an_exception_of_the_condition_fails_the_test(echoreply_server: ThreadedServer) -> None:
    with pytest.raises(ZeroDivisionError):
        echoreply_server.wait_for(lambda _server: 1 / 0)
    with pytest.raises(pytest.fail.Exception, match="not this one"):
        echoreply_server.wait_for(lambda _server: pytest.fail("not this one"))


def test_a_condition_may_ask_the_fixture_but_not_wait_for_it(echoreply_server: ThreadedServer) -> None:
    echoreply_server.wait_for(lambda _server: echoreply_server.messages == [])
    with pytest.raises(RuntimeError, match="the server's own thread"):
        echoreply_server.wait_for(lambda _server: echoreply_server.wait_for(lambda _: True))


def test_a_wrong_time_out_is_an_error_and_no_wait(echoreply_server: ThreadedServer) -> None:
    with pytest.raises(AssertionError):
        echoreply_server.wait_for(lambda _server: False, timeout=-1)


def test_an_asyncio_client_is_served_meanwhile(echoreply_server: ThreadedServer) -> None:
    async def converse() -> bytes:
        reader, writer = await asyncio.open_connection(*echoreply_server.address)
        waited = asyncio.create_task(
            asyncio.to_thread(echoreply_server.wait_for, lambda server: server.messages == [b"hello"], PATIENCE)
        )
        writer.write(b"hello\n")
        reply = await reader.readline()
        await waited
        writer.close()
        await writer.wait_closed()
        return reply

    assert asyncio.run(converse()) == b"server reply:hello\n"


@pytest_twisted.ensureDeferred
async def test_the_processs_own_reactor_goes_on(echoreply_server: ThreadedServer) -> None:
    assert isInIOThread()
    assert "echoreply" not in type(the_reactor).__module__
    await deferToThread(exchange, partial(Wire, *echoreply_server.address), b"hello\n", b"server reply:hello\n")
    await deferToThread(echoreply_server.wait_for, lambda server: server.connections[0].ended, PATIENCE)
    assert isInIOThread()


def test_a_stopped_server_closes_its_connections_and_still_tells(thread: ReactorThread) -> None:
    server = ThreadedServer(thread)
    with Wire(*server.address) as answered, Wire(*server.address) as unfinished, Wire(*server.address) as silent:
        answered.send(b"hello\n")
        answered.expect(b"server reply:hello\n")
        unfinished.send(b"hel")
        server.wait_for(lambda server: [seen.received for seen in server.connections] in ([6, 3, 0],), PATIENCE)
        server.stop()
        answered.expect_end()
        with pytest.raises(ConnectionResetError):
            silent.read(1)
    assert server.messages[0] == b"hello"
    assert all(connection.ended for connection in server.connections)
    with pytest.raises(ConnectionRefusedError):
        Wire(*server.address)


def test_servers_of_one_thread_know_nothing_of_each_other(thread: ReactorThread) -> None:
    first, second = ThreadedServer(thread), ThreadedServer(thread)
    exchange(partial(Wire, *first.address), b"hello\n", b"server reply:hello\n")
    assert (first.messages, second.messages, second.connections) == ([b"hello"], [], [])


def test_stop_does_not_wait_for_a_client_that_does_not_read(thread: ReactorThread) -> None:
    server = ThreadedServer(thread)
    with Wire(*server.address, receive_buffer=4096) as wire:
        flood = threading.Thread(target=pytest.raises, args=(OSError, wire.send, b"x" * 1000 + b"\n" * 10_000_000))
        flood.start()
        server.wait_for(lambda server: server.messages, PATIENCE)
        server.stop()
        flood.join(PATIENCE)
        assert not flood.is_alive()


@on_linux
def test_a_thread_that_has_ended_leaves_no_descriptor() -> None:
    ReactorThread().stop()
    before = len(os.listdir("/proc/self/fd"))
    thread = ReactorThread()
    server = ThreadedServer(thread)
    exchange(partial(Wire, *server.address), b"hello\n", b"server reply:hello\n")
    server.stop()
    thread.stop()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_thread_that_has_ended_says_so() -> None:
    thread = ReactorThread()
    server = ThreadedServer(thread)
    server.stop()
    thread.stop()
    with pytest.raises(RuntimeError, match="ended"):
        _ = server.messages
