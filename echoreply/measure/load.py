"""
The load of a test: it sends messages when they are due, on any connection that has room for one in flight.

A slot is room for one message in flight. Each connection has as many slots as the depth; a message occupies one until
its reply arrives.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from echoreply.measure.measurements import Measurements, WrongReply
from echoreply.measure.precise_timer import precise_timer
from echoreply.measure.schedule import Schedule
from echoreply.net.transport import IDuplexTransport

ReplyCallback = Callable[[int, float], object]
"""Called for each correct reply with the number of its message, from 1, and its latency in seconds."""


class ILoadConnection(Protocol):
    """
    A connection, as the load uses it.

    @ivar lost: the number of messages without a reply, once C{finish} has been called.
    @ivar first_lost: the first of them: the time from which its latency would count, and the message.
    """

    transport: IDuplexTransport
    lost: int
    first_lost: tuple[float, bytes] | None

    def send(self, due: float) -> None:
        """Send the next message, whose latency counts from C{due}."""

    def free_slots(self) -> None:
        """Free the slots of messages that have been in flight for a long time."""

    def finish(self, since: float | None) -> int:
        """Count messages without a reply as lost; return how many are still in flight."""

    @property
    def unanswered(self) -> int:
        """The number of messages without a reply."""


class Load:
    """
    Sends messages when they are due, on any connection that has a free slot.

    @param clock: the reactor, or another source of time.
    @param schedule: decides when messages are due.
    @param measurements: collects the results.
    @param depth: the number of slots of each connection.
    @param on_reply: called for each correct reply.
    @param on_wrong_reply: called for each wrong reply.
    @ivar free: connections with a free slot: one entry for each slot.
    @ivar on_complete: called once, when all messages have been sent and no reply is awaited.
    @ivar on_connection_lost: called with the reason whenever a connection is closed or lost.
    """

    def __init__(
        self,
        clock: IReactorTime,
        schedule: Schedule,
        measurements: Measurements,
        depth: int,
        on_reply: ReplyCallback | None = None,
        on_wrong_reply: Callable[[WrongReply], object] = lambda _: None,
    ) -> None:
        self.clock = clock
        self.schedule = schedule
        self.measurements = measurements
        self.depth = depth
        self.on_reply = on_reply
        self.on_wrong_reply = on_wrong_reply
        self.connections: list[ILoadConnection] = []
        self.free: deque[ILoadConnection] = deque()
        self.on_complete: Callable[[], object] = lambda: None
        self.on_connection_lost: Callable[[Failure], object] = lambda _: None
        self._slots = 0
        self._complete = False
        self._timer = precise_timer(clock, self.send_due)

    def start(self) -> None:
        """Start sending messages."""
        for _ in range(self.depth):
            self.free.extend(self.connections)
        self._slots = len(self.free)
        self.schedule.start(self.clock.seconds())
        self.send_due()

    def send_due(self) -> None:
        """Send the messages that are due, as long as there are free slots."""
        now, take, free = self.clock.seconds(), self.schedule.take, self.free
        while free and (due := take(now)) is not None:
            free.popleft().send(due)
        if free:
            self._wait()

    def stop(self) -> None:
        """Stop sending messages."""
        self._timer.stop()
        self.schedule.close(self.clock.seconds())
        self.check_complete()

    def free_slots(self) -> None:
        """Free the slots of messages that have been in flight for a long time, on all connections."""
        for connection in self.connections:
            connection.free_slots()
        self.check_complete()

    # Called by the connections.

    def slot_freed(self, connection: ILoadConnection) -> None:
        """Add a free slot, for the next message that is due."""
        self.free.append(connection)
        if self.schedule.over:
            self.check_complete()
        elif not self._timer.armed:
            self._wait()

    def wrong_reply(self, reply: WrongReply) -> None:
        """Record a wrong reply, and report it."""
        self.measurements.record_wrong(reply)
        self.on_wrong_reply(reply)

    def check_complete(self) -> None:
        """Call C{on_complete} if all messages have been sent and no reply is awaited."""
        if self._complete or not self.schedule.over or len(self.free) < self._slots:
            return
        if not any(connection.unanswered for connection in self.connections):
            self._complete = True
            self.on_complete()

    def _wait(self) -> None:
        due = self.schedule.next_due()
        if due is not None:
            self._timer.set(due - self.clock.seconds())
