"""The interactive client, on one connection after another."""

from __future__ import annotations

import socket
from errno import ECONNREFUSED
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import ClassVar

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from echoreply.client.backoff import Backoff
from echoreply.client.bridge import ReplyClient
from echoreply.client.display import Display, Unfinished
from echoreply.client.editor_link import SentLines
from echoreply.client.interactive import Interactive, InteractiveOptions
from echoreply.client.outcome import Outcome
from echoreply.client.transcript import Transcript
from echoreply.connect.datagram_transport import MAX_DATAGRAM, DatagramTransport
from echoreply.connect.target import ConnectTarget
from echoreply.core.input_lines import Eol
from tests.support.fake_transports import TCPStringTransport


class Most(Random):
    """Returns the upper bound of each wait."""

    def uniform(self, a: float, b: float) -> float:
        return b


@implementer(IStreamClientEndpoint)
class Endpoint:
    """Connects, or fails, when a test says so."""

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        self._factory = protocolFactory
        self.connecting: Deferred[IProtocol] | None = Deferred()
        return self.connecting

    def accept(self) -> TCPStringTransport:
        """Connect; return the client's transport, whose C{protocol} gets what arrives."""
        connecting, self.connecting = self.connecting, None
        assert connecting
        client = self._factory.buildProtocol(IPv4Address("TCP", "192.0.2.1", 8088))
        assert isinstance(client, ReplyClient)
        socket = TCPStringTransport(client)
        client.makeConnection(socket)
        connecting.callback(client)
        return socket

    def accept_datagrams(self, transport: DatagramTransport) -> None:
        """Connect over UDP."""
        connecting, self.connecting = self.connecting, None
        assert connecting
        client = self._factory.buildProtocol(transport.getPeer())
        assert client
        transport.begin(client)
        connecting.callback(client)

    def refuse(self) -> None:
        connecting, self.connecting = self.connecting, None
        assert connecting
        connecting.errback(ConnectError(osError=ECONNREFUSED))


class RememberingEditor:
    """Records what it shows."""

    def __init__(self) -> None:
        self._shown = b""
        self.unfinished: Unfinished | None = None
        self.before = ""
        self.over = False

    def columns(self) -> int:
        return 80

    def show(self, above: bytes, unfinished: Unfinished | None) -> None:
        self._shown += above
        self.unfinished = unfinished

    def prompt(self, text: str) -> None:
        self.before = text

    def end_input(self) -> None:
        self.over = True

    def take(self) -> list[str]:
        """Return the rows that were shown since the last call."""
        shown, self._shown = self._shown, b""
        return shown.decode().splitlines()


REFUSED = "client: cannot connect to there: connection refused"
WAITS = "client: not connected: lines are queued until there is a connection"


class InteractiveTestCase(SynchronousTestCase):
    """Has an interactive client that is connecting."""

    retry = False
    datagrams = False
    eol = Eol.LF
    options: ClassVar[dict[str, bool]] = {}

    def setUp(self) -> None:
        self.prepare()
        self.interactive.start()

    def prepare(self) -> None:
        self.clock = Clock()
        self.endpoint = Endpoint()
        self.editor = RememberingEditor()
        temporary = TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.path = Path(temporary.name, "transcript")
        transcript = Transcript(str(self.path), self.fail)
        self.addCleanup(transcript.close)
        options = InteractiveOptions(
            lines=lambda: SentLines(self.eol, exit_is_last=self.datagrams),
            eol=self.eol,
            datagrams=self.datagrams,
            wait=0.5,
            connect_timeout=10,
            backoff=Backoff(Most()) if self.retry else None,
            transcript=transcript,
            hint="hint",
            keys=("keys",),
        )
        display = Display("client", colour=False, **self.options)
        self.interactive = Interactive(self.clock, ConnectTarget(self.endpoint, "there"), options, display, self.editor)

    def connect(self) -> TCPStringTransport:
        socket = self.endpoint.accept()
        self.clock.advance(0)
        return socket

    def type(self, *lines: str) -> None:
        for line in lines:
            self.interactive.line_entered(line)

    def reply(self, socket: TCPStringTransport, data: bytes) -> None:
        socket.protocol.dataReceived(data)

    def close(self, socket: TCPStringTransport) -> None:
        """Close the server's sending side."""
        IHalfCloseableProtocol(socket.protocol).readConnectionLost()

    def assert_ended(self, status: int, words: str = "") -> None:
        self.assertEqual(self.successResultOf(self.interactive.done), Outcome(status, words))


