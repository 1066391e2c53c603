"""
The load: connections that ask, and what they share.

Nearly every read is one reply, the right one, and is looked at by one comparison. Anything else goes the long way,
which finds out what is missing, what has come twice, and what is for another message.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import ClientFactory, Protocol, connectionDone
from twisted.python.failure import Failure

from echoreply.measure.alarm import best_alarm
from echoreply.measure.messages import Messages
from echoreply.measure.recording import Recording, Wrong, coarse
from echoreply.measure.schedule import Schedule
from echoreply.net.transport import IDuplexTransport

PATIENCE = 5
"""Turns of L{Load.give_up}, after which a message that has no reply no longer takes the place of another."""

MOST_MISSING = 1000
"""Messages of a connection that were passed over, and whose replies are still known when they come."""

LONGEST_REST = 1 << 17
"""Bytes that a reply may be longer than the right one, at most; so that one without an end fills no memory."""

Told = Callable[[int, float], object]


class Load:
    """
    What the connections of a run share.

    @param clock: where time comes from.
    @param schedule: when messages are due.
    @param depth: messages of one connection that are on their way at once, at most.
    @param told: is called with the number, from 1, and the time, in seconds, of each reply that is right.
    @param wrong: is called with each that is not.
    @ivar idle: connections that may ask, each as often as it has places for another message.
    @ivar answered: is called when all has been asked, and nothing is awaited any more.
    @ivar lost: is called with why, when a connection is lost.
    """

    def __init__(
        self,
        clock: IReactorTime,
        schedule: Schedule,
        recording: Recording,
        depth: int,
        told: Told | None = None,
        wrong: Callable[[Wrong], object] = lambda _: None,
    ) -> None:
        self.clock = clock
        self.schedule = schedule
        self.recording = recording
        self.depth = depth
        self.told = told
        self.wrong = wrong
        self.connections: list[LoadConnection] = []
        self.idle: deque[LoadConnection] = deque()
        self.answered: Callable[[], object] = lambda: None
        self.lost: Callable[[Failure], object] = lambda _: None
        self._places = 0
        self._done = False
        self._alarm = best_alarm(clock, self.ask_due)

    def begin(self) -> None:
        """Ask whenever a message is due."""
        for _ in range(self.depth):
            self.idle.extend(self.connections)
        self._places = len(self.idle)
        self.schedule.begin(self.clock.seconds())
        self.ask_due()

    def rest(self, connection: LoadConnection) -> None:
        """Have a place free, for when a message is due again. For the connection to call."""
        self.idle.append(connection)
        if self.schedule.over:
            self.check()
        elif not self._alarm.armed:
            self._wait()

    def check(self) -> None:
        """Tell if nothing is awaited any more, once."""
        if self._done or not self.schedule.over or len(self.idle) < self._places:
            return
        if not any(connection.unanswered for connection in self.connections):
            self._done = True
            self.answered()

    def give_up(self) -> None:
        """Let other messages take the places of those that have waited for long."""
        for connection in self.connections:
            connection.give_up()
        self.check()

    def close(self) -> None:
        """Ask no more."""
        self._alarm.stop()
        self.schedule.close(self.clock.seconds())
        self.check()

    def take_wrong(self, wrong: Wrong) -> None:
        """Take note of a reply that is wrong. For the connection to call."""
        self.recording.take_wrong(wrong)
        self.wrong(wrong)

    def ask_due(self) -> None:
        """Ask all that is due and that there is a place for."""
        now, take, idle = self.clock.seconds(), self.schedule.take, self.idle
        while idle and (due := take(now)) is not None:
            idle.popleft().ask(due)
        if idle:
            self._wait()

    def _wait(self) -> None:
        due = self.schedule.next_due()
        if due is not None:
            self._alarm.set(due - self.clock.seconds())


class LoadConnection(Protocol):
    """
    One connection, that asks and compares. Made by L{LoadFactory}.

    @param messages: what it asks, and what is to come.
    @param whole: whether each read is a reply, as datagrams are; if not, a reply ends with LF.
    @param any_reply: whether any reply is right.
    """

    transport: IDuplexTransport

    def __init__(self, load: Load, messages: Messages, *, whole: bool, any_reply: bool) -> None:
        self._load = load
        self._messages = messages
        self._whole = whole
        self._any = any_reply
        self._seconds = load.clock.seconds
        self._recording = load.recording
        self._times = load.recording.times
        self._take_due = load.schedule.take
        self._message, self._reply, self._modulus = messages.message, messages.reply, messages.modulus
        self._longest = len(messages.answer(1)) + LONGEST_REST
        self._next = 1
        # Numbers, and the times from which they are counted, in the order in which they were asked.
        self._flight: deque[tuple[int, float]] = deque()
        # How many of them have given up their place: the first ones.
        self._given_up = 0
        self._marks: deque[int] = deque(maxlen=PATIENCE)
        # Those that later ones were answered before, by what is written of their number.
        self._missing: dict[int, tuple[int, float]] = {}
        self._rest = b""
        self.lost = 0
        self.first_lost: tuple[float, bytes] | None = None

    # What the transport tells.

    def connectionMade(self) -> None:
        """Send small messages at once."""
        self.transport.setTcpNoDelay(True)
        self._load.connections.append(self)

    def dataReceived(self, data: bytes) -> None:
        """Compare, and ask again."""
        flight = self._flight
        if flight and not self._rest and not self._any:
            number, due = flight[0]
            if data == self._reply % (number % self._modulus):
                now = self._seconds()
                self._right(now)
                if self._given_up:
                    self._given_up -= 1
                elif (due := self._take_due(now)) is None:  # type: ignore[assignment]
                    self._load.rest(self)
                else:
                    self.ask(due)
                return
        self._receive(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell."""
        self._load.lost(reason)

    # What the load asks.

    def ask(self, due: float) -> None:
        """
        Send the next message.

        @param due: the time from which its reply's is counted.
        """
        number = self._next
        self._next = number + 1
        self._flight.append((number, due))
        self.transport.write(self._message % (number % self._modulus))

    def give_up(self) -> None:
        """Let others take the places of messages that have waited for C{PATIENCE} of these calls."""
        marks = self._marks
        if len(marks) == PATIENCE:
            freed = 0
            while self._given_up < len(self._flight) and self._flight[self._given_up][0] < marks[0]:
                self._given_up += 1
                freed += 1
            self._use(freed)
        marks.append(self._next)

    @property
    def unanswered(self) -> int:
        """How many messages have no reply."""
        return len(self._flight) + len(self._missing)

    def end(self, since: float | None) -> int:
        """
        Count those that have no reply as lost.

        @param since: when a person has ended the run: those that were due since are on their way; None for nobody.
        @return: how many are on their way.
        """
        for number, due in self._missing.values():
            self._lose(number, due)
        on_their_way = 0
        for number, due in self._flight:
            if since is not None and due >= since:
                on_their_way += 1
            else:
                self._lose(number, due)
        self._missing.clear()
        self._flight.clear()
        return on_their_way

    # How replies are judged.

    def _right(self, now: float) -> None:
        """Count the reply to the first message that is awaited."""
        number, due = self._flight.popleft()
        recording = self._recording
        microseconds = int((now - due) * 1e6)
        if microseconds >= 1 << 14:
            microseconds = coarse(microseconds)
        self._times[microseconds] += 1
        recording.answered += 1
        recording.last = now
        if self._load.told:
            self._load.told(number, now - due)

    def _receive(self, data: bytes) -> None:
        """Take whatever has come."""
        now, flight, before = self._seconds(), self._flight, len(self._flight)
        if self._whole:
            self._take_reply(data, now)
        else:
            *lines, self._rest = (self._rest + data).split(b"\n")
            self._take_lines(lines, now)
            if len(self._rest) > self._longest:
                rest, self._rest = self._rest, b""
                self._take_reply(rest, now)
        gone = before - len(flight)
        given_up = min(gone, self._given_up)
        self._given_up -= given_up
        self._use(gone - given_up)
        if self._load.schedule.over:
            self._load.check()

    def _take_lines(self, lines: list[bytes], now: float) -> None:
        """Take replies, each without its LF. Of a read that holds many, most are right, and were asked at once."""
        if self._any or self._load.told:
            for line in lines:
                self._take_reply(line + b"\n", now)
            return
        flight, stem, modulus, times = self._flight, self._reply[:-1], self._modulus, self._times
        right, since, microseconds = 0, None, 0
        for line in lines:
            if flight:
                number, due = flight[0]
                if line == stem % (number % modulus):
                    flight.popleft()
                    if due is not since:
                        since, microseconds = due, coarse(int((now - due) * 1e6))
                    times[microseconds] += 1
                    right += 1
                    continue
            self._judge(line + b"\n", now)
        if right:
            self._recording.answered += right
            self._recording.last = now

    def _take_reply(self, reply: bytes, now: float) -> None:
        flight = self._flight
        if flight and (self._any or reply == self._reply % (flight[0][0] % self._modulus)):
            self._right(now)
        else:
            self._judge(reply, now)

    def _judge(self, reply: bytes, now: float) -> None:
        """Find out what a reply is that is not that to the first message that is awaited."""
        flight, modulus = self._flight, self._modulus
        residue = None if self._any else self._messages.answered_by(reply)
        if residue is None:
            if flight:
                number, _ = flight.popleft()
                wrong = Wrong(self._messages.ask(number), reply, "it differs")
            else:
                wrong = Wrong(b"", reply, "nothing was asked")
        elif any(number % modulus == residue for number, _ in flight):
            # Those before it have been passed over.
            while flight[0][0] % modulus != residue:
                self._pass_over(*flight.popleft())
            self._right(now)
            return
        elif residue in self._missing:
            number, _ = self._missing.pop(residue)
            wrong = Wrong(self._messages.ask(number), reply, "a later one was answered before")
        else:
            wrong = Wrong(self._messages.ask(residue), reply, "it was answered before")
        self._load.take_wrong(wrong)

    def _pass_over(self, number: int, due: float) -> None:
        missing = self._missing
        missing[number % self._modulus] = number, due
        if len(missing) > MOST_MISSING:
            self._lose(*missing.pop(next(iter(missing))))

    def _lose(self, number: int, due: float) -> None:
        self.lost += 1
        if self.first_lost is None or due < self.first_lost[0]:
            self.first_lost = due, self._messages.ask(number)

    def _use(self, places: int) -> None:
        """Ask as many as there are places for, and as are due."""
        now, modulus, out = self._seconds(), self._modulus, []
        for place in range(places):
            due = self._take_due(now)
            if due is None:
                for _ in range(place, places):
                    self._load.rest(self)
                break
            self._flight.append((self._next, due))
            out.append(self._message % (self._next % modulus))
            self._next += 1
        if out:
            self.transport.write(b"".join(out))


class LoadFactory(ClientFactory[LoadConnection]):
    """
    Makes the connections of a load.

    @param size: bytes in a message, with its LF.
    @param prefix: what is before a message in its reply; None if any reply is right.
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
        """Make the protocol for a connection."""
        messages = Messages(self._built, self._size, self._prefix or b"")
        self._built += 1
        return LoadConnection(self._load, messages, whole=self._whole, any_reply=self._prefix is None)
