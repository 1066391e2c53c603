"""Standard input and output, bridged with a socket."""

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer, ISSLTransport
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import directlyProvides
from zope.interface.verify import verifyObject

from echoreply.client import bridge as client
from echoreply.client.bridge import ReplyClientFactory, SessionEnd, StdioProtocol
from echoreply.core.input_lines import InputLines
from echoreply.core.quoting import TerminalText
from tests.support.fake_transports import TCPStringTransport


class ClientTestCase(SynchronousTestCase):
    """Has a client between a socket and a terminal."""

    shown_on_terminal = False

    def setUp(self) -> None:
        self.clock = Clock()
        self.factory = ReplyClientFactory(
            self.clock,
            self.connect_stdio,
            lines=InputLines(),
            wait=5,
            terminal=TerminalText() if self.shown_on_terminal else None,
        )
        self.client = self.factory.buildProtocol(IPv4Address("TCP", "192.0.2.1", 8088))
        self.socket = TCPStringTransport(self.client)
        self.client.makeConnection(self.socket)

    def connect_stdio(self, stdio: StdioProtocol) -> None:
        self.stdio = stdio
        self.terminal = TCPStringTransport(stdio)
        stdio.makeConnection(self.terminal)

    def assert_ended(self, session_end: SessionEnd) -> None:
        """Check that all is over, once what was received has been shown."""
        self.assertNoResult(self.factory.done)
        self.assertTrue(self.terminal.disconnecting)
        self.terminal.lose(ConnectionDone())
        self.assertIs(self.successResultOf(self.factory.done), session_end)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class BridgeTests(ClientTestCase):
    def test_both_ends_are_half_closeable(self) -> None:
        verifyObject(IHalfCloseableProtocol, self.client)
        verifyObject(IHalfCloseableProtocol, self.stdio)
        verifyObject(IPushProducer, self.client)

    def test_input_is_sent(self) -> None:
        self.stdio.dataReceived(b"hello\n")
        self.assertEqual(self.socket.take(), b"hello\n")

    def test_replies_are_written_byte_for_byte(self) -> None:
        every = bytes(range(256))
        self.client.dataReceived(every)
        self.assertEqual(self.terminal.take(), every)

    def test_the_input_waits_for_the_socket(self) -> None:
        self.stdio.dataReceived(b"x" * 65536 + b"\n")
        self.assertFalse(self.terminal.reading)
        self.socket.flush()
        self.assertTrue(self.terminal.reading)

    def test_the_socket_waits_for_the_output(self) -> None:
        self.client.dataReceived(b"x" * 65537)
        self.assertFalse(self.socket.reading)
        self.terminal.flush()
        self.assertTrue(self.socket.reading)

    def test_a_message_is_not_delayed_by_nagles_algorithm(self) -> None:
        self.assertTrue(self.socket.no_delay)


class TerminalTests(ClientTestCase):
    shown_on_terminal = True

    def test_control_characters_are_escaped_for_a_terminal(self) -> None:
        self.client.dataReceived(b"\x1b[31mred\n")
        self.assertEqual(self.terminal.take(), b"\\x1b[31mred\n")

    def test_an_incomplete_character_is_written_at_the_end(self) -> None:
        self.client.dataReceived("中".encode()[:1])
        self.assertEqual(self.terminal.take(), b"")
        self.client.readConnectionLost()
        self.assertEqual(self.terminal.take(), b"\\xe4")
        self.assert_ended(SessionEnd.CLOSED)


