"""One client's connection, from the first byte to the last."""

import gc
import socket
import weakref
from collections.abc import Callable

from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IAddress, IHalfCloseableProtocol, IPushProducer, ISSLTransport
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import alsoProvides
from zope.interface.verify import verifyObject

from echoreply import protocol as protocol_module
from echoreply.core.conversation import Rules
from echoreply.core.defaults import DEFAULT_IDLE_TIMEOUT
from echoreply.core.framing import Framing
from echoreply.core.reasons import EndReason, RefusalReason
from echoreply.core.replies import Replies
from echoreply.net import idle_watch as idle_watch_module
from echoreply.net.refusal import RefusalProtocol
from echoreply.observe.observer import ReplyObserver
from echoreply.observe.totals_observer import TotalsObserver
from echoreply.protocol import LINGER_SECONDS, REFUSALS_AT_ONCE, ReplyFactory, ReplyProtocol
from echoreply.tls.factory import TLSFactory
from tests.support.fake_transports import SocketStringTransport, TCPStringTransport, built, receive_queue
from tests.support.memory_observer import Memory, verify_observer
from tests.support.sample_scripts import rules_of_toml
from tests.support.tls_pair import Pair, any_server_context

PEER = IPv4Address("TCP", "192.0.2.1", 4000)
IDLE_TIMEOUT = 100.0


class ProtocolTestCase(SynchronousTestCase):
    """Has a factory on a clock, and one connected client."""

    idle_timeout = 0.0

    def setUp(self) -> None:
        self.clock = Clock()
        self.observer = Memory()
        self.factory = self.make_factory()
        self.protocol, self.transport = self.connect()

    def make_factory(
        self,
        framing: Framing = Framing.AUTO,
        refusal: Callable[[IAddress], RefusalReason | None] = lambda _peer: None,
        rules: Rules | None = None,
    ) -> ReplyFactory:
        rules = rules or Rules(Replies(b">"), framing, max_message=100_000)
        self.totals = TotalsObserver()
        return ReplyFactory(
            self.clock,
            rules,
            pause=0.2,
            idle_timeout=self.idle_timeout,
            refusal=refusal,
            observers=[self.observer, self.totals],
        )

    def connect(self) -> tuple[ReplyProtocol, TCPStringTransport]:
        protocol = built(self.factory, PEER)
        transport = TCPStringTransport(protocol)
        protocol.makeConnection(transport)
        return protocol, transport

    def connect_by(self, queue: socket.socket) -> tuple[ReplyProtocol, SocketStringTransport]:
        protocol = built(self.factory, PEER)
        transport = SocketStringTransport(protocol, queue)
        protocol.makeConnection(transport)
        return protocol, transport

    def patch_unsent(self, unsent: Callable[[object], int]) -> None:
        """Have the kernel say how many bytes of replies it still holds."""
        for module in (protocol_module, idle_watch_module):
            self.patch(module, "unsent", unsent)

    def assert_ended(self, reason: EndReason) -> None:
        self.assertEqual(self.observer.reasons, [reason])
        self.assertEqual(self.observer.open, [])
        self.assertEqual(self.factory.protocols, set())
        totals = self.totals.totals()
        self.assertEqual((totals.accepted, totals.open), (1, 0))
        self.assertEqual(totals.endings, {reason: 1})
        self.assertEqual(self.clock.getDelayedCalls(), [])


class InterfaceTests(ProtocolTestCase):
    def test_the_protocol_is_half_closeable_and_a_push_producer(self) -> None:
        verifyObject(IHalfCloseableProtocol, self.protocol)
        verifyObject(IPushProducer, self.protocol)

    def test_an_observer_is_optional(self) -> None:
        verify_observer(ReplyObserver())
        verify_observer(self.observer)
        self.factory = ReplyFactory(self.clock)
        protocol, transport = self.connect()
        protocol.dataReceived(b"hello\n")
        protocol.readConnectionLost()
        transport.flush()
        self.assertEqual(transport.take(), b"server reply:hello\n")

    def test_a_faulty_observer_does_not_end_a_conversation(self) -> None:
        def fault(*_: object) -> None:
            raise ZeroDivisionError

        for event in ("opened", "answered", "closed"):
            self.patch(self.observer, event, fault)
        self.factory = self.make_factory()
        protocol, transport = self.connect()
        for _ in range(3):
            protocol.dataReceived(b"hello\n")
        protocol.readConnectionLost()
        self.assertEqual(transport.take(), b">hello\n" * 3)
        transport.flush()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_a_factory_says_nothing_of_its_own_in_the_log(self) -> None:
        self.assertFalse(self.factory.noisy)


