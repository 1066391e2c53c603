"""The interactive client: it sends the lines of a line editor, shows replies, and reconnects if requested."""

from __future__ import annotations

import signal
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
from echoreply.client.bridge import ReplyClientFactory, SessionEnd, StdioProtocol
from echoreply.client.display import Display, Unfinished
from echoreply.client.editor_link import EditorLink, LineTooLongError, SentLines
from echoreply.client.line_queue import LineQueue, counted
from echoreply.client.outcome import LINE_TOO_LONG, Outcome, outcome_of
from echoreply.client.round_trips import RoundTrips
from echoreply.client.states import INTERACTIVE, InteractiveEvent, InteractiveState
from echoreply.client.transcript import RECEIVED, SENT, Transcript
from echoreply.connect.failures import why_lost, why_not_connected
from echoreply.connect.run import status_of_signal
from echoreply.connect.target import ConnectTarget, describe_connection
from echoreply.core.input_lines import Eol, with_eol
from echoreply.core.state_machine import StateMachine

PROMPT = "> "

QUEUED_UNTIL_CONNECTED = "not connected: lines are queued until there is a connection"
EXITS_WHEN_SENT = "not connected: exits once the queue is sent, or with Ctrl-C"


class IEditor(Protocol):
    """The line editor, as the interactive client uses it."""

    def columns(self) -> int:
        """Return the width of the terminal."""

    def show(self, above: bytes, unfinished: Unfinished | None) -> None:
        """Show complete rows above the line, and the row that is not complete yet."""

    def prompt(self, text: str) -> None:
        """Set the text before the line."""

    def end_input(self) -> None:
        """Accept no more lines."""


