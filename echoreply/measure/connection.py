"""
One connection of a load test: it sends messages, and compares every reply.

Nearly every read is exactly the expected reply, and is recognized by a single comparison. Any other read takes a slower
path, which finds replies that are missing, duplicate, out of order, or belong to another connection.
"""

from __future__ import annotations

from collections import deque

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import ClientFactory, Protocol, connectionDone
from twisted.python.failure import Failure

from echoreply.measure.load import Load
from echoreply.measure.measurements import WrongReply, coarse
from echoreply.measure.messages import Messages
from echoreply.net.transport import IDuplexTransport

SLOT_TURNS = 5
"""Number of calls of L{LoadConnection.free_slots} after which a message without a reply loses its slot."""

MAX_SKIPPED = 1000
"""Maximum messages of a connection whose reply is still recognized after the reply to a later message."""

MAX_EXCESS = 1 << 17
"""Maximum bytes by which a reply may exceed the expected one. It bounds the memory for a reply without an LF."""


class LoadConnection(Protocol):
    """
    Sends the messages of one connection, and compares their replies. Made by L{LoadFactory}.

    @param messages: the messages, and the expected replies.
    @param whole: whether each read is a reply, as datagrams are; otherwise a reply ends with LF.
    @param any_reply: whether any reply is correct.
    """

    transport: IDuplexTransport

    def __init__(self, load: Load, messages: Messages, *, whole: bool, any_reply: bool) -> None:
        self._load = load
        self._messages = messages
        self._whole = whole
        self._any = any_reply
        self._seconds = load.clock.seconds
        self._measurements = load.measurements
        self._latencies = load.measurements.latencies
        self._take_due = load.schedule.take
        self._message, self._reply = messages.message_template, messages.reply_template
        self._modulus = messages.modulus
        self._longest = len(messages.reply(1)) + MAX_EXCESS
        self._next = 1
        # Numbers of messages, and the times from which their latencies count, in the order of sending.
        self._in_flight: deque[tuple[int, float]] = deque()
        # The number of them, from the first on, that have lost their slot.
        self._without_slot = 0
        # The value of _next at each of the last calls of free_slots.
        self._marks: deque[int] = deque(maxlen=SLOT_TURNS)
        # Messages without a reply before one with a reply, by their numbers modulo self._modulus.
        self._skipped: dict[int, tuple[int, float]] = {}
        self._unfinished = b""
        self.lost = 0
        self.first_lost: tuple[float, bytes] | None = None

    # Called by the transport.

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)
        self._load.connections.append(self)

    def dataReceived(self, data: bytes) -> None:
        flight = self._in_flight
        if flight and not self._unfinished and not self._any:
            number, due = flight[0]
            if data == self._reply % (number % self._modulus):
                now = self._seconds()
                self._correct(now)
                if self._without_slot:
                    self._without_slot -= 1
                elif (due := self._take_due(now)) is None:  # type: ignore[assignment]
                    self._load.slot_freed(self)
                else:
                    self.send(due)
                return
        self._receive(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._load.on_connection_lost(reason)

    # Called by the load.

    def send(self, due: float) -> None:
        """
        Send the next message.

        @param due: the time from which its latency counts.
        """
        number = self._next
        self._next = number + 1
        self._in_flight.append((number, due))
        self.transport.write(self._message % (number % self._modulus))

    def free_slots(self) -> None:
        """Free the slots of messages that were in flight at each of the last L{SLOT_TURNS} calls."""
        marks = self._marks
        if len(marks) == SLOT_TURNS:
            freed = 0
            while self._without_slot < len(self._in_flight) and self._in_flight[self._without_slot][0] < marks[0]:
                self._without_slot += 1
                freed += 1
            self._fill(freed)
        marks.append(self._next)

    @property
    def unanswered(self) -> int:
        """The number of messages without a reply."""
        return len(self._in_flight) + len(self._skipped)

    def finish(self, since: float | None) -> int:
        """
        Count messages without a reply as lost.

        @param since: messages that were due at this time or later are in flight, not lost; C{None} counts all as lost.
        @return: the number of messages in flight.
        """
        for number, due in self._skipped.values():
            self._lose(number, due)
        in_flight = 0
        for number, due in self._in_flight:
            if since is not None and due >= since:
                in_flight += 1
            else:
                self._lose(number, due)
        self._skipped.clear()
        self._in_flight.clear()
        return in_flight

    # Comparing replies.

    def _correct(self, now: float) -> None:
        """Record the reply to the oldest message in flight."""
        number, due = self._in_flight.popleft()
        measurements = self._measurements
        microseconds = int((now - due) * 1e6)
        if microseconds >= 1 << 14:
            microseconds = coarse(microseconds)
        self._latencies[microseconds] += 1
        measurements.answered += 1
        measurements.last_reply = now
        if self._load.on_reply:
            self._load.on_reply(number, now - due)

    def _receive(self, data: bytes) -> None:
        """Handle any read: several replies, a part of one, or a wrong one."""
        now, flight, before = self._seconds(), self._in_flight, len(self._in_flight)
        if self._whole:
            self._compare(data, now)
        else:
            *lines, self._unfinished = (self._unfinished + data).split(b"\n")
            self._compare_lines(lines, now)
            if len(self._unfinished) > self._longest:
                reply, self._unfinished = self._unfinished, b""
                self._compare(reply, now)
        gone = before - len(flight)
        had_no_slot = min(gone, self._without_slot)
        self._without_slot -= had_no_slot
        self._fill(gone - had_no_slot)
        if self._load.schedule.over:
            self._load.check_complete()

    def _compare_lines(self, lines: list[bytes], now: float) -> None:
        """Compare replies without their LF, optimized for many correct ones to messages that were sent together."""
        if self._any or self._load.on_reply:
            for line in lines:
                self._compare(line + b"\n", now)
            return
        flight, stem, modulus, latencies = self._in_flight, self._reply[:-1], self._modulus, self._latencies
        correct, since, microseconds = 0, None, 0
        for line in lines:
            if flight:
                number, due = flight[0]
                if line == stem % (number % modulus):
                    flight.popleft()
                    if due is not since:
                        since, microseconds = due, coarse(int((now - due) * 1e6))
                    latencies[microseconds] += 1
                    correct += 1
                    continue
            self._classify(line + b"\n", now)
        if correct:
            self._measurements.answered += correct
            self._measurements.last_reply = now

    def _compare(self, reply: bytes, now: float) -> None:
        flight = self._in_flight
        if flight and (self._any or reply == self._reply % (flight[0][0] % self._modulus)):
            self._correct(now)
        else:
            self._classify(reply, now)

    def _classify(self, reply: bytes, now: float) -> None:
        """Handle a reply that is not the one to the oldest message in flight."""
        flight, modulus = self._in_flight, self._modulus
        residue = None if self._any else self._messages.number_of(reply)
        if residue is None:
            if flight:
                number, _ = flight.popleft()
                wrong = WrongReply(self._messages.message(number), reply, "differs")
            else:
                wrong = WrongReply(b"", reply, "unsolicited")
        elif any(number % modulus == residue for number, _ in flight):
            # The replies to the messages before it may still arrive.
            while flight[0][0] % modulus != residue:
                self._skip(*flight.popleft())
            self._correct(now)
            return
        elif residue in self._skipped:
            number, _ = self._skipped.pop(residue)
            wrong = WrongReply(self._messages.message(number), reply, "out of order")
        else:
            wrong = WrongReply(self._messages.message(residue), reply, "duplicate")
        self._load.wrong_reply(wrong)

    def _skip(self, number: int, due: float) -> None:
        skipped = self._skipped
        skipped[number % self._modulus] = number, due
        if len(skipped) > MAX_SKIPPED:
            self._lose(*skipped.pop(next(iter(skipped))))

    def _lose(self, number: int, due: float) -> None:
        self.lost += 1
        if self.first_lost is None or due < self.first_lost[0]:
            self.first_lost = due, self._messages.message(number)

    def _fill(self, slots: int) -> None:
        """Send messages that are due into slots that have become free, in one write."""
        now, modulus, out = self._seconds(), self._modulus, []
        for slot in range(slots):
            due = self._take_due(now)
            if due is None:
                for _ in range(slot, slots):
                    self._load.slot_freed(self)
                break
            self._in_flight.append((self._next, due))
            out.append(self._message % (self._next % modulus))
            self._next += 1
        if out:
            self.transport.write(b"".join(out))


class LoadFactory(ClientFactory[LoadConnection]):
    """
    Makes the connections of a load test.

    @param size: bytes in a message, including its LF.
    @param prefix: the prefix of replies; C{None} if any reply is correct.
    @param whole: whether each read is a reply, as datagrams are.
    """

    noisy = False

    def __init__(self, load: Load, size: int, prefix: bytes | None, *, whole: bool) -> None:
        self._load = load
        self._size = size
        self._prefix = prefix
        self._whole = whole
        self._built = 0

    def buildProtocol(self, addr: IAddress | None) -> LoadConnection:
        messages = Messages(self._built, self._size, self._prefix or b"")
        self._built += 1
        return LoadConnection(self._load, messages, whole=self._whole, any_reply=self._prefix is None)
