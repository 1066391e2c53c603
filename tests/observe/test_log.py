"""The observer that logs."""

from typing import Any, cast

from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, Logger, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from echoreply.core.connection_info import TLSDetails
from echoreply.core.framing import Block
from echoreply.core.reasons import DropReason, EndReason, RefusalReason
from echoreply.net.listener import Layer, Listener
from echoreply.observe.event_logging import name_and_fields
from echoreply.observe.events import MAX_SHOWN
from echoreply.observe.log import CONNECTIONS_PER_SECOND, REFUSALS_PER_SECOND, LogObserver, ServerLogObserver
from echoreply.observe.observer import Connection
from echoreply.observe.totals import Totals
from echoreply.observe.totals_observer import TotalsObserver
from tests.support.memory_observer import verify_observer

STOPPED = "stopped: accepted 0, open 0, ended 0, refused 0, messages 0, bytes in 0, bytes out 0"
HOST = IPv4Address("TCP", "192.0.2.9", 8088)
UDP = Listener((Layer.UDP,), IPv4Address("UDP", "192.0.2.9", 8088))


class LogTestCase(SynchronousTestCase):
    """Has a log whose entries are kept."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.events: list[LogEvent] = []
        self.log = Logger("echoreply", observer=cast(ILogObserver, self.events.append))
        self.client = Connection(1, IPv4Address("TCP", "192.0.2.1", 4000), HOST)

    def observer(self, rate: int) -> LogObserver:
        return LogObserver(self.clock, rate, self.log)

    @property
    def lines(self) -> list[str]:
        return [formatEvent(event) for event in self.events]


class PartTests(LogTestCase):
    """Several observers, in as many processes, share the rate limits."""

    def test_all_parts_together_log_as_many_as_one_observer(self) -> None:
        for number in (1, 2, 3, 10):
            self.events.clear()
            for which in (1, 2, 3):
                LogObserver(self.clock, number, self.log, part=(which, 3)).answered(self.client, Block(b"x\n" * 99, 99))
            self.assertEqual(len(self.lines), number)

    def test_an_observer_whose_part_is_zero_still_counts(self) -> None:
        log = LogObserver(self.clock, 1, self.log, part=(1, 2))
        for _ in range(2):
            log.answered(self.client, Block(b"x\n", 1))
        self.clock.advance(1)
        self.assertEqual(self.lines, ["messages not logged: 2"])


class ConnectionTests(LogTestCase):
    def test_it_is_an_observer(self) -> None:
        verify_observer(self.observer(1))

    def test_listening_is_logged_with_the_bound_address(self) -> None:
        log = ServerLogObserver(Totals, self.log)
        verify_observer(log)
        for layers in ((), (Layer.TLS,), (Layer.PROXY, Layer.TLS)):
            log.listening(Listener(layers, HOST))
        line = "listening on 192.0.2.9:8088"
        self.assertEqual(self.lines, [line, f"{line} for TLS", f"{line} for PROXY and TLS"])
        fields = [name_and_fields(event) for event in self.events]
        self.assertEqual([each["over"] for _, each in fields], ["", "TLS", "PROXY and TLS"])

    def test_the_events_of_a_connection_are_logged(self) -> None:
        log = self.observer(10)
        log.opened(self.client)
        log.answered(self.client, Block(b"hello\r\n", 1))
        self.client.messages, self.client.received, self.client.sent = 1, 7, 20
        log.closed(self.client, EndReason.CLOSE_WORD)
        self.assertEqual(
            self.lines,
            [
                "192.0.2.1:4000 connected",
                '192.0.2.1:4000 sent "hello"',
                "192.0.2.1:4000 ended: close word received; messages 1, bytes in 7, bytes out 20",
            ],
        )

    def test_the_end_of_an_idle_connection_is_logged_with_its_seconds(self) -> None:
        self.client.idle = 600.0
        self.observer(10).closed(self.client, EndReason.IDLE)
        self.assertEqual(self.lines, ["192.0.2.1:4000 ended: idle for 600 s; messages 0, bytes in 0, bytes out 0"])

    def test_totals_are_logged_at_the_end(self) -> None:
        counts = TotalsObserver()
        counts.refused(self.client.listener, self.client.peer, RefusalReason.TOO_MANY)
        for reason in (EndReason.RESET, EndReason.CLIENT, EndReason.CLIENT):
            connection = Connection(1, self.client.peer, HOST, messages=2, received=4, sent=8)
            counts.opened(connection)
            counts.closed(connection, reason)
        counts.opened(self.client)
        ServerLogObserver(counts.totals, self.log).stopped()
        self.assertEqual(
            self.lines,
            [
                "stopped: accepted 4, open 1, ended 3 (closed by the client: 2; connection reset or lost: 1), "
                "refused 1 (too many connections: 1), messages 6, bytes in 12, bytes out 24"
            ],
        )


class FieldsTests(LogTestCase):
    """The fields for machines."""

    def fields(self) -> list[tuple[str, dict[str, Any]]]:
        return [name_and_fields(event) for event in self.events]

    def setUp(self) -> None:
        super().setUp()
        self.client.listener = Listener((Layer.TLS,), HOST)
        self.ends = {"connection": 1, "peer": "192.0.2.1:4000", "host": "192.0.2.9:8088", "transport": "tls"}

    def test_events_of_a_connection_have_its_number_and_both_addresses(self) -> None:
        log = self.observer(10)
        log.opened(self.client)
        log.answered(self.client, Block(b"hello\r\n" + b"x" * 300 + b"\n", 2))
        self.client.messages, self.client.received, self.client.sent, self.client.idle = 2, 308, 400, 60.0
        log.closed(self.client, EndReason.IDLE)
        self.assertEqual(
            self.fields(),
            [
                ("connected", self.ends),
                ("message", {**self.ends, "message": "hello", "bytes": 5}),
                ("message", {**self.ends, "message": "x" * MAX_SHOWN, "bytes": 300}),
                ("ended", {**self.ends, "reason": "idle", "idle": 60.0, "messages": 2, "received": 308, "sent": 400}),
            ],
        )

    def test_every_handshake_is_logged_with_text_only_for_client_certificates(self) -> None:
        log = self.observer(10)
        log.handshake_completed(self.client, TLSDetails("TLSv1.3", "TLS_AES_128_GCM_SHA256"))
        log.handshake_completed(
            self.client, TLSDetails("TLSv1.3", "TLS_AES_128_GCM_SHA256", "a.example", "echo/1", "CN=é")
        )
        details = {"version": "TLSv1.3", "cipher": "TLS_AES_128_GCM_SHA256"}
        whom = {"server_name": "a.example", "alpn": "echo/1", "client": "CN=é"}
        self.assertEqual(
            self.fields(), [("secured", {**self.ends, **details}), ("secured", {**self.ends, **details, **whom})]
        )
        self.assertEqual(self.lines, ["", '192.0.2.1:4000 is "CN=é"'])

    def test_handshakes_are_limited_separately_from_those_with_a_client_certificate(self) -> None:
        log = self.observer(10)
        for _ in range(CONNECTIONS_PER_SECOND + 5):
            log.handshake_completed(self.client, TLSDetails("TLSv1.3", ""))
        log.handshake_completed(self.client, TLSDetails("TLSv1.3", "", client="CN=alice"))
        self.clock.advance(1)
        self.assertEqual(len(self.events), CONNECTIONS_PER_SECOND + 2)
        self.assertEqual([line for line in self.lines if line], ['192.0.2.1:4000 is "CN=alice"'])
        self.assertEqual(self.fields()[-1], ("not_logged", {"what": "handshakes", "count": 5}))

    def test_a_client_without_a_connection_is_logged_with_its_listener(self) -> None:
        log = self.observer(10)
        ends = {name: value for name, value in self.ends.items() if name != "connection"}
        log.refused(self.client.listener, self.client.peer, RefusalReason.DENIED)
        log.failed(self.client.listener, self.client.peer, Layer.TLS, "no idea")
        log.answered_datagram(UDP, ("192.0.2.1", 4000), b"a", 10)
        log.dropped(UDP, ("192.0.2.1", 7), b"abc", DropReason.ANSWERING_PORT)
        udp = {**ends, "transport": "udp"}
        self.assertEqual(
            self.fields(),
            [
                ("refused", {**ends, "reason": "denied"}),
                ("failed", {**ends, "layer": "TLS", "why": "no idea"}),
                ("message", {**udp, "message": "a", "bytes": 1}),
                ("dropped", {**udp, "peer": "192.0.2.1:7", "reason": "answering_port", "bytes": 3}),
            ],
        )


class RefusalTests(LogTestCase):
    def test_a_refusal_is_logged_with_its_reason(self) -> None:
        self.observer(10).refused(self.client.listener, self.client.peer, RefusalReason.TOO_MANY_FROM_HOST)
        self.assertEqual(self.lines, ["192.0.2.1:4000 refused: too many connections from one host"])

    def test_refusals_over_the_rate_limit_are_counted(self) -> None:
        log = self.observer(0)
        for _ in range(REFUSALS_PER_SECOND + 3):
            log.refused(self.client.listener, self.client.peer, RefusalReason.TOO_MANY)
        self.clock.advance(1)
        self.assertEqual(len(self.lines), REFUSALS_PER_SECOND + 1)
        self.assertEqual(self.lines[-1], "refusals not logged: 3")


class DatagramTests(LogTestCase):
    def test_datagrams_are_logged_as_messages_within_the_same_rate_limit(self) -> None:
        log = self.observer(2)
        log.answered(self.client, Block(b"a\n", 1))
        for message in (b"b\r\n", b"c"):
            log.answered_datagram(UDP, ("2001:db8::1", 4000), message, 10)
        self.assertEqual(self.lines, ['192.0.2.1:4000 sent "a"', '[2001:db8::1]:4000 sent "b"'])
        log.stopped()
        self.assertEqual(self.lines[-1], "messages not logged: 1")

    def test_rate_0_logs_no_datagrams(self) -> None:
        self.observer(0).answered_datagram(UDP, ("192.0.2.1", 4000), b"a", 10)
        self.assertEqual(self.lines, [])

    def test_dropped_datagrams_are_logged_with_their_reason_within_a_rate_limit(self) -> None:
        log = self.observer(0)
        for _ in range(REFUSALS_PER_SECOND + 3):
            log.dropped(UDP, ("192.0.2.1", 7), b"a", DropReason.ANSWERING_PORT)
        self.clock.advance(1)
        self.assertEqual(self.lines[0], "192.0.2.1:7 dropped: from a port that answers")
        self.assertEqual(len(self.lines), REFUSALS_PER_SECOND + 1)
        self.assertEqual(self.lines[-1], "drops not logged: 3")

    def test_dropped_datagrams_are_logged_by_reason_at_the_end(self) -> None:
        counts = TotalsObserver()
        for reason in [DropReason.RATE] * 2 + [DropReason.PREFIX] * 10:
            counts.dropped(UDP, ("192.0.2.1", 4000), b"a", reason)
        ServerLogObserver(counts.totals, self.log).stopped()
        self.assertEqual(
            self.lines,
            [
                STOPPED.replace("bytes in 0", "bytes in 12")
                + ", dropped 12 (begins with the prefix: 10; over the rate limit: 2)"
            ],
        )


class MessageTests(LogTestCase):
    def test_each_message_of_a_block_is_logged(self) -> None:
        self.observer(10).answered(self.client, Block(b"a\n\nb\n", 3))
        self.assertEqual(self.lines, [f"192.0.2.1:4000 sent {shown}" for shown in ('"a"', '""', '"b"')])

    def test_control_characters_line_ends_and_braces_in_messages_are_escaped(self) -> None:
        self.observer(10).answered(self.client, Block(b"\x1b[2J\r\nfake {log_level} {peer}", 1))
        self.assertEqual(self.lines, [r'192.0.2.1:4000 sent "\x1b[2J\r\nfake {log_level} {peer}"'])

    def test_a_long_message_is_truncated(self) -> None:
        self.observer(10).answered(self.client, Block(b"x" * 5000 + b"\n", 1))
        self.assertEqual(self.lines, [f'192.0.2.1:4000 sent "{"x" * MAX_SHOWN}"... (5000 bytes)'])


class RateTests(LogTestCase):
    def test_messages_over_the_rate_limit_are_counted_and_the_count_is_logged(self) -> None:
        log = self.observer(2)
        log.answered(self.client, Block(b"a\nb\nc\nd\n", 4))
        log.answered(self.client, Block(b"e\n", 1))
        self.assertEqual(len(self.lines), 2)
        self.clock.advance(1)
        self.assertEqual(self.lines[2:], ["messages not logged: 3"])

    def test_connections_are_logged_within_a_rate_limit(self) -> None:
        log = self.observer(0)
        for _ in range(CONNECTIONS_PER_SECOND + 5):
            log.opened(self.client)
            log.closed(self.client, EndReason.CLIENT)
        self.assertEqual(len(self.lines), 2 * CONNECTIONS_PER_SECOND)
        self.clock.advance(1)
        self.assertEqual(self.lines[-2:], ["connections not logged: 5", "ends not logged: 5"])
        log.opened(self.client)
        self.assertEqual(self.lines[-1], "192.0.2.1:4000 connected")

    def test_each_second_has_its_own_limit(self) -> None:
        log = self.observer(1)
        for message in (b"a\n", b"b\n"):
            log.answered(self.client, Block(message, 1))
            self.clock.advance(1)
        self.assertEqual(self.lines, ['192.0.2.1:4000 sent "a"', '192.0.2.1:4000 sent "b"'])

    def test_an_idle_second_needs_no_timer(self) -> None:
        log = self.observer(1)
        log.answered(self.client, Block(b"a\n", 1))
        self.clock.advance(1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_rate_0_logs_no_messages(self) -> None:
        log = self.observer(0)
        log.answered(self.client, Block(b"a\n", 1))
        log.stopped()
        ServerLogObserver(Totals, self.log).stopped()
        self.assertEqual(self.lines, [STOPPED])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_the_last_count_is_logged_when_the_server_stops(self) -> None:
        log = self.observer(1)
        log.answered(self.client, Block(b"a\nb\n", 2))
        log.stopped()
        ServerLogObserver(Totals, self.log).stopped()
        self.assertEqual(self.lines[1:], ["messages not logged: 1", STOPPED])
        self.assertEqual(self.clock.getDelayedCalls(), [])