class ConversationTests(InteractiveTestCase):
    def test_it_shows_the_connection_and_the_hint(self) -> None:
        self.connect()
        said, hint = self.editor.take()
        self.assertTrue(said.startswith("client: connected to "))
        self.assertEqual(hint, "client: hint")

    def test_lines_are_sent_and_replies_shown_and_both_kept(self) -> None:
        socket = self.connect()
        self.editor.take()
        self.type("hello", "\udcff")
        self.assertEqual(socket.take(), b"hello\n\xff\n")
        self.reply(socket, b"server reply:hello\nserver")
        self.assertEqual(self.editor.take(), ["> hello", "> \\xff", "< server reply:hello"])
        self.assertEqual(self.editor.unfinished, Unfinished("< ", "", "server"))
        kept = [line.split(" ", 1)[1] for line in self.path.read_text().splitlines()]
        self.assertEqual(kept, ['> "hello\\n"', '> "\\xff\\n"', '< "server reply:hello\\n"', '< "server"'])

    def test_the_help_key_shows_the_keys(self) -> None:
        self.interactive.help_requested()
        self.assertEqual(self.editor.take(), ["client: keys"])

    def test_lines_typed_before_there_is_a_connection_are_sent_then(self) -> None:
        self.type("a", "b")
        self.assertEqual(self.editor.before, "(2 queued) > ")
        self.assertEqual(self.editor.take(), ["> a", WAITS, "> b"])
        socket = self.connect()
        self.assertTrue(self.editor.take()[0].endswith("; sending 2 queued lines"))
        self.assertEqual(socket.take(), b"a\nb\n")
        self.assertEqual(self.editor.before, "> ")

    def test_lines_wait_while_the_connection_takes_no_more(self) -> None:
        socket = self.connect()
        self.type("x" * 65536, "a", "b")
        self.assertEqual(self.editor.before, "(2 queued) > ")
        self.assertTrue(socket.take().endswith(b"x\n"))
        socket.flush()
        self.assertEqual(socket.take(), b"a\nb\n")

    def test_a_greeting_is_shown_after_the_message_about_the_connection(self) -> None:
        socket = self.endpoint.accept()
        self.reply(socket, b"welcome\n")
        self.assertEqual(self.editor.take()[1:], ["client: hint", "< welcome"])


class LeavingTests(InteractiveTestCase):
    def test_quit_sends_no_more_and_shows_the_remaining_replies(self) -> None:
        socket = self.connect()
        self.type("a", "Quit", "b")
        self.assertEqual(socket.take(), b"a\n")
        self.assertTrue(socket.write_closed)
        self.assertTrue(self.editor.over)
        socket.flush()
        self.reply(socket, b"server reply:a\n")
        self.assertEqual(self.editor.take()[-1], "< server reply:a")
        self.close(socket)
        self.assert_ended(0, "closed by the server")

    def test_the_end_of_the_input_does_the_same(self) -> None:
        socket = self.connect()
        self.interactive.input_ended()
        self.interactive.input_ended()
        self.assertTrue(socket.write_closed)
        socket.flush()
        self.clock.advance(0.5)
        self.assert_ended(0, "no more replies")

    def test_after_exit_the_server_closes(self) -> None:
        socket = self.connect()
        self.type("exit")
        self.assertEqual(socket.take(), b"exit\n")
        self.assertFalse(self.editor.over)
        self.close(socket)
        self.assert_ended(0, "closed by the server")

    def test_ctrl_c_ends_at_once_without_a_message(self) -> None:
        self.type("a")
        self.interactive.interrupted()
        self.assert_ended(130)

    def test_without_a_connection_quit_ends_at_once(self) -> None:
        self.type("quit")
        self.assert_ended(0)

    def test_queued_lines_are_sent_before_it_ends(self) -> None:
        self.type("a", "quit")
        self.assertNoResult(self.interactive.done)
        self.assertEqual(
            self.editor.take()[-1],
            "client: not connected: exits once the queue is sent, or with Ctrl-C",
        )
        socket = self.connect()
        self.assertEqual(socket.take(), b"a\n")
        self.assertTrue(socket.write_closed)

    def test_a_failed_connection_is_reported_with_the_number_of_unsent_lines(self) -> None:
        self.type("a", "b")
        self.endpoint.refuse()
        self.assert_ended(1, "cannot connect to there: connection refused; 2 lines not sent")

    def test_an_attempt_that_takes_too_long_fails(self) -> None:
        self.clock.advance(10)
        self.assert_ended(1, "cannot connect to there: no answer within 10 s")

    def test_a_server_that_closes_unasked_and_the_lost_replies_are_reported(self) -> None:
        socket = self.connect()
        self.type("a", "b", "c")
        self.reply(socket, b"server reply:a\nserver err")
        self.close(socket)
        self.assertEqual(self.editor.take()[-2:], ["< server err", "client: lost: the reply to 1 line"])
        self.assert_ended(1, "the server closed the connection")

    def test_a_reset_is_reported(self) -> None:
        socket = self.connect()
        self.type("a")
        socket.lose(ConnectionLost())
        self.assert_ended(1, "the connection was reset")