class ReplyTests(ProtocolTestCase):
    def test_messages_are_answered_as_they_come(self) -> None:
        self.protocol.dataReceived(b"a\nb\nhel")
        self.assertEqual(self.transport.take(), b">a\n>b\n")
        self.protocol.dataReceived(b"lo\n")
        self.assertEqual(self.transport.take(), b">hello\n")

    def test_observers_hear_of_the_connection_its_messages_and_its_totals(self) -> None:
        (connection,) = self.observer.open
        self.assertEqual(connection.number, 1)
        self.assertEqual(connection.peer, self.transport.getPeer())
        self.assertEqual(connection.host, self.transport.getHost())
        self.protocol.dataReceived(b"a\nbc\n")
        self.assertEqual(self.observer.messages, [b"a", b"bc"])
        self.assertEqual((connection.messages, connection.received, connection.sent), (2, 5, 7))

    def test_connections_are_numbered(self) -> None:
        self.connect()
        self.assertEqual([connection.number for connection in self.observer.open], [1, 2])


class SilenceTests(ProtocolTestCase):
    def test_an_unterminated_message_is_answered_after_the_pause(self) -> None:
        self.protocol.dataReceived(b"hello")
        self.clock.advance(0.19)
        self.assertEqual(self.transport.take(), b"")
        self.clock.advance(0.01)
        self.assertEqual(self.transport.take(), b">hello")

    def test_every_byte_begins_the_pause_anew(self) -> None:
        for byte in (b"h", b"e", b"y"):
            self.protocol.dataReceived(byte)
            self.clock.advance(0.19)
        self.assertEqual(self.transport.take(), b"")
        self.clock.advance(0.01)
        self.assertEqual(self.transport.take(), b">hey")

    def test_from_the_first_newline_on_no_silence_cuts_a_line(self) -> None:
        self.protocol.dataReceived(b"a\nhel")
        self.clock.advance(3600)
        self.protocol.dataReceived(b"lo\n")
        self.assertEqual(self.transport.take(), b">a\n>hello\n")

    def test_a_newline_in_time_stops_the_pause(self) -> None:
        before = self.clock.getDelayedCalls()
        self.protocol.dataReceived(b"hel")
        self.clock.advance(0.1)
        self.protocol.dataReceived(b"lo\n")
        self.assertEqual(self.clock.getDelayedCalls(), before)
        self.assertEqual(self.transport.take(), b">hello\n")

    def test_a_client_whose_bytes_wait_to_be_read_is_not_silent(self) -> None:
        with receive_queue() as (ours, theirs):
            protocol, transport = self.connect_by(ours)
            protocol.dataReceived(b"hel")
            theirs.sendall(b"lo")
            self.clock.advance(0.2)
            self.assertEqual(transport.take(), b"")
            protocol.dataReceived(ours.recv(2))
            self.clock.advance(0.2)
            self.assertEqual(transport.take(), b">hello")

    def test_a_client_that_we_have_paused_is_not_silent(self) -> None:
        self.protocol.dataReceived(b"hel")
        self.protocol.pauseProducing()
        self.clock.advance(3600)
        self.assertEqual(self.transport.take(), b"")
        self.protocol.resumeProducing()
        self.protocol.dataReceived(b"lo")
        self.clock.advance(0.2)
        self.assertEqual(self.transport.take(), b">hello")

    def test_line_framing_never_cuts(self) -> None:
        self.factory = self.make_factory(Framing.LINE)
        protocol, transport = self.connect()
        protocol.dataReceived(b"hel")
        self.clock.advance(3600)
        protocol.dataReceived(b"lo\n")
        self.assertEqual(transport.take(), b">hello\n")


class BackPressureTests(ProtocolTestCase):
    def test_a_client_that_does_not_read_is_not_read_from(self) -> None:
        self.transport.room = 10
        self.protocol.dataReceived(b"x" * 20 + b"\n")
        self.assertFalse(self.transport.reading)
        self.transport.flush()
        self.assertTrue(self.transport.reading)

    def test_replies_wait_as_messages_and_are_made_as_there_is_room(self) -> None:
        self.transport.room = 1000
        self.protocol.dataReceived(b"\n" * 65536)
        self.assertLessEqual(len(self.transport.value()), 65536)
        self.assertFalse(self.transport.reading)
        while not self.transport.reading:
            self.transport.flush()
        self.assertEqual(self.transport.take(), b">\n" * 65536)

    def test_a_half_closed_client_gets_everything_that_waited(self) -> None:
        self.transport.room = 1000
        self.protocol.dataReceived(b"\n" * 65536)
        self.protocol.readConnectionLost()
        while self.transport.producer:
            self.transport.flush()
            self.assertFalse(self.transport.reading, "there is nothing more to read")
        self.transport.flush()
        self.assertEqual(self.transport.take(), b">\n" * 65536)
        self.assert_ended(EndReason.CLIENT)

    def test_nothing_is_read_from_a_client_that_has_finished_and_has_room_for_its_last_reply(self) -> None:
        self.transport.room = 10
        self.protocol.dataReceived(b"x" * 20 + b"\n")
        self.protocol.dataReceived(b"a\n")
        self.protocol.readConnectionLost()
        self.transport.flush()
        self.assertEqual(self.transport.take(), b">" + b"x" * 20 + b"\n>a\n")
        self.assertTrue(self.transport.disconnecting)
        self.assertFalse(self.transport.reading)