@frozen
class InteractiveOptions:
    """
    The options of the interactive client, except for the target.

    @ivar lines: makes the object that converts the lines of one connection to what is sent.
    @ivar eol: the line ending with which lines are sent.
    @ivar datagrams: whether each line is a datagram, and each datagram a reply.
    @ivar wait: seconds of silence after which a connection is closed, once the input has ended.
    @ivar connect_timeout: seconds after which an attempt to connect fails.
    @ivar backoff: chooses the delays between attempts to connect; C{None} connects only once.
    @ivar transcript: the transcript of all lines and replies, if there is one.
    @ivar hint: a message that is shown on the first connection.
    @ivar keys: the messages of the help on keys.
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


class Interactive:
    """
    Connects, sends the editor's lines, shows replies, and reconnects if requested.

    Its states are those of L{InteractiveState}. Lines that are entered while there is no connection, or while its
    buffer is full, are queued and sent in order. After the input has ended, queued lines are sent first.

    @param clock: the reactor, or another source of time.
    @ivar done: fires with the L{Outcome} when the client has ended.
    """

    def __init__(
        self, clock: IReactorTime, target: ConnectTarget, options: InteractiveOptions, display: Display, editor: IEditor
    ) -> None:
        self._clock = clock
        self._target = target
        self._options = options
        self._display = display
        self._editor = editor
        self._machine = StateMachine(INTERACTIVE, InteractiveState.STARTING)
        self._queue = LineQueue()
        self._link: EditorLink | None = None
        self._hint = options.hint
        self._line_too_long = False
        self._queue_announced = False
        self._connecting: Deferred[Outcome] | None = None
        self.done: Deferred[Outcome] = Deferred()

    @property
    def state(self) -> InteractiveState:
        """The current state."""
        return self._machine.state

    def start(self) -> None:
        """Connect: the terminal is ready."""
        self._machine.process(InteractiveEvent.START)
        self._editor.prompt(PROMPT)
        self._connecting = Deferred.fromCoroutine(self._connect_until_ended())
        self._connecting.addCallbacks(self.end, self._failed)

    def end(self, outcome: Outcome) -> None:
        """End the client with an outcome. Later calls have no effect: the first outcome counts."""
        if self.state is InteractiveState.ENDED:
            return
        self._machine.process(InteractiveEvent.END)
        # After a signal, no message is shown.
        if outcome.status < 128:
            if self._queue:
                message = f"{outcome.message}; " if outcome.message else ""
                outcome = Outcome(1, f"{message}{counted(len(self._queue))} not sent")
            elif self._line_too_long and not outcome.status:
                outcome = Outcome(1, LINE_TOO_LONG)
        self._show(self._display.ended())
        self.done.callback(outcome)
        if self._connecting:
            self._connecting.cancel()

    def say(self, message: str) -> None:
        """Show a message of the program."""
        self._show(self._display.message(message))

    # Called by the editor.

    def line_entered(self, text: str) -> None:
        """Send a line, or queue it."""
        if self._input_ended:
            return
        line = text.encode("utf-8", "surrogateescape") + b"\n"
        self._show(self._display.entered(line))
        probe = self._options.lines()
        probe.receive(line)
        if not probe.quit:
            self._queue.add(line)
        if probe.over:
            self._end_input()
        self._lines_changed()

    def input_ended(self) -> None:
        """End once all lines have been sent and the replies have arrived."""
        if not self._input_ended:
            self._end_input()
            self._lines_changed()

    def interrupted(self) -> None:
        """End at once, with the exit status of a program that SIGINT ends."""
        self.end(Outcome(status_of_signal(signal.SIGINT)))

    def help_requested(self) -> None:
        """Show the help on keys."""
        for message in self._options.keys:
            self.say(message)

    # Called by the connection.

    def _received(self, data: bytes) -> None:
        link = self._link
        if not link:
            return
        now = self._clock.seconds()
        if self._options.transcript:
            self._options.transcript.keep(RECEIVED, data, now, whole=self._options.datagrams)
        columns = self._editor.columns()
        pieces = link.round_trips.received(data, now)
        self._show(b"".join([self._display.received(piece, columns) for piece in pieces]))

    def _send_queued(self) -> None:
        """Send queued lines while the connection is ready; then, if the input has ended, close its sending side."""
        link = None if self.state is InteractiveState.ENDED else self._link
        while link and link.ready and self._queue:
            self._send(link, self._queue.next())
        if link and link.ready and self._queue.ended:
            self._machine.process(InteractiveEvent.REQUEST_END)
            link.finish()
        queued = len(self._queue)
        self._editor.prompt(f"({queued} queued) {PROMPT}" if queued else PROMPT)

    def _send(self, link: EditorLink, line: bytes) -> None:
        now = self._clock.seconds()
        try:
            sent = link.send(line)
        except LineTooLongError:
            self._line_too_long = True
            self.say(LINE_TOO_LONG)
            return
        if link.end_requested:
            self._machine.process(InteractiveEvent.REQUEST_END)
        if not sent:
            return
        if self._options.datagrams:
            # The transport adds the line ending to each datagram.
            sent = with_eol(sent, self._options.eol)
        link.round_trips.sent(now)
        if self._options.transcript:
            self._options.transcript.keep(SENT, sent, now, whole=self._options.datagrams)
        self._show(self._display.sent(sent))

    # The input side.

    @property
    def _input_ended(self) -> bool:
        return self._queue.ended or self.state is InteractiveState.ENDED

    def _end_input(self) -> None:
        self._queue.ended = True
        self._editor.end_input()

    def _lines_changed(self) -> None:
        """Send queued lines if possible, else show a message that they wait for a connection."""
        self._send_queued()
        if self.state in (InteractiveState.CONNECTED, InteractiveState.ENDING, InteractiveState.ENDED):
            return
        if self._queue.ended and not self._queue:
            self.end(Outcome(0))
        elif self._queue.ended:
            self.say(EXITS_WHEN_SENT)
        elif not self._queue_announced:
            self._queue_announced = True
            self.say(QUEUED_UNTIL_CONNECTED)

    # One connection after another.

    async def _connect_until_ended(self) -> Outcome:
        """Connect until a connection has ended for good; return the outcome of the last one."""
        backoff = self._options.backoff
        while True:
            outcome, retryable = await self._connect_once()
            if not (retryable and backoff) or self.state is InteractiveState.ENDED:
                return outcome
            self._machine.process(InteractiveEvent.BACK_OFF)
            wait = backoff.next()
            self.say(f"{outcome.message}; retrying in {wait:.1f} s")
            await deferLater(self._clock, wait)
            self._machine.process(InteractiveEvent.RETRY)

    async def _connect_once(self) -> tuple[Outcome, bool]:
        """Connect, and wait for the end of the connection; return its outcome, and whether to try again."""
        options, lines = self._options, self._options.lines()
        factory = ReplyClientFactory(self._clock, partial(self._connected, lines), lines=lines, wait=options.wait)
        connecting = self._target.endpoint.connect(factory)
        connecting.addTimeout(options.connect_timeout, self._clock, lambda *_: Failure(error.TimeoutError()))
        try:
            await connecting
        except Exception as failure:
            why = why_not_connected(failure, options.connect_timeout)
            # Trying again would not make an invalid name valid.
            return Outcome(1, f"cannot connect to {self._target.name}: {why}"), not isinstance(failure, ValueError)
        session_end = await factory.done
        return self._disconnected(session_end, why_lost(factory.reason, self._target.name))

    def _connected(self, lines: SentLines, stdio: StdioProtocol) -> None:
        self._machine.process(InteractiveEvent.CONNECT)
        link = self._link = EditorLink(
            stdio,
            lines,
            RoundTrips(
                unterminated=self._options.eol is Eol.NONE and not self._options.datagrams,
                whole=self._options.datagrams,
            ),
            self._clock.seconds(),
            received=self._received,
            ready=self._send_queued,
        )
        self._display.connected()
        self.say(
            f"connected to {describe_connection(stdio.client.transport)}"
            + (f"; sending {counted(len(self._queue), 'queued')}" if self._queue else "")
        )
        hint, self._hint = self._hint, ""
        if hint:
            self.say(hint)
        self._queue_announced = False
        stdio.makeConnection(link)  # type: ignore[no-untyped-call]
        # A line can end the connection, so its set-up has to be complete first.
        self._clock.callLater(0, link.resumeProducing)

    def _disconnected(self, session_end: SessionEnd, why_lost: str) -> tuple[Outcome, bool]:
        """Show the end of the connection; return its outcome, and whether to try again."""
        link, self._link = cast(EditorLink, self._link), None
        self._line_too_long = self._line_too_long or link.too_long > 0
        self._show(self._display.ended())
        broken = session_end in (SessionEnd.CLOSED, SessionEnd.LOST)
        if broken and (unanswered := link.round_trips.unanswered):
            replies = "reply" if unanswered == 1 else "replies"
            self.say(f"lost: the {replies} to {counted(unanswered)}")
        if self._options.backoff:
            self._options.backoff.connection_lost(self._clock.seconds() - link.connected_at)
        outcome = outcome_of(session_end, to_user=True, to_pipe=False, lost=why_lost)
        return outcome, broken and self.state is InteractiveState.CONNECTED

    def _failed(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            Logger("echoreply").failure("internal error", failure)
            self.end(Outcome(1))

    def _show(self, rows: bytes) -> None:
        self._editor.show(rows, self._display.unfinished)
