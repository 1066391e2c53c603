"""Replies to datagrams, and the reasons to drop them."""

from __future__ import annotations

import errno
import os
from typing import Any, cast

from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.internet.udp import Port
from twisted.trial.unittest import SynchronousTestCase

from echoreply.core.conversation import Rules
from echoreply.core.reasons import DropReason
from echoreply.core.replies import Replies, Transform
from echoreply.net.listener import Layer, Listener
from echoreply.server import datagrams
from echoreply.server.datagrams import ANSWERING_PORTS, ReplyDatagrams
from tests.support.memory_observer import Memory
from tests.support.sample_scripts import rules_of_toml

PORT = 8088
CLIENT = ("192.0.2.1", 4000)


class Transport:
    """A transport that stores what is sent, or raises an error of the system."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, Any]] = []
        self.error = 0
        self.asked = ""

    def getHost(self) -> IPv4Address:
        return IPv4Address("UDP", "192.0.2.9", PORT)

    def write(self, datagram: bytes, addr: Any) -> None:  # noqa: ANN401
        if self.error:
            raise OSError(self.error, os.strerror(self.error))
        self.sent.append((datagram, addr))


class DatagramsTestCase(SynchronousTestCase):
    """A protocol on a transport in memory."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_800_000_000)
        self.observer = Memory()
        self.denied: set[str] = set()
        self.begin()

    def begin(self, rules: Rules | None = None, rate: int = 1000) -> None:
        self.transport = Transport()
        self.protocol = ReplyDatagrams(
            self.clock,
            lambda: rules or Rules(),
            self.observer,
            Listener((Layer.UDP,)),
            rate=rate,
            permits=lambda host: host not in self.denied,
        )
        self.protocol.makeConnection(cast(Port, self.transport))

    def send(self, datagram: bytes, peer: Any = CLIENT) -> bytes | None:  # noqa: ANN401
        """Return the reply, if there is one."""
        self.protocol.datagramReceived(datagram, peer)
        if not self.transport.sent:
            return None
        reply, to = self.transport.sent.pop()
        self.assertEqual(to, peer)
        return reply

    def assert_dropped(self, reason: DropReason, datagram: bytes = b"hello", peer: Any = CLIENT) -> None:  # noqa: ANN401
        self.assertIsNone(self.send(datagram, peer))
        self.assertEqual(self.observer.drops.pop(), reason)


class ReplyTests(DatagramsTestCase):
    def test_a_datagram_is_one_message_whatever_it_contains(self) -> None:
        for message in (b"hello", b"hello\n", b"a\nb\n", b"\r\n", b"\0\xff", b"", b"exit\na"):
            self.assertEqual(self.send(message), b"server reply:" + message)

    def test_an_empty_prefix_makes_it_an_echo_server(self) -> None:
        self.begin(Rules(Replies(prefix=b"")))
        for message in (b"hello\n", b""):
            self.assertEqual(self.send(message), message)

    def test_letters_are_transformed(self) -> None:
        self.begin(Rules(Replies(prefix=b"p:", transform=Transform.UPPER)))
        self.assertEqual(self.send(b"a\nb"), b"p:A\nB")

    def test_observers_get_the_peer_and_the_length_of_the_reply(self) -> None:
        self.send(b"hello\n")
        self.send(b"", ("::ffff:192.0.2.7", 4001, 0, 0))
        self.assertEqual(self.observer.datagrams, [(CLIENT, b"hello\n", 19), (("192.0.2.7", 4001), b"", 13)])


class ScriptTests(DatagramsTestCase):
    """Datagrams that are answered by a script."""

    def sent(self, datagram: bytes) -> list[bytes]:
        self.protocol.datagramReceived(datagram, CLIENT)
        sent, self.transport.sent[:] = [reply for reply, _ in self.transport.sent], []
        return sent

    def test_a_greeting_goes_before_each_reply(self) -> None:
        self.begin(rules_of_toml("greeting = 'hello'"))
        for _ in range(2):
            self.assertEqual(self.sent(b"a"), [b"hello", b">a"])
        self.assertEqual(self.observer.datagrams, [(CLIENT, b"a", 7)] * 2)

    def test_a_script_can_show_the_addresses_and_the_transport(self) -> None:
        who = "{{ peer.host }}:{{ peer.port }} {{ host.host }}:{{ host.port }}"
        self.begin(
            rules_of_toml(f"reply = '{{{{ connection }}}} {{{{ count }}}} {{{{ transport }}}} {who} {{{{ tls }}}}'")
        )
        self.assertEqual(self.sent(b"a"), [b"0 1 udp 192.0.2.1:4000 192.0.2.9:8088 None"])
        self.transport.asked = "::ffff:192.0.2.7"
        self.assertEqual(self.sent(b"a"), [b"0 1 udp 192.0.2.1:4000 192.0.2.7:8088 None"])

    def test_a_message_with_an_empty_reply_counts_as_answered(self) -> None:
        self.begin(rules_of_toml("reply = ''"))
        self.assertEqual(self.sent(b"a"), [])
        self.assertEqual(self.observer.datagrams, [(CLIENT, b"a", 0)])
        self.assertEqual(self.observer.drops, [])

    def test_the_close_words_are_those_of_the_script(self) -> None:
        self.begin(rules_of_toml("close_on = ['bye']"))
        self.assertEqual(self.sent(b"exit"), [b">exit"])
        self.assert_dropped(DropReason.CLOSE_WORD, b"bye\n")

    def test_a_rendering_error_is_sent_to_the_client(self) -> None:
        self.begin(rules_of_toml("reply = '{{ tls.version }}'"))
        self.assertEqual(self.sent(b"a"), [b"server error: reply: 'None' has no attribute 'version'\n"])

    def test_replies_of_other_servers_are_recognized_by_the_common_prefix(self) -> None:
        self.begin(rules_of_toml("reply = 're: {{ message }}{{ end }}'"))
        self.assert_dropped(DropReason.PREFIX, b"re: a")
        self.assertEqual(self.sent(b">a"), [b"re: >a"])
        self.begin(rules_of_toml("reply = '{{ count }}'"))
        self.assertEqual(self.sent(b">a"), [b"1"])

    def test_each_datagram_is_answered_by_the_current_rules(self) -> None:
        rules = [rules_of_toml("reply = 'one'")]
        self.protocol = ReplyDatagrams(self.clock, lambda: rules[0], self.observer, Listener((Layer.UDP,)), rate=1000)
        self.protocol.makeConnection(cast(Port, self.transport))
        self.assertEqual(self.sent(b"a"), [b"one"])
        rules[0] = rules_of_toml("reply = 'two'")
        self.assertEqual(self.sent(b"a"), [b"two"])