class ClosingTests(ProtocolTestCase):
    def test_a_client_that_closes_its_sending_side_gets_what_it_is_owed(self) -> None:
        self.protocol.dataReceived(b"a\nrest")
        self.protocol.readConnectionLost()
        self.assertEqual(self.transport.take(), b">a\n>rest")
        self.assertTrue(self.transport.disconnecting)
        self.transport.flush()
        self.assert_ended(EndReason.CLIENT)

    def test_an_empty_connection_is_answered_with_nothing(self) -> None:
        self.protocol.readConnectionLost()
        self.assertTrue(self.transport.disconnecting)
        self.assertEqual(self.transport.take(), b"")

    def test_a_close_word_that_ends_a_pause_leaves_nothing_to_wait_for(self) -> None:
        self.protocol.dataReceived(b"hel")
        self.protocol.dataReceived(b"lo\nexit\n")
        self.clock.advance(0.2)
        self.assertEqual(self.transport.take(), b">hello\n")

    def test_a_close_word_closes_our_side_then_waits_for_theirs(self) -> None:
        self.protocol.dataReceived(b"a\nexit\nb\n")
        self.assertEqual(self.transport.take(), b">a\n")
        self.assertTrue(self.transport.write_closed)
        self.assertFalse(self.transport.disconnecting)
        self.transport.flush()
        self.protocol.dataReceived(b"c\n")
        self.assertEqual(self.transport.take(), b"")
        self.protocol.readConnectionLost()
        self.assertTrue(self.transport.disconnecting)
        self.transport.flush()
        self.assert_ended(EndReason.CLOSE_WORD)

    def test_what_a_client_sends_after_a_close_word_is_still_read(self) -> None:
        self.transport.room = 1
        self.protocol.dataReceived(b"a\nexit\n")
        self.assertTrue(self.transport.reading)

    def test_a_message_too_long_is_told_after_the_replies_owed(self) -> None:
        self.protocol.dataReceived(b"a\n" + b"x" * 100_001)
        self.assertEqual(self.transport.take(), b">a\nserver error: message longer than 100000 bytes\n")
        self.transport.flush()
        self.protocol.readConnectionLost()
        self.transport.flush()
        self.assert_ended(EndReason.TOO_LONG)

    def test_a_client_that_does_not_close_is_left_when_it_has_everything_and_is_quiet(self) -> None:
        self.protocol.dataReceived(b"a\nexit\n")
        self.transport.flush()
        self.clock.advance(LINGER_SECONDS - 0.1)
        self.protocol.dataReceived(b"b\n")
        self.clock.advance(LINGER_SECONDS - 0.1)
        self.assertFalse(self.transport.disconnecting)
        self.clock.advance(0.1)
        self.assertTrue(self.transport.disconnecting)
        self.transport.flush()
        self.assert_ended(EndReason.CLOSE_WORD)

    def test_a_client_for_whom_the_kernel_still_holds_replies_is_not_left(self) -> None:
        left = [4000, 2000, 0]
        self.patch_unsent(lambda _transport: left.pop(0))
        self.protocol.dataReceived(b"a\nexit\n")
        self.transport.flush()
        self.clock.pump([LINGER_SECONDS, LINGER_SECONDS])
        self.assertFalse(self.transport.disconnecting)
        self.clock.advance(LINGER_SECONDS)
        self.assertTrue(self.transport.disconnecting)

    def test_a_client_that_goes_on_for_ever_is_not_waited_for(self) -> None:
        self.protocol.dataReceived(b"a\nexit\n")
        self.transport.flush()
        for _ in range(int(DEFAULT_IDLE_TIMEOUT * 1.09)):
            self.protocol.dataReceived(b"b\n")
            self.clock.advance(1)
        self.assertTrue(self.transport.disconnecting, "closed, not aborted: the replies have left")
        self.transport.flush()
        self.assert_ended(EndReason.CLOSE_WORD)

    def test_when_it_is_over_nothing_is_kept(self) -> None:
        gc.disable()
        self.addCleanup(gc.enable)
        protocol, transport = self.connect()
        protocol.dataReceived(b"hel")
        transport.lose(ConnectionLost())
        protocol_left, transport_left = weakref.ref(protocol), weakref.ref(transport)
        del protocol, transport
        self.assertIsNone(protocol_left())
        self.assertIsNone(transport_left())

    def test_a_reset_ends_it_at_any_point(self) -> None:
        self.protocol.dataReceived(b"a\nhel")
        self.transport.lose(ConnectionLost())
        self.assert_ended(EndReason.RESET)

    def test_a_reset_while_it_waits_for_silence_leaves_nothing_behind(self) -> None:
        self.protocol.dataReceived(b"hel")
        self.transport.lose(ConnectionLost())
        self.assert_ended(EndReason.RESET)

    def test_a_connection_that_simply_ends_was_closed_by_the_client(self) -> None:
        self.transport.lose(ConnectionDone())
        self.assert_ended(EndReason.CLIENT)

    def test_a_producer_is_told_to_stop_when_its_connection_is_lost(self) -> None:
        self.protocol.stopProducing()
        self.transport.lose(ConnectionLost())
        self.assert_ended(EndReason.RESET)