class RetryTests(InteractiveTestCase):
    retry = True

    def test_waits_between_attempts_grow_and_are_said(self) -> None:
        for wait in (0.5, 1, 2):
            self.endpoint.refuse()
            self.assertEqual(self.editor.take(), [f"{REFUSED}; retrying in {wait:.1f} s"])
            self.clock.advance(wait - 0.1)
            self.assertIsNone(self.endpoint.connecting)
            self.clock.advance(0.1)
        self.connect()
        self.assertNoResult(self.interactive.done)

    def test_no_line_entered_meanwhile_is_lost_and_lost_replies_are_reported(self) -> None:
        socket = self.connect()
        self.type("a", "b")
        self.editor.take()
        socket.lose(ConnectionLost())
        self.type("c", "d")
        self.assertEqual(
            self.editor.take(),
            [
                "client: lost: the replies to 2 lines",
                "client: the connection was reset; retrying in 0.5 s",
                "> c",
                WAITS,
                "> d",
            ],
        )
        self.clock.advance(0.5)
        socket = self.connect()
        self.assertEqual(socket.take(), b"c\nd\n")
        self.assertNotIn("client: hint", self.editor.take())

    def test_lines_that_the_lost_connection_had_not_taken_are_sent_on_the_next(self) -> None:
        socket = self.connect()
        self.type("x" * 65536, "a")
        socket.lose(ConnectionLost())
        self.clock.advance(0.5)
        self.assertEqual(self.connect().take(), b"a\n")

    def test_after_a_stable_connection_waits_start_short_again(self) -> None:
        for _ in range(2):
            self.endpoint.refuse()
            self.clock.advance(2)
        socket = self.connect()
        self.clock.advance(5)
        socket.lose(ConnectionDone())
        self.assertTrue(self.editor.take()[-1].endswith("retrying in 0.5 s"))

    def test_after_an_unstable_connection_waits_keep_growing(self) -> None:
        self.connect().lose(ConnectionDone())
        self.clock.advance(0.5)
        self.connect().lose(ConnectionDone())
        self.assertTrue(self.editor.take()[-1].endswith("retrying in 1.0 s"))

    def test_replies_on_a_new_connection_are_matched_to_its_lines(self) -> None:
        socket = self.connect()
        self.type("a")
        socket.lose(ConnectionLost())
        self.clock.advance(0.5)
        socket = self.connect()
        self.type("b")
        self.reply(socket, b"b\n")
        self.editor.take()
        socket.lose(ConnectionLost())
        self.assertNotIn("lost", "".join(self.editor.take()[:-1]))

    def test_after_exit_or_quit_it_does_not_connect_again(self) -> None:
        for word in ("exit", "quit"):
            self.setUp()
            socket = self.connect()
            self.type(word)
            socket.lose(ConnectionLost())
            self.assert_ended(1, "the connection was reset")
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_while_it_waits_the_user_can_end_it(self) -> None:
        self.endpoint.refuse()
        self.interactive.input_ended()
        self.assert_ended(0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_while_it_connects_the_user_can_end_it(self) -> None:
        self.interactive.interrupted()
        self.assert_ended(130)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.editor.take(), [])

    def test_queued_lines_are_sent_before_it_ends(self) -> None:
        self.endpoint.refuse()
        self.type("a")
        self.interactive.input_ended()
        self.clock.advance(0.5)
        socket = self.connect()
        self.assertEqual(socket.take(), b"a\n")
        socket.flush()
        self.close(socket)
        self.assert_ended(0, "closed by the server")


