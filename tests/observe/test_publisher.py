"""One observer that passes every event on to several."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from echoreply.core.framing import Block
from echoreply.core.reasons import DropReason, EndReason, RefusalReason
from echoreply.net.listener import Listener
from echoreply.observe.connection_table import ConnectionTable
from echoreply.observe.observer import Connection, ReplyObserver
from echoreply.observe.publisher import Publisher
from echoreply.observe.statistics import ProcessStatistics
from echoreply.observe.totals_observer import TotalsObserver
from echoreply.server.limits import ConnectionLimits
from tests.support.memory_observer import Memory, verify_observer

ADDRESS = IPv4Address("TCP", "192.0.2.9", 8088)
LISTENER = Listener(host=ADDRESS)


def calls(function: Callable[[], object]) -> int:
    """Count the calls of functions in Python that a function makes."""
    made = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal made
        made += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        function()
    finally:
        sys.setprofile(before)
    return made - 1


class Fault(Exception):
    """An exception of an observer."""


class Faulty(ReplyObserver):
    """An observer with a bug."""

    def answered(self, connection: Connection, messages: Block) -> None:
        raise Fault

    def closed(self, connection: Connection, reason: EndReason) -> None:
        raise Fault


class PublisherTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.connection = Connection(1, ADDRESS, ADDRESS)

    def tell_all(self, observer: ReplyObserver) -> None:
        observer.listening(LISTENER)
        observer.refused(LISTENER, ADDRESS, RefusalReason.TOO_MANY)
        observer.opened(self.connection)
        observer.answered(self.connection, Block(b"a\nb\n", 2))
        observer.closed(self.connection, EndReason.CLIENT)
        observer.answered_datagram(LISTENER, ("192.0.2.1", 4000), b"hello", 18)
        observer.dropped(LISTENER, ("192.0.2.1", 7), b"hello", DropReason.ANSWERING_PORT)
        observer.timed(LISTENER, 2, 0.5)
        observer.stopping()
        observer.stopped()

    def assert_all_told(self, memory: Memory) -> None:
        self.assertEqual(memory.hosts, [ADDRESS])
        self.assertEqual(memory.refusals, [RefusalReason.TOO_MANY])
        self.assertEqual(memory.messages, [b"a", b"b"])
        self.assertEqual(memory.ended, [(self.connection, EndReason.CLIENT)])
        self.assertEqual(memory.datagrams, [(("192.0.2.1", 4000), b"hello", 18)])
        self.assertEqual(memory.drops, [DropReason.ANSWERING_PORT])
        self.assertEqual(memory.times, [(2, 0.5)])
        self.assertTrue(memory.is_stopping)
        self.assertTrue(memory.has_stopped)

    def test_it_is_an_observer(self) -> None:
        verify_observer(Publisher([]))
        verify_observer(ReplyObserver())
        verify_observer(Memory())

    def test_all_observers_get_all_events(self) -> None:
        memories = [Memory(), Memory()]
        self.tell_all(Publisher(memories))
        for memory in memories:
            self.assert_all_told(memory)

    def test_an_exception_of_an_observer_affects_no_other_and_is_logged_once(self) -> None:
        memory = Memory()
        publisher = Publisher([Faulty(), memory])
        self.tell_all(publisher)
        self.assertEqual(len(self.flushLoggedErrors(Fault)), 1)
        self.assert_all_told(memory)
        for _ in range(10):
            publisher.answered(self.connection, Block(b"c\n", 1))
        self.assertEqual(self.flushLoggedErrors(Fault), [])

    def test_each_faulty_observer_is_logged(self) -> None:
        self.tell_all(Publisher([Faulty(), Faulty()]))
        self.assertEqual(len(self.flushLoggedErrors(Fault)), 2)

    def test_another_method_in_the_interface_needs_no_other_change(self) -> None:
        def renamed(self: ReplyObserver, connection: Connection, name: str, /) -> None:
            """Handle an event of a new kind."""

        class Listening(ReplyObserver):
            def __init__(self) -> None:
                self.names: list[str] = []

            def renamed(self, connection: Connection, name: str, /) -> None:
                self.names.append(name)

        class Raising(ReplyObserver):
            def renamed(self, connection: Connection, name: str, /) -> None:
                raise Fault

        ReplyObserver.renamed = renamed  # type: ignore[attr-defined]
        self.addCleanup(delattr, ReplyObserver, "renamed")
        listening, memory = Listening(), Memory()
        publisher: Any = Publisher([memory, Raising(), listening])
        publisher.renamed(self.connection, "alice")
        self.assertEqual(listening.names, ["alice"])
        self.assertEqual(len(self.flushLoggedErrors(Fault)), 1)
        self.tell_all(publisher)
        self.assert_all_told(memory)

    def test_a_message_costs_one_call_and_one_more_per_observer_of_messages(self) -> None:
        class OfMessages(ReplyObserver):
            def answered(self, connection: Connection, messages: Block) -> None:
                pass

        clock = Clock()
        table = ConnectionTable(clock.seconds, clock.seconds)
        others = [TotalsObserver(), ProcessStatistics(lambda: False), table, ConnectionLimits(1, 1)]
        publisher, of_none = Publisher([*others, OfMessages(), OfMessages()]), Publisher(others)
        block = Block(b"a\n", 1)
        self.assertEqual(calls(lambda: publisher.answered(self.connection, block)), 1 + 2)
        self.assertEqual(calls(lambda: of_none.answered(self.connection, block)), 1)

    def test_base_exceptions_are_not_caught(self) -> None:
        class Leaving(ReplyObserver):
            def opened(self, connection: Connection) -> None:
                raise KeyboardInterrupt

        with self.assertRaises(KeyboardInterrupt):
            Publisher([Leaving()]).opened(self.connection)