class IdleTests(ProtocolTestCase):
    """The idle timeout disconnects clients without progress; progress is looked for every twentieth of it."""

    idle_timeout = IDLE_TIMEOUT

    def wait(self, seconds: float) -> None:
        self.clock.pump([1] * int(seconds))

    def test_a_silent_client_that_has_everything_is_closed_gently(self) -> None:
        self.protocol.dataReceived(b"a\n")
        self.transport.flush()
        self.wait(IDLE_TIMEOUT - 1)
        self.assertFalse(self.transport.disconnecting)
        self.wait(IDLE_TIMEOUT * 0.05 + 1)
        self.assertTrue(self.transport.disconnecting)
        self.transport.flush()
        self.assert_ended(EndReason.IDLE)

    def test_an_idle_client_is_told_as_such_whatever_its_transport_says(self) -> None:
        self.wait(IDLE_TIMEOUT)
        self.assertTrue(self.transport.disconnecting)
        self.transport.lose(ConnectionLost())
        self.assert_ended(EndReason.IDLE)

    def test_the_time_is_told(self) -> None:
        (connection,) = self.observer.open
        self.wait(IDLE_TIMEOUT)
        self.assertEqual(connection.idle, IDLE_TIMEOUT)

    def test_a_message_now_and_then_keeps_a_connection(self) -> None:
        for _ in range(5):
            self.wait(IDLE_TIMEOUT - 1)
            self.protocol.dataReceived(b"a\n")
        self.assertFalse(self.transport.disconnecting)

    def test_part_of_a_message_does_not(self) -> None:
        self.protocol.dataReceived(b"a\n")
        for _ in range(int(IDLE_TIMEOUT * 1.2)):
            self.protocol.dataReceived(b"x")
            self.wait(1)
        self.assertTrue(self.transport.disconnecting)

    def test_a_client_that_does_not_take_its_replies_is_aborted(self) -> None:
        self.transport.room = 1
        self.protocol.dataReceived(b"a\n")
        self.wait(IDLE_TIMEOUT * 1.2)
        self.assert_ended(EndReason.IDLE)

    def test_so_is_one_for_whom_the_kernel_still_holds_replies(self) -> None:
        self.patch_unsent(lambda _transport: 1000)
        self.protocol.dataReceived(b"a\n")
        self.wait(IDLE_TIMEOUT * 1.2)
        self.assert_ended(EndReason.IDLE)

    def test_a_client_that_takes_a_byte_now_and_then_is_kept(self) -> None:
        left = [1000]
        self.patch_unsent(lambda _transport: left[0])
        self.transport.room = 1
        self.protocol.dataReceived(b"a\n")
        for _ in range(5):
            self.wait(IDLE_TIMEOUT * 0.8)
            left[0] -= 1
        self.assertEqual(self.observer.reasons, [])

    def test_also_if_its_replies_had_not_reached_the_kernel_at_the_first_look(self) -> None:
        left = [0]
        self.patch_unsent(lambda _transport: left[0])
        self.wait(IDLE_TIMEOUT * 0.05 - 1)
        self.protocol.dataReceived(b"a\n")
        self.wait(1)
        left[0] = 1000
        for _ in range(5):
            self.wait(IDLE_TIMEOUT * 0.8)
            left[0] -= 1
        self.assertEqual(self.observer.reasons, [])

    def test_a_client_that_we_say_goodbye_to_is_not_waited_for_any_longer(self) -> None:
        self.protocol.dataReceived(b"a\nexit\n")
        self.wait(IDLE_TIMEOUT * 1.3)
        self.assert_ended(EndReason.IDLE)

    def test_one_that_does_not_take_our_closing_is_aborted(self) -> None:
        self.wait(IDLE_TIMEOUT)
        self.assertTrue(self.transport.disconnecting)
        self.wait(IDLE_TIMEOUT * 0.1)
        self.assert_ended(EndReason.IDLE)

    def test_a_client_that_was_behind_is_closed_gently_once_it_has_everything(self) -> None:
        self.transport.room = 0
        self.protocol.dataReceived(b"a\nexit\n")
        self.assertTrue(self.transport.write_closed)
        self.transport.flush()
        for _ in range(int(IDLE_TIMEOUT * 1.06)):
            self.protocol.dataReceived(b"b\n")
            self.wait(1)
        self.assertTrue(self.transport.disconnecting, "closed, not aborted: the replies have left")
        self.assertEqual(self.observer.reasons, [])
        self.transport.flush()
        self.assert_ended(EndReason.CLOSE_WORD)

    def test_zero_is_for_ever_but_not_for_those_we_say_goodbye_to(self) -> None:
        self.idle_timeout = 0.0
        self.factory = self.make_factory()
        waiting, waiting_transport = self.connect()
        leaving, _ = self.connect()
        leaving.dataReceived(b"exit\n")
        self.clock.pump([DEFAULT_IDLE_TIMEOUT / 10] * 13)
        self.assertEqual(self.factory.protocols, {waiting})
        self.assertFalse(waiting_transport.disconnecting)


