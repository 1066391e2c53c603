"""TLS in memory: one end is ours, the other Python's own."""

from __future__ import annotations

import ssl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHalfCloseableProtocol, IHandshakeListener, ITCPTransport
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from zope.interface import implementer
from zope.interface.verify import verifyObject

from echoreply.core.reasons import RefusalReason
from echoreply.net.transport import IDuplexTransport, IRecordTransport, taken
from echoreply.protocol import ReplyFactory
from echoreply.tls.factory import TLSFactory
from tests.support.memory_observer import Memory
from tests.support.sample_scripts import rules_of_toml
from tests.support.tls_pair import Lines, Pair, Upper, any_server_context
from tests.support.tls_peers import Session, client_context


def test_the_interfaces_are_provided() -> None:
    pair = Pair()
    verifyObject(ITCPTransport, pair.tls)
    verifyObject(IDuplexTransport, pair.tls)
    verifyObject(IRecordTransport, pair.tls)
    verifyObject(IHalfCloseableProtocol, pair.tls)


def test_a_conversation_can_be_cut_at_every_byte() -> None:
    pair = Pair(Lines())
    while not pair.client.shake_hands(pair.lower.take()):
        for byte in pair.client.take():
            pair.tls.dataReceived(bytes([byte]))
    for byte in pair.client.take() + pair.client.send(b"hello\n") + pair.client.send(b"again\n"):
        pair.tls.dataReceived(bytes([byte]))
    assert pair.take() == b"HELLO\nAGAIN\n"
    assert pair.upper.received == [b"hello\n", b"again\n"]  # type: ignore[attr-defined]


def test_several_records_in_a_read_are_passed_on_as_one() -> None:
    pair = Pair(Lines())
    pair.shake_hands()
    records = b"".join(pair.client.send(b"%d\n" % number) for number in range(100))
    pair.tls.dataReceived(records)
    assert pair.upper.received == [b"".join(b"%d\n" % number for number in range(100))]  # type: ignore[attr-defined]
    assert taken(pair.tls, 0) > len(records)


def test_data_and_close_notify_may_come_with_the_end_of_the_handshake() -> None:
    pair = Pair(upper := Upper())
    assert not pair.client.shake_hands()
    pair.tls.dataReceived(pair.client.take())
    assert pair.client.shake_hands(pair.lower.take())
    pair.tls.dataReceived(pair.client.take() + pair.client.send(b"hello\n") + pair.client.goodbye() + b"junk")
    assert upper.data == b"hello\n"
    assert upper.told == ["read"]


@settings(max_examples=60)
@given(
    st.lists(st.binary(max_size=50_000), max_size=5),
    st.lists(st.integers(1, 40_000), min_size=1, max_size=10),
)
def test_any_segmentation_leads_to_the_same_result(messages: list[bytes], cuts: list[int]) -> None:
    pair = Pair(upper := Lines())
    pair.shake_hands()
    data = b"".join(map(pair.client.send, messages)) + pair.client.goodbye()
    turn = 0
    while data:
        size = cuts[turn % len(cuts)]
        pair.tls.dataReceived(data[:size])
        data = data[size:]
        turn += 1
    assert upper.data == b"".join(messages)
    assert upper.told == ["read"]
    assert pair.take() == b"".join(messages).upper()


def test_a_protocol_that_raises_at_the_end_of_the_handshake_leaves_the_buffers_empty() -> None:
    @implementer(IHandshakeListener)
    class Failing(Upper):
        def handshakeCompleted(self) -> None:
            raise RuntimeError

    factory = TLSFactory(Factory.forProtocol(Failing), any_server_context(), lambda *_: None)
    first, second = Pair(factory=factory), Pair(factory=factory)
    with pytest.raises(RuntimeError):
        first.shake_hands()
    with pytest.raises(RuntimeError):
        second.shake_hands()


def test_bytes_that_are_written_before_there_are_keys_are_held() -> None:
    pair = Pair(upper := Upper())
    upper.transport.write(b"one ")
    upper.transport.writeSequence([b"too ", b"many"])
    upper.transport.loseWriteConnection()
    upper.transport.write(b"ignored")
    assert not pair.lower.write_closed
    assert pair.shake_hands() == b"one too many"
    assert pair.client.ended
    assert pair.lower.write_closed
    pair.tls.writeConnectionLost()
    assert upper.told == ["write"]