class TimeTests(InteractiveTestCase):
    options: ClassVar = {"times": True}

    def test_a_reply_has_the_time_since_its_line_was_sent(self) -> None:
        socket = self.connect()
        self.type("a")
        self.clock.advance(0.25)
        self.type("b")
        self.clock.advance(0.25)
        self.reply(socket, b"A\nB\n")
        self.assertEqual(self.editor.take()[-2:], ["< [  500.00 ms] A", "< [  250.00 ms] B"])

    def test_a_line_that_waited_has_not_been_sent_before_there_was_a_connection(self) -> None:
        self.type("a")
        self.clock.advance(5)
        socket = self.connect()
        self.clock.advance(0.25)
        self.reply(socket, b"A\n")
        self.assertEqual(self.editor.take()[-1], "< [  250.00 ms] A")


class EolNoneTests(InteractiveTestCase):
    eol = Eol.NONE
    options: ClassVar = {"dump": True, "times": True}

    def test_dump_and_transcript_show_the_bytes_that_were_sent(self) -> None:
        socket = self.connect()
        self.editor.take()
        self.type("a")
        self.reply(socket, b"A")
        self.type("b")
        self.reply(socket, b"B")
        rows = [row.split("  ")[-1] for row in self.editor.take()]
        self.assertEqual([row for row in rows if row.startswith("|")], ["|a|", "|A|", "|b|", "|B|"])
        self.assertEqual([row for row in rows if row.endswith("ms]")], ["0.00 ms]"] * 2)
        kept = [line.split(" ", 1)[1] for line in self.path.read_text().splitlines()]
        self.assertEqual(kept, ['> "a"', '< "A"', '> "b"', '< "B"'])


class DatagramTests(InteractiveTestCase):
    datagrams = True
    TOO_LONG = f"not sent: a line of more than {MAX_DATAGRAM} bytes does not fit in a datagram"

    def setUp(self) -> None:
        super().setUp()
        peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(peer.close)
        peer.bind(("127.0.0.1", 0))
        self.reactor = MemoryReactorClock()
        self.transport = DatagramTransport(self.reactor, IPv4Address("UDP", *peer.getsockname()), Eol.LF)
        self.addCleanup(self.transport.abortConnection)
        self.endpoint.accept_datagrams(self.transport)
        self.clock.advance(0)
        self.editor.take()

    def send_all(self) -> None:
        """Do what the reactor does while the transport has something to send."""
        while self.transport in self.reactor.getWriters():
            self.transport.doWrite()

    def test_a_line_that_fits_in_no_datagram_is_reported_and_the_status_is_1(self) -> None:
        self.type("x" * (MAX_DATAGRAM + 1))
        self.assertEqual(self.editor.take()[-1], f"client: {self.TOO_LONG}")
        self.type("a", "quit")
        self.send_all()
        self.clock.advance(0.5)
        self.assert_ended(1, self.TOO_LONG)
        kept = [line.split(" ", 1)[1] for line in self.path.read_text().splitlines()]
        self.assertEqual(kept, ['> "a\\n"'])

    def test_exit_ends_the_input(self) -> None:
        self.type("exit", "a")
        self.assertTrue(self.editor.over)
        self.send_all()
        self.clock.advance(0.5)
        self.assert_ended(0, "no more replies")


class FaultTests(InteractiveTestCase):
    def test_an_internal_error_is_logged_and_the_status_is_1(self) -> None:
        def connect(_factory: IProtocolFactory) -> Deferred[IProtocol]:
            raise LookupError("a bug")

        self.prepare()
        self.patch(self.endpoint, "connect", connect)
        self.interactive.start()
        self.assert_ended(1)
        self.assertEqual(len(self.flushLoggedErrors(LookupError)), 1)