class RefusalTests(ProtocolTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.factory = self.make_factory(refusal=lambda _peer: RefusalReason.TOO_MANY)

    def connect_refused(self) -> tuple[RefusalProtocol, TCPStringTransport]:
        protocol = self.factory.buildProtocol(PEER)
        assert isinstance(protocol, RefusalProtocol)
        transport = TCPStringTransport(protocol)
        protocol.makeConnection(transport)
        return protocol, transport

    def test_a_client_is_refused_with_a_line(self) -> None:
        protocol, transport = self.connect_refused()
        self.assertEqual(transport.take(), b"server error: too many connections\n")
        self.assertTrue(transport.write_closed)
        protocol.dataReceived(b"hello\n")
        transport.flush()
        protocol.readConnectionLost()
        transport.flush()
        self.assertEqual(transport.take(), b"")
        self.assertEqual(self.factory.protocols, set())
        self.assertEqual(self.factory.refusing, set())

    def test_each_reason_has_its_own_line_or_none(self) -> None:
        for reason in RefusalReason:
            self.factory = self.make_factory(refusal=lambda _peer, reason=reason: reason)  # type: ignore[misc]
            if reason.error is None:
                self.assertIsNone(self.factory.buildProtocol(PEER), reason)
            else:
                self.patch(reason, "error", f"because of {reason.label}")
                _, transport = self.connect_refused()
                self.assertEqual(transport.take(), b"server error: because of %s\n" % reason.label.encode())
        self.assertEqual(self.observer.refusals, list(RefusalReason))

    def test_it_is_counted_and_told_apart_from_those_that_were_accepted(self) -> None:
        _, transport = self.connect_refused()
        transport.lose(ConnectionLost())
        self.assertEqual(self.observer.refusals, [RefusalReason.TOO_MANY])
        self.assertEqual(self.observer.reasons, [])
        totals = self.totals.totals()
        self.assertEqual((totals.accepted, totals.open, totals.refusals), (0, 0, {RefusalReason.TOO_MANY: 1}))

    def test_observers_never_hear_of_a_connection(self) -> None:
        before = list(self.observer.open)
        _, transport = self.connect_refused()
        self.assertEqual(self.observer.open, before)
        transport.lose(ConnectionLost())
        self.assertEqual(self.observer.ended, [])

    def test_only_so_many_are_waited_for(self) -> None:
        connected = [self.connect_refused()[1] for _ in range(REFUSALS_AT_ONCE + 1)]
        self.assertTrue(all(transport.write_closed for transport in connected[:-1]))
        self.assertFalse(any(transport.disconnecting for transport in connected[:-1]))
        self.assertTrue(connected[-1].disconnecting)

    def test_it_is_let_go_like_others_when_the_server_stops(self) -> None:
        protocol, transport = self.connect_refused()
        gone: list[None] = []
        self.factory.drain().addCallback(gone.append)
        self.assertEqual(gone, [])
        transport.flush()
        protocol.readConnectionLost()
        transport.flush()
        self.assertEqual(len(gone), 1)

    def test_it_is_reset_when_the_drain_ends_or_the_server_aborts(self) -> None:
        for end in ("end_drain", "abort"):
            self.connect_refused()
            gone: list[None] = []
            self.factory.drain().addCallback(gone.append)
            getattr(self.factory, end)()
            self.assertEqual(len(gone), 1)

    def test_the_address_decides(self) -> None:
        asked: list[IAddress] = []
        self.factory = self.make_factory(refusal=asked.append)
        self.connect()
        self.assertEqual(asked, [PEER])
        self.assertEqual(self.observer.refusals, [])


class DrainTests(ProtocolTestCase):
    """The drain: what clients get when the server stops."""

    def drain(self) -> list[None]:
        gone: list[None] = []
        self.factory.drain().addCallback(gone.append)
        return gone

    def test_without_clients_it_is_over_at_once(self) -> None:
        self.transport.lose(ConnectionDone())
        self.assertEqual(len(self.drain()), 1)

    def test_it_is_over_when_the_last_client_has_gone(self) -> None:
        other, other_transport = self.connect()
        gone = self.drain()
        for protocol, transport in ((self.protocol, self.transport), (other, other_transport)):
            self.assertEqual(gone, [])
            transport.flush()
            protocol.readConnectionLost()
            transport.flush()
        self.assertEqual(len(gone), 1)
        self.assertEqual(self.observer.reasons, [EndReason.SHUTDOWN] * 2)

    def test_an_idle_client_is_closed_gently(self) -> None:
        self.protocol.dataReceived(b"hello\n")
        self.drain()
        self.assertTrue(self.transport.write_closed)
        self.assertFalse(self.transport.disconnecting)

    def test_what_has_arrived_is_read_and_answered_first(self) -> None:
        with receive_queue() as (ours, theirs):
            protocol, transport = self.connect_by(ours)
            theirs.sendall(b"a\nb\n")
            self.drain()
            self.assertFalse(transport.write_closed)
            protocol.dataReceived(ours.recv(2))
            self.assertFalse(transport.write_closed)
            protocol.dataReceived(ours.recv(2))
            self.assertEqual(transport.take(), b">a\n>b\n")
            self.assertTrue(transport.write_closed)

    def test_a_client_that_has_just_come_has_a_pause_to_say_something(self) -> None:
        self.drain()
        self.assertFalse(self.transport.write_closed)
        self.protocol.dataReceived(b"hello\n")
        self.assertEqual(self.transport.take(), b">hello\n")
        self.assertTrue(self.transport.write_closed)

    def test_one_that_says_nothing_is_closed_after_it(self) -> None:
        self.drain()
        self.clock.advance(0.2)
        self.assertTrue(self.transport.write_closed)

    def test_a_client_that_goes_on_is_not_served_for_ever(self) -> None:
        self.protocol.dataReceived(b"hello\n")
        self.transport.take()
        self.drain()
        self.protocol.dataReceived(b"a\n")
        self.assertEqual(self.transport.take(), b"")

    def test_an_unterminated_message_gets_its_pause(self) -> None:
        self.protocol.dataReceived(b"hello")
        self.drain()
        self.clock.advance(0.1)
        self.assertFalse(self.transport.write_closed)
        self.clock.advance(0.1)
        self.assertEqual(self.transport.take(), b">hello")
        self.assertTrue(self.transport.write_closed)

    def test_an_unterminated_message_is_answered_when_there_is_no_time_for_its_pause(self) -> None:
        self.protocol.dataReceived(b"hello")
        self.drain()
        self.factory.end_drain()
        self.assertEqual(self.transport.take(), b">hello")
        self.assertTrue(self.transport.disconnecting)
        self.transport.flush()
        self.assert_ended(EndReason.SHUTDOWN)

    def test_over_pyopenssl_it_closes_once_and_the_client_behind_it_gets_its_turn(self) -> None:
        alsoProvides(self.transport, ISSLTransport)
        other, other_transport = self.connect()
        alsoProvides(other_transport, ISSLTransport)
        for protocol in (self.protocol, other):
            protocol.dataReceived(b"hello")
        self.drain()
        self.factory.end_drain()
        for transport in (self.transport, other_transport):
            self.assertEqual(transport.take(), b">hello")
            self.assertTrue(transport.disconnecting)
            transport.flush()
        self.assertEqual(self.observer.reasons, [EndReason.SHUTDOWN] * 2)

    def test_one_that_is_given_up_in_the_middle_is_closed_for_that_reason(self) -> None:
        with receive_queue() as (ours, theirs):
            protocol, transport = self.connect_by(ours)
            protocol.dataReceived(b"hello")
            theirs.sendall(b"more")
            self.factory.drain()
            protocol.end_drain()
            self.assertEqual(transport.take(), b">hello")
            transport.flush()
            self.assertEqual(self.observer.reasons, [EndReason.SHUTDOWN])

    def test_a_message_that_the_clients_fin_ends_is_answered(self) -> None:
        with receive_queue() as (ours, theirs):
            protocol, transport = self.connect_by(ours)
            protocol.dataReceived(b"a\n")
            theirs.sendall(b"rest")
            theirs.shutdown(socket.SHUT_WR)
            self.drain()
            protocol.dataReceived(ours.recv(4))
            self.assertFalse(transport.write_closed)
            protocol.readConnectionLost()
            self.assertEqual(transport.take(), b">a\n>rest")
            self.assertTrue(transport.disconnecting)

    def test_part_of_a_line_is_no_message(self) -> None:
        self.protocol.dataReceived(b"a\nhel")
        self.drain()
        self.assertEqual(self.transport.take(), b">a\n")
        self.assertTrue(self.transport.write_closed)

    def test_a_close_word_is_still_one(self) -> None:
        self.protocol.dataReceived(b"hello")
        self.drain()
        self.protocol.dataReceived(b"\nexit\n")
        self.transport.flush()
        self.protocol.readConnectionLost()
        self.transport.flush()
        self.assertEqual(self.transport.take(), b">hello\n")
        self.assert_ended(EndReason.CLOSE_WORD)

    def test_a_client_that_is_behind_gets_its_replies_as_it_reads(self) -> None:
        self.transport.room = 1000
        self.protocol.dataReceived(b"\n" * 65536)
        self.drain()
        self.assertFalse(self.transport.write_closed)
        while self.transport.producer:
            self.transport.flush()
        self.assertEqual(self.transport.take(), b">\n" * 65536)
        self.assertTrue(self.transport.write_closed)

    def test_asking_twice_changes_nothing(self) -> None:
        self.drain()
        self.drain()
        self.transport.flush()
        self.protocol.readConnectionLost()
        self.transport.flush()
        self.assert_ended(EndReason.SHUTDOWN)

    def test_giving_up_aborts_who_has_not_made_room(self) -> None:
        self.protocol.dataReceived(b"a\n")
        gone = self.drain()
        self.factory.end_drain()
        self.assertEqual(len(gone), 1)
        self.assert_ended(EndReason.ABORTED)

    def test_giving_up_closes_who_only_has_not_closed(self) -> None:
        self.protocol.dataReceived(b"a\n")
        self.drain()
        self.transport.flush()
        self.factory.end_drain()
        self.assertTrue(self.transport.disconnecting)
        self.transport.flush()
        self.assert_ended(EndReason.SHUTDOWN)

    def test_aborting_waits_for_nobody(self) -> None:
        gone = self.drain()
        self.factory.abort()
        self.assertEqual(len(gone), 1)
        self.assert_ended(EndReason.ABORTED)

    def test_a_connection_lost_meanwhile_leaves_nothing_behind(self) -> None:
        self.drain()
        self.transport.lose(ConnectionLost())
        self.assert_ended(EndReason.RESET)


class GreetingTests(ProtocolTestCase):
    """The greeting that a script sends on connect."""

    TEXT = r'greeting = "{{ connection }} {{ peer.host }}:{{ peer.port }} {{ host.host }} {{ transport }}\n"'

    def test_a_client_is_greeted_at_once(self) -> None:
        for rest in ("", "\nreply = '{{ count }}{{ end }}'"):
            self.factory = self.make_factory(rules=rules_of_toml(self.TEXT + rest))
            _, transport = self.connect()
            self.assertEqual(transport.take(), b"1 192.168.1.1:54321 10.0.0.1 tcp\n")

    def test_a_greeting_is_sent_but_answers_nothing(self) -> None:
        self.factory = self.make_factory(rules=rules_of_toml("greeting = 'hello'"))
        protocol, transport = self.connect()
        self.assertEqual((protocol.connection.sent, protocol.connection.messages), (5, 0))
        self.assertEqual(self.observer.messages, [])
        protocol.dataReceived(b"a\n")
        self.assertEqual(transport.take(), b"hello>a\n")
        self.assertEqual((protocol.connection.sent, protocol.connection.messages), (8, 1))

    def test_by_a_unix_socket_it_says_so(self) -> None:
        self.factory = self.make_factory(rules=rules_of_toml(self.TEXT))
        protocol = built(self.factory)
        transport = TCPStringTransport(protocol)
        transport.hostAddr = UNIXAddress("/run/echoreply.sock")
        transport.peerAddr = UNIXAddress(None)
        protocol.makeConnection(transport)
        self.assertEqual(transport.take(), b"1 :0 /run/echoreply.sock unix\n")

    def test_one_too_many_is_not_greeted(self) -> None:
        for text in ("greeting = 'hello'", "greeting = 'hello'\nreply = '{{ count }}'"):
            self.factory = self.make_factory(refusal=lambda _: RefusalReason.TOO_MANY, rules=rules_of_toml(text))
            protocol = self.factory.buildProtocol(PEER)
            assert protocol
            transport = TCPStringTransport(protocol)
            protocol.makeConnection(transport)
            protocol.dataReceived(b"a\n")
            self.assertEqual(transport.take(), b"server error: too many connections\n")

    def test_a_handshake_that_ends_after_the_drain_is_followed_by_no_greeting(self) -> None:
        self.factory = self.make_factory(rules=rules_of_toml("greeting = 'hello'"))
        pair = Pair(factory=TLSFactory(self.factory, any_server_context(), lambda *_: None))
        (protocol,) = self.factory.protocols
        self.factory.drain()
        self.clock.advance(0.2)
        self.assertTrue(pair.lower.write_closed)
        pair.shake_hands()
        self.assertTrue(protocol.connection.tls, "the handshake is complete")
        self.assertEqual(protocol.connection.sent, 0)

    def test_one_longer_than_a_client_takes_waits_and_so_does_what_follows(self) -> None:
        self.factory = self.make_factory(rules=rules_of_toml(f"greeting = '{'x' * 70_000}'"))
        protocol, transport = self.connect()
        self.assertFalse(transport.reading)
        protocol.dataReceived(b"a\n")
        self.assertEqual(transport.take(), b"x" * 70_000)
        transport.flush()
        self.assertTrue(transport.reading)
        self.assertEqual(transport.take(), b">a\n")

    def test_a_client_that_has_only_been_greeted_is_let_go_like_others(self) -> None:
        self.factory = self.make_factory(rules=rules_of_toml("greeting = 'hello'"))
        protocol, transport = self.connect()
        self.factory.drain()
        self.clock.advance(0.2)
        self.assertTrue(transport.write_closed)
        self.assertEqual(transport.take(), b"hello")
        protocol.readConnectionLost()
        transport.flush()
        self.assertEqual(self.observer.reasons, [EndReason.SHUTDOWN])


class ScriptTests(ProtocolTestCase):
    """A conversation by a script ends, waits and is bounded as any other."""

    TEXT = """
        reply = "{{ count }} {{ message }}{{ end }}"
        [[rule]]
        message = "last"
        reply = "goodbye\\n"
        close = true
        [[rule]]
        message = "fault"
        reply = "{{ tls.version }}"
        [[rule]]
        message = "long"
        reply = "{{ 'x' * 50000 }}\\n"
    """

    def make_factory(
        self,
        framing: Framing = Framing.AUTO,
        refusal: Callable[[IAddress], RefusalReason | None] = lambda _peer: None,
        rules: Rules | None = None,
    ) -> ReplyFactory:
        rules = rules or rules_of_toml(self.TEXT, framing=framing, max_message=1000)
        return super().make_factory(framing, refusal, rules)

    def test_messages_are_answered_and_told_as_they_come(self) -> None:
        self.protocol.dataReceived(b"a\nb\nhel")
        self.assertEqual(self.transport.take(), b"1 a\n2 b\n")
        self.protocol.dataReceived(b"lo\n")
        self.assertEqual(self.transport.take(), b"3 hello\n")
        self.assertEqual(self.observer.messages, [b"a", b"b", b"hello"])

    def test_a_rule_that_closes_has_its_reply_sent_and_waits_for_the_client(self) -> None:
        self.protocol.dataReceived(b"a\nlast\nb\n")
        self.assertEqual(self.transport.take(), b"1 a\ngoodbye\n")
        self.assertTrue(self.transport.write_closed)
        self.assertFalse(self.transport.disconnecting)
        self.transport.flush()
        self.protocol.dataReceived(b"c\n")
        self.protocol.readConnectionLost()
        self.transport.flush()
        self.assertEqual(self.transport.take(), b"")
        self.assert_ended(EndReason.RULE)
        self.assertEqual(self.observer.messages, [b"a", b"last"])

    def test_after_a_fault_the_connection_lives(self) -> None:
        self.protocol.dataReceived(b"fault\na\n")
        self.assertEqual(self.transport.take(), b"server error: rule 2: 'None' has no attribute 'version'\n2 a\n")
        self.protocol.dataReceived(b"b\n")
        self.assertEqual(self.transport.take(), b"3 b\n")

    def test_a_silence_ends_a_message_before_the_first_newline_only(self) -> None:
        self.protocol.dataReceived(b"hello")
        self.clock.advance(0.2)
        self.assertEqual(self.transport.take(), b"1 hello")
        self.protocol.dataReceived(b"a\nb")
        self.clock.advance(3600)
        self.assertEqual(self.transport.take(), b"2 a\n")

    def test_a_client_that_closes_its_sending_side_gets_what_it_is_owed(self) -> None:
        self.protocol.dataReceived(b"a\nrest")
        self.protocol.readConnectionLost()
        self.assertEqual(self.transport.take(), b"1 a\n2 rest")
        self.transport.flush()
        self.assert_ended(EndReason.CLIENT)

    def test_a_message_too_long_is_told_after_the_replies_owed(self) -> None:
        self.protocol.dataReceived(b"a\n" + b"x" * 1001)
        self.assertEqual(self.transport.take(), b"1 a\nserver error: message longer than 1000 bytes\n")

    def test_a_client_that_does_not_take_long_replies_costs_no_more_than_one_and_a_batch(self) -> None:
        self.transport.room = 1000
        self.protocol.dataReceived(b"long\n" * 1000)
        self.assertFalse(self.transport.reading)
        received = bytearray()
        while not self.transport.reading:
            taken = self.transport.take()
            self.assertLessEqual(len(taken), 50_001 + protocol_module.BUFFER)
            received += taken
            self.transport.flush()
        received += self.transport.take()
        self.assertEqual(received, (b"x" * 50_000 + b"\n") * 1000)

    def test_what_has_arrived_is_answered_when_the_server_stops(self) -> None:
        with receive_queue() as (ours, theirs):
            protocol, transport = self.connect_by(ours)
            protocol.dataReceived(b"a\n")
            theirs.sendall(b"b\nrest")
            self.factory.drain()
            protocol.dataReceived(ours.recv(100))
            self.assertEqual(transport.take(), b"1 a\n2 b\n")
            self.assertTrue(transport.write_closed)

    def test_rules_are_those_that_held_when_the_connection_began(self) -> None:
        self.protocol.dataReceived(b"a\n")
        self.factory.rules = rules_of_toml("greeting = 'new '", b"p:")
        self.protocol.dataReceived(b"b\n")
        self.assertEqual(self.transport.take(), b"1 a\n2 b\n")
        protocol, transport = self.connect()
        protocol.dataReceived(b"c\n")
        self.assertEqual(transport.take(), b"new p:c\n")