class DropTests(DatagramsTestCase):
    def test_a_close_word_gets_no_reply(self) -> None:
        for close_word in (b"exit", b"quit\n", b"\rexit\r\r\n"):
            self.assert_dropped(DropReason.CLOSE_WORD, close_word)

    def test_a_message_over_the_limit_gets_no_reply_and_its_terminator_does_not_count(self) -> None:
        self.begin(Rules(max_message=5))
        for message in (b"12345", b"12345\n", b"12345\r\n"):
            self.assertEqual(self.send(message), b"server reply:" + message)
        self.assert_dropped(DropReason.TOO_LONG, b"123456")

    def test_a_datagram_that_begins_with_the_prefix_gets_no_reply(self) -> None:
        self.assert_dropped(DropReason.PREFIX, b"server reply:hello")
        self.assert_dropped(DropReason.PREFIX, b"server reply:")

    def test_datagrams_from_ports_that_answer_anything_get_no_reply(self) -> None:
        self.assertEqual(ANSWERING_PORTS, {7, 13, 17, 19})
        for port in (*ANSWERING_PORTS, PORT):
            self.assert_dropped(DropReason.ANSWERING_PORT, peer=("192.0.2.1", port))
            self.assert_dropped(DropReason.ANSWERING_PORT, peer=("2001:db8::1", port, 0, 0))

    def test_denied_addresses_get_no_reply_also_if_they_are_ipv4_mapped(self) -> None:
        self.denied.add("192.0.2.1")
        self.assert_dropped(DropReason.DENIED)
        self.assert_dropped(DropReason.DENIED, peer=("::ffff:192.0.2.1", 4000, 0, 0))

    def test_a_reply_that_the_system_can_not_send_is_dropped(self) -> None:
        for error, reason in (
            (errno.EAGAIN, DropReason.NO_ROOM),
            (errno.ENOBUFS, DropReason.NO_ROOM),
            (errno.EMSGSIZE, DropReason.REPLY_TOO_LONG),
            (errno.ECONNREFUSED, DropReason.UNSENDABLE),
            (errno.EPERM, DropReason.UNSENDABLE),
            (errno.ENETUNREACH, DropReason.UNSENDABLE),
        ):
            self.transport.error = error
            self.assert_dropped(reason)
        self.transport.error = 0
        self.assertEqual(self.send(b"hello"), b"server reply:hello")


class RateTests(DatagramsTestCase):
    def test_the_rate_limit_is_per_host_whatever_the_port(self) -> None:
        self.begin(rate=2)
        for _ in range(3):
            for port in (4000, 4001):
                self.assertIsNotNone(self.send(b"hello", ("192.0.2.1", port)))
            self.assert_dropped(DropReason.RATE, peer=("192.0.2.1", 4002))
            self.assert_dropped(DropReason.RATE, peer=("::ffff:192.0.2.1", 4002, 0, 0))
            self.assertIsNotNone(self.send(b"hello", ("192.0.2.2", 4000)))
            self.clock.advance(1)

    def test_dropped_datagrams_do_not_count_towards_the_rate(self) -> None:
        self.begin(rate=1)
        self.assert_dropped(DropReason.CLOSE_WORD, b"exit")
        self.assertIsNotNone(self.send(b"hello"))

    def test_the_number_of_hosts_is_limited_and_known_hosts_are_still_answered(self) -> None:
        self.patch(datagrams, "MAX_HOSTS", 3)
        for _ in range(2):
            for number in range(3):
                self.assertIsNotNone(self.send(b"hello", (f"2001:db8::{number}", 4000, 0, 0)))
            self.assert_dropped(DropReason.TOO_MANY_HOSTS, peer=("2001:db8::3", 4000, 0, 0))
            self.assertIsNotNone(self.send(b"hello", ("2001:db8::1", 4000, 0, 0)))
            self.clock.advance(1)

    def test_a_clock_that_is_set_back_does_not_block_hosts(self) -> None:
        self.begin(rate=1)
        self.assertIsNotNone(self.send(b"hello"))
        self.clock.rightNow -= 3600
        self.assertIsNotNone(self.send(b"hello"))
        self.assert_dropped(DropReason.RATE)

    def test_the_rate_limit_needs_no_timer(self) -> None:
        self.send(b"hello")
        self.assertEqual(self.clock.getDelayedCalls(), [])