def test_closing_waits_for_held_bytes() -> None:
    pair = Pair(upper := Upper())
    upper.transport.write(b"bye")
    upper.transport.loseConnection()
    assert not pair.lower.disconnecting
    assert pair.shake_hands() == b"bye"
    assert pair.client.ended
    assert pair.lower.disconnecting


def test_without_keys_there_is_no_close_notify() -> None:
    pair = Pair(upper := Upper())
    upper.transport.loseConnection()
    assert pair.lower.disconnecting
    assert pair.lower.take() == b""


def test_a_handshake_may_end_after_we_have_closed_our_side() -> None:
    pair = Pair(upper := Upper())
    assert not pair.client.shake_hands()
    pair.tls.dataReceived(pair.client.take())
    assert pair.client.shake_hands(pair.lower.take())
    upper.transport.loseWriteConnection()
    assert pair.lower.write_closed
    pair.lower.write_closed = False
    pair.tls.dataReceived(pair.client.take() + pair.client.send(b"hello"))
    assert not pair.lower.write_closed, "once is enough"
    assert upper.data == b"hello"
    pair.tls.readConnectionLost()
    assert (upper.told, pair.failures) == (["read"], [])


def test_closing_sends_one_close_notify() -> None:
    pair = Pair(upper := Upper())
    pair.shake_hands()
    upper.transport.write(b"last")
    upper.transport.loseWriteConnection()
    goodbye = pair.lower.take()
    assert pair.client.receive(goodbye) == b"last"
    assert pair.client.ended
    upper.transport.write(b"ignored")
    upper.transport.loseConnection()
    upper.transport.loseConnection()
    assert pair.lower.take() == b""
    assert pair.lower.disconnecting


def test_after_our_close_notify_the_client_is_still_read_from() -> None:
    pair = Pair(upper := Upper())
    pair.shake_hands()
    upper.transport.loseWriteConnection()
    pair.tls.dataReceived(pair.client.send(b"more"))
    assert upper.data == b"more"
    pair.tls.readConnectionLost()
    assert upper.told == ["read"]
    assert pair.failures == []


def test_after_the_clients_close_notify_it_is_still_written_to() -> None:
    pair = Pair(upper := Upper())
    pair.shake_hands()
    pair.tls.dataReceived(pair.client.goodbye())
    pair.tls.readConnectionLost()
    assert upper.told == ["read"]
    upper.transport.write(b"x" * 100_000)
    assert pair.take() == b"x" * 100_000


def test_a_protocol_without_half_close_is_closed() -> None:
    class Whole(Protocol):
        pass

    pair = Pair(Whole())
    pair.shake_hands()
    pair.tls.dataReceived(pair.client.goodbye())
    assert pair.lower.disconnecting
    pair.tls.writeConnectionLost()


@pytest.mark.parametrize("begun", [False, True])
def test_an_end_without_a_close_notify_is_a_failure(begun: bool) -> None:
    pair = Pair(upper := Upper())
    if begun:
        pair.client.shake_hands()
        pair.tls.dataReceived(pair.client.take())
    else:
        pair.shake_hands()
    pair.tls.readConnectionLost()
    assert pair.failures == ["closed during the handshake" if begun else "closed without a close_notify"]
    assert pair.lower.disconnecting
    pair.lower.lose(ConnectionDone())
    assert isinstance(upper.reason, ConnectionLost)


def test_a_client_that_closes_without_sending_is_not_a_failure() -> None:
    pair = Pair(upper := Upper())
    pair.tls.readConnectionLost()
    pair.lower.lose(ConnectionDone())
    assert pair.failures == []
    assert isinstance(upper.reason, ConnectionDone)


def test_invalid_records_are_a_failure_and_get_an_alert() -> None:
    pair = Pair(upper := Upper())
    pair.tls.dataReceived(b"GET / HTTP/1.1\r\n\r\n")
    assert pair.failures == ["http request"]
    assert pair.lower.disconnecting
    pair.tls.dataReceived(b"more\r\n")
    assert pair.failures == ["http request"]
    assert upper.data == b""


def test_data_before_a_bad_record_is_passed_on() -> None:
    pair = Pair(upper := Upper())
    upper.transport.registerProducer(upper, True)
    pair.shake_hands()
    pair.tls.dataReceived(pair.client.send(b"good") + b"\x17\x03\x03\x00\x20" + bytes(32))
    assert upper.data == b"good"
    assert pair.failures == ["decryption failed or bad record mac"]
    upper.transport.write(b"ignored")
    upper.transport.loseConnection()
    with pytest.raises(ssl.SSLError):
        pair.take()


