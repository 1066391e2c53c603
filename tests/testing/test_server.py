"""The far end of another program's tests: its listener, its rules and its records, on a reactor in memory."""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from echoreply.core.conversation import Rules
from echoreply.core.replies import Replies
from echoreply.observe.observer import Connection
from echoreply.protocol import ReplyFactory
from echoreply.testing.server import POLL_INTERVAL, Server, serve
from tests.support.fake_transports import TCPStringTransport, built


def memory_reactor() -> Any:  # noqa: ANN401
    return MemoryReactorClock()


class ServerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = memory_reactor()
        self.server = serve(self.reactor)
        [(_, self.factory, _, self.interface)] = self.reactor.tcpServers
        self.reactor.advance(0)

    def connect(self) -> tuple[TCPStringTransport, Connection]:
        assert isinstance(self.factory, ReplyFactory)
        protocol = built(self.factory)
        transport = TCPStringTransport(protocol)
        protocol.makeConnection(transport)
        return transport, protocol.connection

    def say(self, data: bytes) -> bytes:
        transport, _ = self.connect()
        transport.protocol.dataReceived(data)
        return transport.take()

    def test_it_listens_on_this_machine_only(self) -> None:
        self.assertEqual(self.interface, "127.0.0.1")
        self.assertEqual(self.server.address, ("127.0.0.1", self.server.port))

    def test_it_answers_and_remembers(self) -> None:
        self.assertEqual(self.say(b"a\nb\n"), b"server reply:a\nserver reply:b\n")
        self.assertEqual(self.server.messages, [b"a", b"b"])
        self.assertEqual([seen.received for seen in self.server.connections], [4])

    def test_rules_hold_for_connections_that_come_later(self) -> None:
        transport, _ = self.connect()
        self.server.rules = Rules(Replies(b"> "))
        transport.protocol.dataReceived(b"a\n")
        self.assertEqual(transport.take(), b"server reply:a\n")
        self.assertEqual(self.say(b"a\n"), b"> a\n")
        self.assertEqual(self.server.rules.replies.prefix, b"> ")

    def test_a_script_that_is_not_right_is_not_taken(self) -> None:
        self.server.script = script = r'reply = "PONG\n"'
        with self.assertRaisesRegex(ValueError, "script, line 1: "):
            self.server.script = "reply = 1"
        self.assertEqual(self.server.script, script)
        self.assertEqual(self.say(b"PING\n"), b"PONG\n")

    def test_a_condition_that_is_true_already_does_not_wait(self) -> None:
        self.assertIsNone(self.successResultOf(self.server.wait_for(lambda server: not server.messages)))
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_it_waits_until_a_condition_holds_and_tells_so_outside_of_the_connections_call(self) -> None:
        met = self.server.wait_for(lambda server: len(server.messages) == 2)
        self.say(b"a\n")
        self.reactor.advance(0)
        self.assertNoResult(met)
        self.say(b"b\n")
        self.assertNoResult(met)
        self.reactor.advance(0)
        self.assertIsNone(self.successResultOf(met))

    def test_bytes_that_make_no_message_yet_are_noticed_too(self) -> None:
        met = self.server.wait_for(lambda server: [seen.received for seen in server.connections] == [3])
        self.say(b"hel")
        self.reactor.advance(POLL_INTERVAL)
        self.assertIsNone(self.successResultOf(met))

    def test_several_can_wait_and_one_can_start_when_another_is_done(self) -> None:
        def has(count: int, server: Server) -> bool:
            return len(server.messages) == count

        then = self.server.wait_for(lambda server: has(1, server))
        then.addCallback(lambda _: self.server.wait_for(lambda server: has(2, server)))
        other = self.server.wait_for(lambda server: has(1, server))
        self.say(b"a\n")
        self.reactor.advance(0)
        self.successResultOf(other)
        self.assertNoResult(then)
        self.say(b"b\n")
        self.reactor.advance(0)
        self.successResultOf(then)

    def test_a_waiter_can_be_cancelled_by_the_condition_of_another(self) -> None:
        first = self.server.wait_for(lambda server: server.messages)
        second = self.server.wait_for(lambda server: server.messages)
        first.addCallback(lambda _: second.cancel())
        self.say(b"a\n")
        self.reactor.advance(0)
        self.successResultOf(first)
        self.failureResultOf(second)

    def test_a_timeout_fails_and_lists_what_was_received(self) -> None:
        met = self.server.wait_for(lambda _server: False, timeout=3)
        self.say(b"a\n\x1b[2J\n")
        transport, _ = self.connect()
        transport.lose(ConnectionDone())
        self.reactor.advance(2.9)
        self.assertNoResult(met)
        self.reactor.advance(0.1)
        text = str(self.failureResultOf(met, TimeoutError).value)
        self.assertIn("within 3 s", text)
        self.assertIn(r'2 messages, the last "\x1b[2J"; 7 bytes; open', text)
        self.assertIn("0 messages; 0 bytes; ended: ", text)

    def test_a_condition_that_is_true_at_the_timeout_is_met(self) -> None:
        holds: list[bool] = []
        met = self.server.wait_for(lambda _server: holds, timeout=POLL_INTERVAL / 2)
        holds.append(True)
        self.reactor.advance(POLL_INTERVAL / 2)
        self.assertIsNone(self.successResultOf(met))

    def test_to_wait_in_vain_for_a_connection_says_that_there_was_none(self) -> None:
        met = self.server.wait_for(lambda server: server.connections)
        self.reactor.advance(10)
        self.assertIn("no connection", str(self.failureResultOf(met, TimeoutError).value))

    def test_an_exception_of_the_condition_is_passed_on(self) -> None:
        self.failureResultOf(self.server.wait_for(lambda server: server.messages[0]), IndexError)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_it_stops_and_leaves_nothing_with_the_reactor(self) -> None:
        self.connect()
        met = self.server.wait_for(lambda server: server.messages)
        stopped = self.server.stop()
        self.failureResultOf(met)
        self.reactor.advance(0)
        self.assertIsNone(self.successResultOf(stopped))
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertIsNotNone(self.server.connections[0].ended)

    def test_it_may_be_stopped_twice(self) -> None:
        self.successResultOf(self.server.stop())
        self.successResultOf(self.server.stop())
