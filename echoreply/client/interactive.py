"""A conversation at a terminal: a line editor on one side, one connection after another on the other."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Protocol, cast

from attrs import frozen
from twisted.internet import error
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from echoreply.client.backoff import Backoff
from echoreply.client.bridge import Keyboard, ReplyClientFactory, SessionEnd
from echoreply.client.display import Display, Unfinished
from echoreply.client.outcome import TOO_LONG, Outcome, outcome_of
from echoreply.client.round_trips import RoundTrips
from echoreply.client.transcript import RECEIVED, SENT, Transcript
from echoreply.connect.failures import why_lost, why_not_connected
from echoreply.connect.target import ConnectTarget, connection_words
from echoreply.connect.udp import DatagramTransport
from echoreply.core.input_lines import Eol, InputLines, with_eol

PROMPT = "> "

HELD = 5.0
"""Seconds after which a connection counts as one that holds: when it is lost, waits begin anew."""


class IEditor(Protocol):
    """What a conversation needs of its line editor."""

    def columns(self) -> int:
        """Give the terminal's width."""

    def show(self, above: bytes, unfinished: Unfinished | None) -> None:
        """Show whole rows above the line, and the row that is not whole yet."""

    def prompt(self, text: str) -> None:
        """Show this before the line."""

    def end_input(self) -> None:
        """Take no more lines."""


@frozen
class InteractiveOptions:
    """
    How a conversation is held, but for where it goes.

    @ivar lines: makes what is done to the lines of one connection.
    @ivar eol: what a line is sent with.
    @ivar datagrams: whether each line is a datagram, and each datagram a reply.
    @ivar wait: seconds of silence that end it, once nothing more is typed.
    @ivar connect_timeout: seconds after which an attempt to connect is given up.
    @ivar backoff: how long to wait before the next attempt; None if there is none.
    @ivar transcript: where both ways are kept, if they are.
    @ivar hint: is said when there is a connection for the first time.
    @ivar keys: what is said to who asks for the keys.
    """

    lines: Callable[[], SentLines]
    eol: Eol
    datagrams: bool
    wait: float
    connect_timeout: float
    backoff: Backoff | None = None
    transcript: Transcript | None = None
    hint: str = ""
    keys: tuple[str, ...] = ()


class SentLines(InputLines):
    """The lines of one keyboard, which remember what is to be sent until somebody takes note of it."""

    _sent = b""

    def receive(self, data: bytes) -> bytes:
        self._sent = super().receive(data)
        return self._sent

    def take(self) -> bytes:
        """Give what the line that was last typed is sent as."""
        sent, self._sent = self._sent, b""
        return sent


class Link:
    """
    What stands where a keyboard's transport would: the conversation's end of one connection.

    @ivar taking: whether a line can be sent now. If not, the connection has as much as it holds, or will take no more.
    @ivar too_long: how many lines were not sent since no datagram holds them.
    """

    def __init__(self, conversation: Interactive, keyboard: Keyboard, lines: SentLines) -> None:
        self._conversation = conversation
        self._keyboard = keyboard
        self._lines = lines
        self._finished = False
        self._lost = False
        self.taking = False
        self.too_long = 0

    @property
    def asked_to_end(self) -> bool:
        """Whether it is we who want the connection to end."""
        return self._finished or self._lines.over or self._lines.exit

    def send(self, line: bytes) -> bytes:
        """Send a line; give what was sent, which is nothing for one that means something to us, or is too long."""
        self._keyboard.dataReceived(line)
        sent = self._lines.take()
        transport = self._keyboard.client.transport
        if isinstance(transport, DatagramTransport) and transport.too_long > self.too_long:
            self.too_long = transport.too_long
            self._conversation.say(TOO_LONG)
            return b""
        return sent

    def finish(self) -> None:
        """Send no more."""
        self._finished = True
        self._keyboard.readConnectionLost()

    # What the client asks of a keyboard's transport. The terminal has taken what is written when C{write} is done.

    def write(self, data: bytes) -> None:
        """Show what was received."""
        if data:
            self._conversation.received(data)

    def registerProducer(self, producer: object, streaming: bool) -> None:
        """Do nothing: it is never asked to pause."""

    def unregisterProducer(self) -> None:
        """Do nothing."""

    def pauseProducing(self) -> None:
        """Let lines wait."""
        self.taking = False

    def resumeProducing(self) -> None:
        """Send those that wait."""
        if not self._lost:
            self.taking = True
            self._conversation.pass_on()

    def stopProducing(self) -> None:
        """Let lines wait: the connection is lost."""
        self.taking = False

    def loseConnection(self) -> None:
        """Be no more."""
        self._lost = True
        self.taking = False
        self._keyboard.connectionLost()