class LeavingTests(ClientTestCase):
    def test_quit_closes_the_sending_side_and_waits_for_replies(self) -> None:
        self.stdio.dataReceived(b"a\nquit\nb\n")
        self.assertEqual(self.socket.take(), b"a\n")
        self.assertTrue(self.socket.write_closed)
        self.assertFalse(self.terminal.reading)
        self.socket.flush()
        self.client.dataReceived(b"server reply:a\n")
        self.client.readConnectionLost()
        self.assertEqual(self.terminal.take(), b"server reply:a\n")
        self.assert_ended(SessionEnd.CLOSED_ON_REQUEST)

    def test_the_end_of_the_input_sends_the_rest(self) -> None:
        self.stdio.dataReceived(b"rest")
        self.stdio.readConnectionLost()
        self.assertEqual(self.socket.take(), b"rest")
        self.assertTrue(self.socket.write_closed)
        self.socket.flush()
        self.client.readConnectionLost()
        self.assert_ended(SessionEnd.CLOSED_ON_REQUEST)

    def test_twisteds_own_tls_is_not_half_closed_but_left_after_a_silence(self) -> None:
        directlyProvides(self.socket, ISSLTransport)
        self.stdio.dataReceived(b"a\nquit\n")
        self.assertFalse(self.socket.write_closed)
        self.clock.advance(5)
        self.assert_ended(SessionEnd.SILENCE)

    def test_quit_then_the_end_of_the_input_is_one_leaving(self) -> None:
        self.stdio.dataReceived(b"quit\n")
        self.stdio.readConnectionLost()
        self.socket.flush()
        self.client.readConnectionLost()
        self.assert_ended(SessionEnd.CLOSED_ON_REQUEST)

    def test_after_exit_the_server_closes(self) -> None:
        self.stdio.dataReceived(b"exit\n")
        self.assertEqual(self.socket.take(), b"exit\n")
        self.assertFalse(self.socket.write_closed)
        self.client.readConnectionLost()
        self.assert_ended(SessionEnd.CLOSED_ON_REQUEST)

    def test_after_exit_a_reset_is_still_one(self) -> None:
        self.stdio.dataReceived(b"exit\n")
        self.socket.lose(ConnectionLost())
        self.assert_ended(SessionEnd.LOST)

    def test_a_server_that_closes_unasked_has_an_end_of_its_own(self) -> None:
        self.client.dataReceived(b"server error: too many connections\n")
        self.client.readConnectionLost()
        self.assert_ended(SessionEnd.CLOSED)

    def test_a_server_that_closes_before_all_input_was_sent_closes_unasked(self) -> None:
        self.stdio.dataReceived(b"hello\n")
        self.stdio.readConnectionLost()
        self.client.readConnectionLost()
        self.assert_ended(SessionEnd.CLOSED)

    def test_a_connection_that_simply_ends_was_closed(self) -> None:
        self.socket.lose(ConnectionDone())
        self.assert_ended(SessionEnd.CLOSED)

    def test_a_reset_is_reported(self) -> None:
        self.socket.lose(reason := ConnectionLost())
        self.assert_ended(SessionEnd.LOST)
        self.assertIs(self.factory.reason, reason)

    def test_a_reset_after_the_end_of_the_input_is_reported(self) -> None:
        self.stdio.readConnectionLost()
        self.socket.lose(ConnectionLost())
        self.assert_ended(SessionEnd.LOST)

    def test_the_first_reason_counts(self) -> None:
        self.client.readConnectionLost()
        self.socket.lose(ConnectionLost())
        self.assert_ended(SessionEnd.CLOSED)


class WaitTests(ClientTestCase):
    def test_a_server_that_does_not_close_is_disconnected_after_a_silence(self) -> None:
        self.stdio.readConnectionLost()
        self.socket.flush()
        self.clock.advance(4.9)
        self.client.dataReceived(b"late")
        self.clock.advance(4.9)
        self.assertFalse(self.terminal.disconnecting)
        self.clock.advance(0.1)
        self.assertEqual(self.terminal.take(), b"late")
        self.assert_ended(SessionEnd.SILENCE)

    def test_before_the_end_of_the_input_no_silence_matters(self) -> None:
        self.client.dataReceived(b"hello")
        self.clock.advance(3600)
        self.assertFalse(self.terminal.disconnecting)

    def test_while_reading_is_paused_the_server_is_not_silent(self) -> None:
        self.stdio.readConnectionLost()
        self.socket.flush()
        self.client.dataReceived(b"x" * 65537)
        self.clock.advance(3600)
        self.assertFalse(self.terminal.disconnecting)
        self.terminal.flush()
        self.clock.advance(5)
        self.assert_ended(SessionEnd.SILENCE)

    def test_nor_if_reading_was_paused_before_the_end_of_the_input(self) -> None:
        self.client.dataReceived(b"x" * 65537)
        self.stdio.readConnectionLost()
        self.socket.flush()
        self.clock.advance(3600)
        self.assertFalse(self.terminal.disconnecting)
        self.terminal.flush()
        self.clock.advance(5)
        self.assert_ended(SessionEnd.SILENCE)

    def test_a_server_that_still_reads_is_not_silent(self) -> None:
        left = [4000, 2000, 1000, 0]
        self.patch(client, "unsent", lambda _transport: left.pop(0))
        self.stdio.dataReceived(b"hello\n")
        self.stdio.readConnectionLost()
        self.socket.flush()
        self.clock.pump([5, 5, 5])
        self.assertFalse(self.terminal.disconnecting)
        self.clock.advance(5)
        self.assert_ended(SessionEnd.SILENCE)

    def test_a_server_that_does_not_read_is_reported(self) -> None:
        self.stdio.dataReceived(b"hello\n")
        self.stdio.readConnectionLost()
        self.clock.advance(5)
        self.assertFalse(self.terminal.disconnecting, "it may just have been slow")
        self.clock.advance(5)
        self.assert_ended(SessionEnd.UNSENT)


class OutputTests(ClientTestCase):
    def test_when_the_output_is_closed_it_ends_at_once(self) -> None:
        self.stdio.writeConnectionLost()
        self.assertIs(self.successResultOf(self.factory.done), SessionEnd.OUTPUT_CLOSED)
        self.assertTrue(self.socket.disconnecting)

    def test_output_that_fails_at_the_end_is_reported(self) -> None:
        self.stdio.dataReceived(b"exit\n")
        self.client.readConnectionLost()
        self.terminal.lose(ConnectionLost())
        self.assertIs(self.successResultOf(self.factory.done), SessionEnd.OUTPUT_CLOSED)

    def test_a_terminal_that_closes_reports_no_end_of_the_connection(self) -> None:
        self.stdio.connectionLost(Failure(ConnectionDone()))
        self.assertNoResult(self.factory.done)
