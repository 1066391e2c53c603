"""The interactive client, on one connection after another."""

from __future__ import annotations

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
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from echoreply.client.backoff import Backoff
from echoreply.client.bridge import ReplyClient
from echoreply.client.display import Display, Unfinished
from echoreply.client.editor_link import SentLines
from echoreply.client.interactive import Interactive, InteractiveOptions
from echoreply.client.outcome import Outcome
from echoreply.client.transcript import Transcript
from echoreply.connect.target import ConnectTarget
from echoreply.core.input_lines import Eol
from tests.support.fake_transports import TCPStringTransport


class Most(Random):
    """Gives the most that a wait can be."""

    def uniform(self, a: float, b: float) -> float:
        return b


@implementer(IStreamClientEndpoint)
class Endpoint:
    """Connects, or fails to, when it is told to."""

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        self._factory = protocolFactory
        self.connecting: Deferred[IProtocol] | None = Deferred()
        return self.connecting

    def accept(self) -> TCPStringTransport:
        """Connect; give the client's end, whose C{protocol} is told what arrives."""
        connecting, self.connecting = self.connecting, None
        assert connecting
        client = self._factory.buildProtocol(IPv4Address("TCP", "192.0.2.1", 8088))
        assert isinstance(client, ReplyClient)
        socket = TCPStringTransport(client)
        client.makeConnection(socket)
        connecting.callback(client)
        return socket

    def refuse(self) -> None:
        connecting, self.connecting = self.connecting, None
        assert connecting
        connecting.errback(ConnectError(osError=ECONNREFUSED))


class RememberingEditor:
    """Takes note of what it is to show."""

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
        """Give the rows that were shown since they were last taken."""
        shown, self._shown = self._shown, b""
        return shown.decode().splitlines()


REFUSED = "client: cannot connect to there: connection refused"
WAITS = "client: not connected: lines are queued until there is a connection"


class InteractiveTestCase(SynchronousTestCase):
    """Has an interactive client that is connecting."""

    retry = False
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
            lines=lambda: SentLines(self.eol),
            eol=self.eol,
            datagrams=False,
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
    def test_it_tells_whom_it_is_connected_with_and_how_to_leave(self) -> None:
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

    def test_the_keys_are_told(self) -> None:
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

    def test_a_server_that_speaks_first_is_shown_after_the_words_that_it_is_there(self) -> None:
        socket = self.endpoint.accept()
        self.reply(socket, b"welcome\n")
        self.assertEqual(self.editor.take()[1:], ["client: hint", "< welcome"])


class LeavingTests(InteractiveTestCase):
    def test_quit_sends_no_more_and_shows_the_replies_owed(self) -> None:
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

    def test_the_end_of_the_input_does_so_too(self) -> None:
        socket = self.connect()
        self.interactive.input_ended()
        self.interactive.input_ended()
        self.assertTrue(socket.write_closed)
        socket.flush()
        self.clock.advance(0.5)
        self.assert_ended(0, "no more replies")

    def test_exit_is_the_servers_to_answer(self) -> None:
        socket = self.connect()
        self.type("exit")
        self.assertEqual(socket.take(), b"exit\n")
        self.assertFalse(self.editor.over)
        self.close(socket)
        self.assert_ended(0, "closed by the server")

    def test_ctrl_c_leaves_at_once_and_without_words(self) -> None:
        self.type("a")
        self.interactive.interrupted()
        self.assert_ended(130)

    def test_before_there_is_a_connection_nobody_has_to_be_waited_for(self) -> None:
        self.type("quit")
        self.assert_ended(0)

    def test_but_for_lines_that_wait(self) -> None:
        self.type("a", "quit")
        self.assertNoResult(self.interactive.done)
        self.assertEqual(
            self.editor.take()[-1],
            "client: not connected: exits once the queue is sent, or with Ctrl-C",
        )
        socket = self.connect()
        self.assertEqual(socket.take(), b"a\n")
        self.assertTrue(socket.write_closed)

    def test_a_connection_that_can_not_be_made_is_told_and_what_was_not_sent(self) -> None:
        self.type("a", "b")
        self.endpoint.refuse()
        self.assert_ended(1, "cannot connect to there: connection refused; 2 lines not sent")

    def test_one_that_takes_too_long_is_given_up(self) -> None:
        self.clock.advance(10)
        self.assert_ended(1, "cannot connect to there: no answer within 10 s")

    def test_a_server_that_closes_unasked_is_told_and_that_replies_are_lost(self) -> None:
        socket = self.connect()
        self.type("a", "b", "c")
        self.reply(socket, b"server reply:a\nserver err")
        self.close(socket)
        self.assertEqual(self.editor.take()[-2:], ["< server err", "client: lost: the reply to 1 line"])
        self.assert_ended(1, "the server closed the connection")

    def test_a_reset_is_told(self) -> None:
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

    def test_no_line_that_was_typed_meanwhile_is_lost_and_replies_that_are_are_told(self) -> None:
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

    def test_after_a_connection_that_held_waits_begin_anew(self) -> None:
        for _ in range(2):
            self.endpoint.refuse()
            self.clock.advance(2)
        socket = self.connect()
        self.clock.advance(5)
        socket.lose(ConnectionDone())
        self.assertTrue(self.editor.take()[-1].endswith("retrying in 0.5 s"))

    def test_after_one_that_did_not_they_go_on_growing(self) -> None:
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

    def test_who_was_asked_to_close_is_not_connected_to_again(self) -> None:
        for word in ("exit", "quit"):
            self.setUp()
            socket = self.connect()
            self.type(word)
            socket.lose(ConnectionLost())
            self.assert_ended(1, "the connection was reset")
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_while_it_waits_it_can_be_left(self) -> None:
        self.endpoint.refuse()
        self.interactive.input_ended()
        self.assert_ended(0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_while_it_connects_it_can_be_left(self) -> None:
        self.interactive.interrupted()
        self.assert_ended(130)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.editor.take(), [])

    def test_lines_that_wait_are_sent_before_it_leaves(self) -> None:
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

    def test_what_is_dumped_and_kept_is_what_was_sent(self) -> None:
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