def test_aborting_resets_the_connection_below() -> None:
    pair = Pair(upper := Upper())
    pair.shake_hands()
    upper.transport.abortConnection()
    assert isinstance(upper.reason, ConnectionAborted)
    upper.transport.write(b"ignored")
    assert pair.take() == b""


class TestProducers:
    def test_a_producer_is_paused_and_resumed_with_the_transport(self) -> None:
        pair = Pair(upper := Upper())
        upper.transport.registerProducer(upper, True)
        with pytest.raises(RuntimeError):
            upper.transport.registerProducer(upper, True)
        pair.shake_hands()
        upper.transport.write(b"x" * 70_000)
        assert upper.told == ["pause"]
        pair.lower.flush()
        assert upper.told == ["pause", "resume"]
        upper.transport.unregisterProducer()
        upper.transport.unregisterProducer()
        assert pair.lower.producer is None

    def test_held_bytes_are_bounded(self) -> None:
        pair = Pair(upper := Upper())
        upper.transport.registerProducer(upper, True)
        upper.transport.write(b"x" * 70_000)
        upper.transport.write(b"x")
        assert upper.told == ["pause"]
        pair.lower.room = 1 << 20
        assert pair.shake_hands() == b"x" * 70_001
        assert upper.told == ["pause", "resume"]

    def test_closing_waits_for_the_producer(self) -> None:
        pair = Pair(upper := Upper())
        upper.transport.registerProducer(upper, True)
        pair.shake_hands()
        upper.transport.loseConnection()
        upper.transport.write(b"last")
        assert not pair.lower.disconnecting
        upper.transport.unregisterProducer()
        assert pair.take() == b"last"
        assert pair.client.ended
        assert pair.lower.disconnecting

    def test_the_producer_is_stopped_with_the_connection(self) -> None:
        pair = Pair(upper := Upper())
        upper.transport.registerProducer(upper, True)
        pair.lower.lose(ConnectionDone())
        assert upper.told == ["stop"]
        pair.tls.registerProducer(upper, True)
        assert upper.told == ["stop", "stop"]

    def test_pausing_the_transport_does_not_stop_a_handshake(self) -> None:
        pair = Pair(upper := Upper())
        upper.transport.pauseProducing()
        assert pair.lower.reading
        pair.shake_hands()
        assert not pair.lower.reading
        upper.transport.resumeProducing()
        assert pair.lower.reading
        upper.transport.stopProducing()
        assert pair.lower.disconnecting


class TestGreeting:
    """A reply server's greeting over TLS."""

    TEXT = r'greeting = "{{ transport }} {{ tls.version }} {{ tls.server_name }}\n"'

    def pair(self, observer: Memory, refusal: RefusalReason | None = None) -> Pair:
        factory = ReplyFactory(Clock(), rules_of_toml(self.TEXT), refusal=lambda _: refusal, observers=[observer])
        pair = Pair(factory=TLSFactory(factory, any_server_context(), lambda *_: None))
        pair.client = Session(client_context(), "server.test")
        return pair

    def test_the_greeting_is_sent_after_the_handshake(self) -> None:
        pair = self.pair(Memory())
        assert not pair.lower.value()
        assert pair.shake_hands() == b"tls TLSv1.3 server.test\n"
        pair.tls.dataReceived(pair.client.send(b"a\n"))
        assert pair.take() == b">a\n"

    def test_the_greeting_precedes_the_reply_to_data_that_arrives_with_the_handshake(self) -> None:
        pair = self.pair(Memory())
        assert not pair.client.shake_hands()
        pair.tls.dataReceived(pair.client.take())
        assert pair.client.shake_hands(pair.lower.take())
        pair.tls.dataReceived(pair.client.take() + pair.client.send(b"a\n") + pair.client.goodbye())
        assert pair.take() == b"tls TLSv1.3 server.test\n>a\n"

    def test_a_client_without_a_handshake_gets_no_greeting(self) -> None:
        observer = Memory()
        pair = self.pair(observer)
        pair.tls.dataReceived(b"hello\n")
        assert b"server.test" not in pair.lower.value()
        assert [connection.sent for connection in observer.open] == [0]

    def test_a_client_over_the_limit_gets_no_greeting(self) -> None:
        observer = Memory()
        pair = self.pair(observer, RefusalReason.TOO_MANY)
        assert pair.shake_hands() == b"server error: too many connections\n"
        assert observer.refusals == [RefusalReason.TOO_MANY]