class Interactive:
    """
    Sends what is typed in an editor, and shows what is received, on as many connections as it takes.

    What is typed while there is no connection, or while that takes no more, waits, and is sent in order.

    @param clock: where time comes from.
    @ivar done: fires with the L{Outcome} when it is over.
    """

    def __init__(
        self, clock: IReactorTime, there: ConnectTarget, options: InteractiveOptions, display: Display, editor: IEditor
    ) -> None:
        self._clock = clock
        self._editor = editor
        self._there = there
        self._options = options
        self._display = display
        self._waiting: deque[bytes | None] = deque()
        self._link: Link | None = None
        self._connected_at = 0.0
        self._round_trips = RoundTrips()
        self._input_over = False
        self._too_long = False
        self._connected_before = False
        self._told_that_lines_wait = False
        self._attempts: Deferred[Outcome] | None = None
        self.done: Deferred[Outcome] = Deferred()

    def begin(self) -> None:
        """Connect."""
        self._editor.prompt(PROMPT)
        self._attempts = Deferred.fromCoroutine(self._converse())
        self._attempts.addCallbacks(self.end, self._failed)

    def end(self, outcome: Outcome) -> None:
        """Leave."""
        if self.done.called:
            return
        if outcome.status < 128:
            if left := self._count_waiting():
                words = f"{outcome.words}; " if outcome.words else ""
                outcome = Outcome(1, f"{words}{_counted(left)} not sent")
            elif self._too_long and not outcome.status:
                outcome = Outcome(1, TOO_LONG)
        self._show(self._display.ended())
        self.done.callback(outcome)
        if self._attempts:
            self._attempts.cancel()

    def say(self, words: str) -> None:
        """Say something of our own."""
        self._show(self._display.words(words))

    # What the person does.

    def typed(self, text: str) -> None:
        """Take a line."""
        if self._input_over:
            return
        line = text.encode("utf-8", "surrogateescape") + b"\n"
        self._show(self._display.typed(line))
        probe = self._options.lines()
        probe.receive(line)
        self._take(None if probe.quit else line, last=probe.over)

    def ended(self) -> None:
        """Expect no more lines."""
        if not self._input_over:
            self._take(None, last=True)

    def interrupted(self) -> None:
        """Leave at once, as a program does that a signal ends."""
        self.end(Outcome(128 + signal.SIGINT))

    def asked(self) -> None:
        """Say which keys there are."""
        for words in self._options.keys:
            self.say(words)

    # What the connection does.

    def received(self, data: bytes) -> None:
        """Show what was received."""
        now = self._clock.seconds()
        if self._options.transcript:
            self._options.transcript.keep(RECEIVED, data, now, whole=self._options.datagrams)
        columns = self._editor.columns()
        pieces = self._round_trips.received(data, now)
        self._show(b"".join([self._display.received(piece, columns) for piece in pieces]))

    def pass_on(self) -> None:
        """Send what waits, as far as it is taken."""
        while self._waiting and self._link and self._link.taking:
            self._send(self._link, self._waiting.popleft())
        waiting = self._count_waiting()
        self._editor.prompt(f"({waiting} waiting) {PROMPT}" if waiting else PROMPT)

    def _take(self, line: bytes | None, *, last: bool) -> None:
        if last:
            self._input_over = True
            self._editor.end_input()
        self._waiting.append(line)
        self.pass_on()
        if self._link:
            return
        if self._waiting[0] is None:
            # Nobody has to be waited for.
            self.end(Outcome(0))
        elif last:
            self.say("not connected: leaves when the lines that wait are sent; Ctrl-C leaves at once")
        elif not self._told_that_lines_wait:
            self._told_that_lines_wait = True
            self.say("not connected: lines wait, and are sent in order when there is a connection")

    def _send(self, link: Link, line: bytes | None) -> None:
        if line is None:
            link.finish()
            return
        now = self._clock.seconds()
        sent = link.send(line)
        if not sent:
            return
        if self._options.datagrams:
            # Lines get their ends when they are cut.
            sent = with_eol(sent, self._options.eol)
        self._round_trips.sent(now)
        if self._options.transcript:
            self._options.transcript.keep(SENT, sent, now, whole=self._options.datagrams)
        self._show(self._display.sent(sent))

    async def _converse(self) -> Outcome:
        """Hold one connection after another; give how the last one ended."""
        backoff = self._options.backoff
        while True:
            outcome, again = await self._hold()
            if not (again and backoff) or self.done.called:
                return outcome
            wait = backoff.next()
            self.say(f"{outcome.words}; trying again in {wait:.1f} s")
            await deferLater(self._clock, wait)

    async def _hold(self) -> tuple[Outcome, bool]:
        """Hold one connection until it ends; give how, and whether another may do better."""
        options, lines = self._options, self._options.lines()
        factory = ReplyClientFactory(self._clock, partial(self._open, lines), lines=lines, wait=options.wait)
        connecting = self._there.endpoint.connect(factory)
        connecting.addTimeout(options.connect_timeout, self._clock, lambda *_: Failure(error.TimeoutError()))
        try:
            await connecting
        except Exception as failure:
            why = why_not_connected(failure, options.connect_timeout)
            outcome = Outcome(1, f"cannot connect to {self._there.words}: {why}")
            # What is no name will never be one.
            return outcome, not isinstance(failure, ValueError)
        session_end = await factory.done
        return self._lose(session_end, why_lost(factory.reason, self._there.words))

    def _open(self, lines: SentLines, keyboard: Keyboard) -> None:
        """Begin with a new connection."""
        self._link = Link(self, keyboard, lines)
        self._connected_at = self._clock.seconds()
        self._round_trips = RoundTrips(
            unterminated=self._options.eol is Eol.NONE and not self._options.datagrams, whole=self._options.datagrams
        )
        self._display.connected()
        waiting = self._count_waiting()
        self.say(
            f"connected to {connection_words(keyboard.client.transport)}"
            + (f"; sending {_counted(waiting)} that waited" if waiting else "")
        )
        if self._options.hint and not self._connected_before:
            self.say(self._options.hint)
        self._connected_before = True
        self._told_that_lines_wait = False
        keyboard.makeConnection(self._link)  # type: ignore[no-untyped-call]
        # The client is in the middle of being connected, and could not leave yet.
        self._clock.callLater(0, self._link.resumeProducing)

    def _lose(self, session_end: SessionEnd, why_lost: str) -> tuple[Outcome, bool]:
        """Be done with a connection; give how it ended, and whether another may do better."""
        link, self._link = cast(Link, self._link), None
        self._too_long = self._too_long or link.too_long > 0
        self._show(self._display.ended())
        broken = session_end in (SessionEnd.CLOSED, SessionEnd.RESET)
        if broken and self._round_trips.owed:
            replies = "reply" if self._round_trips.owed == 1 else "replies"
            self.say(f"lost: the {replies} to {_counted(self._round_trips.owed)}")
        if self._options.backoff and self._clock.seconds() - self._connected_at >= HELD:
            self._options.backoff.reset()
        outcome = outcome_of(session_end, to_person=True, to_pipe=False, lost=why_lost)
        return outcome, broken and not link.asked_to_end

    def _failed(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            Logger("echoreply").failure("a fault in the client itself", failure)
            self.end(Outcome(1))

    def _count_waiting(self) -> int:
        return sum(line is not None for line in self._waiting)

    def _show(self, rows: bytes) -> None:
        self._editor.show(rows, self._display.unfinished)


def _counted(lines: int) -> str:
    return "1 line" if lines == 1 else f"{lines} lines"
