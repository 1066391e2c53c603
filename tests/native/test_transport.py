"""Native transports over real sockets, on either event loop, as far as Twisted's own tests do not cover them."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import socket
import weakref
from asyncio import AbstractEventLoop
from typing import Any
from unittest import SkipTest

from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IConsumer,
    IPushProducer,
    ITCPTransport,
)
from twisted.internet.protocol import Factory
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.native.loops import asyncio_loop, uvloop_loop
from tests.native.stage import LONG, HalfCloseable, Recorder, Stage, reset, staged


class Behaviour:
    """The tests, for an event loop that a subclass makes."""

    make_loop: staticmethod[[], AbstractEventLoop]
    assertEqual: Any
    assertIsInstance: Any
    assertRaises: Any
    assertTrue: Any
    flushLoggedErrors: Any

    @staged
    async def test_it_is_a_transport_and_a_consumer_and_a_producer(self, stage: Stage) -> None:
        protocol, _ = await stage.connect()
        for interface in (ITCPTransport, IConsumer, IPushProducer):
            verifyObject(interface, protocol.transport)

    @staged
    async def test_it_can_be_named_and_found_and_stopped_as_a_producer(self, stage: Stage) -> None:
        protocol, client = await stage.connect()
        transport = protocol.transport
        self.assertEqual(transport.logPrefix(), "HalfCloseable,0,127.0.0.1")
        self.assertEqual(transport.getHandle().fileno(), transport.fileno())
        self.assertEqual(transport.bufferSize, 65536)
        transport.stopReading()
        await stage.loop.sock_sendall(client, b"data")
        await stage.turn()
        self.assertEqual(protocol.told, ["made"])
        transport.startReading()
        await protocol.until("data")
        transport.stopProducing()
        await protocol.until("lost")
        await stage.turn()
        self.assertEqual(transport.fileno(), -1)
        self.assertEqual(transport.logPrefix(), "-,0,127.0.0.1")

    # Before the event loop has attached the socket.

    @staged
    async def test_a_pause_at_once_holds_back_data_and_end_until_it_is_over(self, stage: Stage) -> None:
        protocol, client = await stage.connect(lambda protocol: protocol.transport.pauseProducing())
        await stage.loop.sock_sendall(client, b"first")
        await stage.turn()
        await stage.loop.sock_sendall(client, b"second")
        client.shutdown(socket.SHUT_WR)
        await stage.turn()
        self.assertEqual(protocol.told, ["made"])
        protocol.transport.resumeProducing()
        self.assertEqual(protocol.told, ["made"])
        await protocol.until("end")
        self.assertEqual(protocol.received, b"firstsecond")

    @staged
    async def test_a_pause_lasts_though_the_producer_is_full_at_once(self, stage: Stage) -> None:
        def greet(protocol: Recorder) -> None:
            protocol.transport.pauseProducing()
            protocol.transport.registerProducer(protocol, True)
            protocol.transport.write(LONG)

        protocol, client = await stage.connect(greet)
        await stage.loop.sock_sendall(client, b"first")
        await stage.turn()
        await stage.loop.sock_sendall(client, b"second")
        await stage.turn()
        self.assertEqual(protocol.received, b"")
        protocol.transport.resumeProducing()
        await protocol.until("data", 11)
        self.assertEqual(protocol.received, b"firstsecond")

    @staged
    async def test_a_pause_that_ends_at_once_holds_back_nothing(self, stage: Stage) -> None:
        def greet(protocol: Recorder) -> None:
            protocol.transport.pauseProducing()
            protocol.transport.resumeProducing()

        protocol, client = await stage.connect(greet)
        await stage.loop.sock_sendall(client, b"first")
        await protocol.until("data")

    @staged
    async def test_what_is_written_at_once_is_sent_before_the_connection_is_closed(self, stage: Stage) -> None:
        def greet(protocol: Recorder) -> None:
            protocol.transport.write(b"one,")
            protocol.transport.writeSequence([b"two,", LONG])
            protocol.transport.loseConnection()

        protocol, client = await stage.connect(greet)
        self.assertTrue(await stage.read(client) == b"one,two," + LONG)
        await protocol.until("lost")
        self.assertIsInstance(protocol.reason, ConnectionDone)

    @staged
    async def test_the_peer_sees_a_connection_that_is_aborted_at_once_reset(self, stage: Stage) -> None:
        protocol, client = await stage.connect(lambda protocol: protocol.transport.abortConnection())
        with self.assertRaises(ConnectionResetError):
            await stage.read(client)
        await protocol.until("lost")
        self.assertIsInstance(protocol.reason, ConnectionAborted)

    @staged
    async def test_the_sending_side_can_be_closed_at_once(self, stage: Stage) -> None:
        def greet(protocol: Recorder) -> None:
            protocol.transport.write(LONG)
            protocol.transport.loseWriteConnection()

        protocol, client = await stage.connect(greet)
        self.assertTrue(await stage.read(client) == LONG)
        await stage.loop.sock_sendall(client, b"thanks")
        await protocol.until("data")
        self.assertEqual(protocol.told, ["made", "sent", "data"])

    @staged
    async def test_text_is_refused_at_once(self, stage: Stage) -> None:
        def greet(protocol: Any) -> None:  # noqa: ANN401
            self.assertRaises(TypeError, protocol.transport.write, "text")

        await stage.connect(greet)

    @staged
    async def test_a_producer_is_paused_before_there_is_a_transport(self, stage: Stage) -> None:
        def greet(protocol: Recorder) -> None:
            protocol.transport.registerProducer(protocol, True)
            while "pause" not in protocol.told:
                protocol.transport.write(bytes(1000))

        protocol, client = await stage.connect(greet)
        await protocol.until("resume")
        self.assertEqual(len(await stage.read(client, 66_000)), 66_000)
        protocol.transport.unregisterProducer()

    @staged
    async def test_a_pull_producer_that_is_registered_at_once_is_asked_on(self, stage: Stage) -> None:
        left = [b"a", b"b", b"c"]

        class Pulled(Recorder):
            def resumeProducing(self) -> None:
                if left:
                    self.transport.write(left.pop(0))
                else:
                    self.transport.unregisterProducer()
                    self.transport.loseConnection()

        def greet(protocol: Recorder) -> None:
            protocol.transport.registerProducer(protocol, False)
            protocol.transport.loseConnection()

        _, client = await stage.connect(greet, Pulled)
        self.assertEqual(await stage.read(client), b"abc")

    @staged
    async def test_a_reset_before_the_connection_is_taken_over_is_an_end_like_any_other(self, stage: Stage) -> None:
        address = stage.listen(HalfCloseable)
        with socket.create_connection(address) as client:
            reset(client)
        while not stage.protocols:
            await asyncio.sleep(0)
        await stage.protocols[0].until("lost")
        self.assertIsInstance(stage.protocols[0].reason, ConnectionLost)
        self.assertEqual(stage.protocols[0].told, ["made", "lost"])

    @staged
    async def test_a_connection_that_the_loop_does_not_take_is_lost(self, stage: Stage) -> None:
        for error in (OSError(errno.EINVAL, "gone"), NotImplementedError()):

            async def refuse(*_: object, error: Exception = error) -> None:
                raise error

            class Refusing:
                create_task = stage.loop.create_task
                connect_accepted_socket = staticmethod(refuse)

            port: Any = stage.reactor.listenTCP(0, Factory.forProtocol(HalfCloseable), interface="127.0.0.1")
            stage.ports.append(port)
            port._loop = Refusing
            protocol = HalfCloseable()
            port.factory.protocol = lambda protocol=protocol: protocol
            client = await stage.dial(("127.0.0.1", port.getHost().port))
            await protocol.until("lost")
            self.assertIsInstance(protocol.reason, ConnectionLost)
            self.assertEqual(await stage.read(client), b"")
        self.assertEqual(len(self.flushLoggedErrors(NotImplementedError)), 1)

    # Closing.

    @staged
    async def test_each_side_can_be_closed_with_much_on_its_way(self, stage: Stage) -> None:
        protocol, client = await stage.connect()
        protocol.transport.write(LONG)
        protocol.transport.loseWriteConnection()
        protocol.transport.loseWriteConnection()
        await stage.turn()
        self.assertEqual(protocol.told, ["made"])
        sending = stage.loop.create_task(stage.loop.sock_sendall(client, LONG))
        self.assertTrue(await stage.read(client) == LONG)
        await sending
        client.shutdown(socket.SHUT_WR)
        await protocol.until("end")
        self.assertTrue(protocol.received == LONG)
        protocol.transport.write(b"too late")
        protocol.transport.pauseProducing()
        protocol.transport.resumeProducing()
        await stage.turn()
        self.assertEqual((protocol.told.count("sent"), protocol.told.count("end")), (1, 1))
        protocol.transport.loseConnection()
        await protocol.until("lost")
        self.assertIsInstance(protocol.reason, ConnectionDone)

    @staged
    async def test_the_sending_side_is_closed_after_the_producer_is_done(self, stage: Stage) -> None:
        protocol, client = await stage.connect()
        protocol.transport.registerProducer(protocol, False)
        protocol.transport.loseWriteConnection()
        await stage.turn()
        protocol.transport.write(b"last words")
        protocol.transport.unregisterProducer()
        self.assertEqual(await stage.read(client), b"last words")
        await protocol.until("sent")

    @staged
    async def test_without_half_closes_the_end_of_input_is_the_end(self, stage: Stage) -> None:
        protocol, client = await stage.connect(kind=Recorder)
        client.shutdown(socket.SHUT_WR)
        await protocol.until("lost")
        self.assertIsInstance(protocol.reason, ConnectionDone)

    @staged
    async def test_a_reset_is_a_loss(self, stage: Stage) -> None:
        protocol, client = await stage.connect()
        await stage.turn()
        reset(client)
        await protocol.until("lost")
        self.assertIsInstance(protocol.reason, ConnectionLost)
        protocol.transport.write(b"nobody there")
        protocol.transport.writeSequence([b"nobody", b"there"])
        protocol.transport.loseConnection()
        protocol.transport.loseWriteConnection()
        protocol.transport.abortConnection()
        protocol.transport.pauseProducing()
        protocol.transport.resumeProducing()
        protocol.transport.unregisterProducer()
        protocol.transport.registerProducer(protocol, True)
        await stage.turn()
        self.assertEqual(protocol.told, ["made", "lost", "stop"])

    @staged
    async def test_an_abort_is_a_reset_to_the_peer(self, stage: Stage) -> None:
        protocol, client = await stage.connect()
        await stage.turn()
        protocol.transport.write(LONG)
        protocol.transport.abortConnection()
        protocol.transport.abortConnection()
        self.assertEqual(protocol.told, ["made"])
        with self.assertRaises(ConnectionResetError):
            await stage.read(client)
        await protocol.until("lost")
        self.assertIsInstance(protocol.reason, ConnectionAborted)

    @staged
    async def test_a_fault_in_a_callback_is_logged_and_ends_the_connection(self, stage: Stage) -> None:
        for event in ("data", "end", "sent"):
            stage.protocols.clear()
            protocol, client = await stage.connect()
            protocol.fault_in = event
            if event == "sent":
                protocol.transport.loseWriteConnection()
            await stage.loop.sock_sendall(client, b"data")
            client.shutdown(socket.SHUT_WR)
            await protocol.until("lost")
            self.assertIsInstance(protocol.reason, ZeroDivisionError)
            self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    @staged
    async def test_a_fault_in_the_last_callbacks_is_logged(self, stage: Stage) -> None:
        for event in ("lost", "stop"):
            stage.protocols.clear()
            protocol, _ = await stage.connect()
            protocol.fault_in = event
            protocol.transport.registerProducer(protocol, True)
            protocol.transport.abortConnection()
            await protocol.until("lost")
            await stage.turn()
            self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    # Producers.

    @staged
    async def test_a_push_producer_goes_on_once_all_is_written(self, stage: Stage) -> None:
        protocol, client = await stage.connect()
        await stage.turn()
        protocol.transport.registerProducer(protocol, True)
        self.assertRaises(RuntimeError, protocol.transport.registerProducer, protocol, True)
        protocol.transport.write(LONG)
        self.assertEqual(protocol.told, ["made", "pause"])
        half = await stage.read(client, 1 << 18)
        await stage.turn()
        self.assertEqual(protocol.told, ["made", "pause"])
        rest = stage.loop.create_task(stage.read(client, len(LONG) - len(half)))
        await protocol.until("resume")
        self.assertTrue(half + await rest == LONG)

    @staged
    async def test_a_producer_that_comes_late_is_paused_when_it_writes(self, stage: Stage) -> None:
        protocol, client = await stage.connect()
        await stage.turn()
        protocol.transport.write(LONG)
        protocol.transport.registerProducer(protocol, True)
        self.assertEqual(protocol.told, ["made"])
        protocol.transport.write(b".")
        self.assertEqual(protocol.told, ["made", "pause"])
        await stage.read(client, len(LONG) + 1)
        await protocol.until("resume")

    @staged
    async def test_a_producer_does_not_go_on_for_ever_once_the_peer_is_gone(self, stage: Stage) -> None:
        protocol, client = await stage.connect()
        await stage.turn()
        protocol.transport.registerProducer(protocol, True)
        reset(client)
        written = 0
        # More than the kernel's buffers hold, so that a transport that never pauses it fails the test.
        while "pause" not in protocol.told and written < len(LONG):
            protocol.transport.write(bytes(1000))
            written += 1000
        self.assertTrue("pause" in protocol.told)
        await protocol.until("lost")
        self.assertEqual(protocol.told[-2:], ["stop", "lost"])

    @staged
    async def test_the_connection_waits_for_a_paused_producer_and_closes_without_it(self, stage: Stage) -> None:
        protocol, client = await stage.connect()
        await stage.turn()
        protocol.transport.registerProducer(protocol, True)
        protocol.transport.write(LONG)
        protocol.transport.loseConnection()
        reading = stage.loop.create_task(stage.read(client))
        await protocol.until("resume")
        protocol.transport.write(b"last words")
        protocol.transport.unregisterProducer()
        self.assertTrue(await reading == LONG + b"last words")
        await protocol.until("lost")
        self.assertIsInstance(protocol.reason, ConnectionDone)

    @staged
    async def test_a_pull_producer_is_asked_no_more_once_the_connection_is_lost(self, stage: Stage) -> None:
        protocol, _ = await stage.connect()
        protocol.transport.registerProducer(protocol, False)
        protocol.transport.write(b"more")
        protocol.transport.abortConnection()
        await protocol.until("lost")
        await stage.turn()
        self.assertEqual(protocol.told, ["made", "resume", "stop", "lost"])

    # Reads.

    @staged
    async def test_no_byte_is_lost_when_reads_become_bounded(self, stage: Stage) -> None:
        def greet(protocol: Recorder) -> None:
            protocol.transport.bufferSize = 4096

        protocol, client = await stage.connect(greet)
        sending = stage.loop.create_task(stage.loop.sock_sendall(client, LONG))
        await protocol.until("data", len(LONG))
        await sending
        self.assertTrue(protocol.received == LONG)
        long = [size for size in protocol.reads if size > 4096]
        self.assertTrue(len(long) <= 1 and len(protocol.reads) > 10)

    # Resources.

    @staged
    async def test_a_thousand_resets_leave_nothing_behind(self, stage: Stage) -> None:
        if not os.path.exists("/proc/self/fd"):
            raise SkipTest("descriptors can't be counted")
        address = stage.listen(Recorder)
        # An event loop opens descriptors of its own with the first connection.
        (await stage.dial(address)).close()
        await stage.turn()
        gc.collect()  # Closes descriptors that other tests have left.
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(10):
            clients = [socket.create_connection(address) for _ in range(100)]
            for client in clients:
                reset(client)
            await stage.turn()
        while len(stage.protocols) < 1001:
            await asyncio.sleep(0)
        for protocol in stage.protocols:
            await protocol.until("lost")
        await stage.turn()
        while len(os.listdir("/proc/self/fd")) > before:
            await stage.turn()

    @staged
    async def test_a_lost_connection_is_freed_at_once(self, stage: Stage) -> None:
        protocol, client = await stage.connect()
        await stage.turn()
        protocol.transport.write(LONG)
        await stage.loop.sock_sendall(client, b"data")
        await protocol.until("data")
        kept = weakref.ref(protocol), weakref.ref(protocol.transport)
        gc.disable()
        try:
            protocol.transport.abortConnection()
            await protocol.until("lost")
            await stage.turn()
            stage.protocols.clear()
            # The protocol refers to its transport.
            del protocol.transport, protocol
            await stage.turn()
            self.assertEqual([reference() for reference in kept], [None, None])
        finally:
            gc.enable()


class AsyncioTests(Behaviour, SynchronousTestCase):
    make_loop = staticmethod(asyncio_loop)


class UvloopTests(Behaviour, SynchronousTestCase):
    make_loop = staticmethod(uvloop_loop)
