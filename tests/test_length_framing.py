"""
A framing that the program does not have: four bytes of length, then the body, and no terminator.

All of it is here. Conversations, scripts, the protocol, its log and the recorder for tests take it as it is, so a
framing of another kind is a framer and a block, and a member of an enum that has the framer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Self

from attrs import define
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from echoreply.core.close_words import CloseWords
from echoreply.core.conversation import REPLIES_AT_ONCE, Conversation, Rules
from echoreply.core.framing import Block, Framer, Framing, FramingEnum
from echoreply.core.parsing import alternatives, choice
from echoreply.core.reasons import EndReason
from echoreply.core.replies import Replies, Transform
from echoreply.observe.log import LogObserver
from echoreply.protocol import ReplyFactory, ReplyProtocol
from echoreply.scripts import source
from echoreply.scripts.rules import rules_of_script
from echoreply.scripts.source import script_of_toml
from echoreply.testing.recorder import Recorder
from tests.support.fake_transports import TCPStringTransport, built
from tests.support.memory_observer import Memory
from tests.support.sample_scripts import BY_TCP

HEADER = 4
PEER = IPv4Address("TCP", "192.0.2.1", 4000)


def framed(body: bytes) -> bytes:
    return len(body).to_bytes(HEADER, "big") + body


@define
class LengthBlock(Block):
    def messages(self) -> Iterator[bytes]:
        start = 0
        for _ in range(self.count):
            end = start + HEADER + int.from_bytes(self.data[start : start + HEADER], "big")
            yield self.data[start:end]
            start = end

    @staticmethod
    def split(message: bytes) -> tuple[bytes, bytes]:
        return message[HEADER:], b""

    @staticmethod
    def too_long(message: bytes, max_message: int) -> bool:
        return len(message) - HEADER > max_message

    def may_hold(self, close_words: CloseWords) -> bool:
        return any(body in close_words for body in self.bodies())

    def prefixed(self, prefix: bytes, transform: Callable[[bytes], bytes] | None) -> bytes:
        bodies = self.bodies()
        return b"".join(framed(prefix + (transform(body) if transform else body)) for body in bodies)

    def fitting(self, size: int, prefix: int) -> Self:
        length = 0
        for number, message in enumerate(self.messages()):
            if number and length + len(message) + (number + 1) * prefix > size:
                return self.first(length, number)
            length += len(message)
        return self


class LengthFramer(Framer):
    def __init__(self, max_message: int) -> None:
        self._max_message = max_message
        self._rest = b""
        self.overflow = False

    def receive(self, data: bytes) -> Block | None:
        if self.overflow:
            return None
        self._rest += data
        end = count = 0
        while len(self._rest) >= end + HEADER:
            length = int.from_bytes(self._rest[end : end + HEADER], "big")
            if length > self._max_message:
                self.overflow = True
                break
            if len(self._rest) < end + HEADER + length:
                break
            end += HEADER + length
            count += 1
        whole, self._rest = self._rest[:end], self._rest[end:]
        return LengthBlock(whole, count) if count else None

    def frame(self, text: bytes) -> bytes:
        return framed(text)

    def leaves_line_open(self, sent: bytes) -> bool:
        return False


class WiderFraming(FramingEnum):
    """L{Framing} as it would be with one more member."""

    AUTO = Framing.AUTO.value, Framing.AUTO.framer
    LENGTH = "length", LengthFramer


MESSAGES = [b"hello", b"", b"a\nb\r\n", b"\n", b"\0\xff" * 20, b"exit?"]
STREAM = b"".join(map(framed, MESSAGES))
ERROR = b"server error: message longer than 50 bytes\n"

SCRIPT = r"""
greeting = "hello\n"
[[rule]]
message = "ping"
reply = "pong {{ count }}{{ end }}"
[[rule]]
message = "fault"
reply = "{{ 1 // (count - count) }}"
[[rule]]
message = "hush"
reply = ""
[[rule]]
message = "go"
reply = "bye"
close = true
"""
SCRIPTED = b"".join(map(framed, [b"a\n", b"ping", b"fault", b"hush", b"", b"go", b"more"]))
SCRIPTED_REPLIES = b"".join(
    map(
        framed,
        [b">a\n", b"pong 2", b"server error: rule 2: integer division or modulo by zero\n", b">", b"bye"],
    )
)


def rules(transform: Transform = Transform.NONE) -> Rules:
    return Rules(Replies(b">", transform), WiderFraming.LENGTH, max_message=50)


def scripted_rules() -> Rules:
    return rules_of_script(script_of_toml(SCRIPT), Replies(b">"), framing=WiderFraming.LENGTH, max_message=50)


def cuts(stream: bytes) -> Iterator[list[bytes]]:
    """Yield a stream cut in two at every byte, then into single bytes, then whole."""
    for place in range(len(stream) + 1):
        yield [stream[:place], stream[place:]]
    yield [bytes([byte]) for byte in stream]
    yield [stream]


def replies(conversation: Conversation, reads: list[bytes]) -> bytes:
    sent = b""
    for read in reads:
        block = conversation.answer(read)
        assert block is None
        conversation.receive(read)
        while block := conversation.next_replies():
            sent += block.replies
    conversation.finish_message()
    while block := conversation.next_replies():
        sent += block.replies
    return sent


class ConversationTests(SynchronousTestCase):
    def test_every_message_gets_its_reply_however_the_stream_is_cut(self) -> None:
        expected = b"".join(framed(b">" + message) for message in MESSAGES)
        for reads in cuts(STREAM):
            self.assertEqual(replies(Conversation(rules()), reads), expected)

    def test_a_transform_leaves_the_header_alone(self) -> None:
        stream = framed(b"a" * 0x41)[:HEADER] + b"a" * 0x41
        wide = Rules(Replies(b"", Transform.LOWER), WiderFraming.LENGTH)
        self.assertEqual(replies(Conversation(wide), [stream]), stream)
        self.assertEqual(replies(Conversation(rules(Transform.UPPER)), [framed(b"a")]), framed(b">A"))

    def test_close_words_end_it(self) -> None:
        stream = framed(b"a") + framed(b"quit") + framed(b"b")
        for reads in cuts(stream):
            conversation = Conversation(rules())
            self.assertEqual(replies(conversation, reads), framed(b">a"))
            self.assertIs(conversation.ending, EndReason.CLOSE_WORD)

    def test_a_message_that_is_too_long_is_told_before_it_has_arrived(self) -> None:
        for stream in (framed(b"a") + framed(b"x" * 51), framed(b"a") + framed(b"x" * 51)[:HEADER]):
            for reads in cuts(stream):
                conversation = Conversation(rules())
                self.assertEqual(replies(conversation, reads), framed(b">a") + framed(ERROR))
                self.assertIs(conversation.ending, EndReason.TOO_LONG)

    def test_replies_are_made_as_many_as_fit_at_once(self) -> None:
        conversation = Conversation(rules())
        conversation.receive(framed(b"x") * 10_000)
        count = 0
        while block := conversation.next_replies():
            self.assertLessEqual(len(block.replies), REPLIES_AT_ONCE)
            self.assertEqual(block.replies, framed(b">x") * block.count)
            count += block.count
        self.assertEqual(count, 10_000)

    def test_an_unfinished_message_is_no_message(self) -> None:
        self.assertEqual(replies(Conversation(rules()), [framed(b"hello")[:-1]]), b"")


class NameTests(SynchronousTestCase):
    def test_options_take_it_by_its_name(self) -> None:
        self.assertIs(choice(WiderFraming)("length"), WiderFraming.LENGTH)
        self.assertEqual(alternatives(WiderFraming), "auto|length")

    def test_scripts_take_it_by_its_name(self) -> None:
        self.patch(source, "Framing", WiderFraming)
        conversation = rules_of_script(script_of_toml("framing = 'length'")).new_conversation()
        self.assertEqual(
            replies(conversation, [STREAM]), b"".join(framed(b"server reply:" + each) for each in MESSAGES)
        )


class ScriptTests(SynchronousTestCase):
    def test_a_script_sees_bodies_and_its_replies_are_framed(self) -> None:
        for reads in cuts(SCRIPTED):
            conversation = scripted_rules().new_conversation()
            self.assertEqual(conversation.greet(BY_TCP).replies, framed(b"hello\n"))
            self.assertEqual(replies(conversation, reads), SCRIPTED_REPLIES)
            self.assertIs(conversation.ending, EndReason.RULE)

    def test_many_messages_are_answered_some_at_a_time(self) -> None:
        script = script_of_toml("reply = \"{{ 'x' * 5000 }} {{ count }}\"")
        conversation = rules_of_script(script, framing=WiderFraming.LENGTH).new_conversation()
        conversation.greet(BY_TCP)
        conversation.receive(framed(b"a\n") * 100)
        sent = b""
        while block := conversation.next_replies():
            self.assertLessEqual(len(block.replies), REPLIES_AT_ONCE + 5010)
            sent += block.replies
        self.assertEqual(sent, b"".join(framed(b"%s %d" % (b"x" * 5000, number)) for number in range(1, 101)))


class ProtocolTests(SynchronousTestCase):
    def connect(self, rules: Rules) -> tuple[ReplyProtocol, TCPStringTransport]:
        self.clock = Clock()
        self.observer = Memory()
        self.recorder = Recorder(lambda: None)
        observers = [self.observer, self.recorder, LogObserver(self.clock, 1000)]
        protocol = built(ReplyFactory(self.clock, rules, observers=observers), PEER)
        transport = TCPStringTransport(protocol)
        protocol.makeConnection(transport)
        return protocol, transport

    def talk(self, rules: Rules, reads: list[bytes]) -> bytes:
        protocol, transport = self.connect(rules)
        for read in reads:
            # No silence ends a message.
            self.clock.advance(1)
            if read:
                protocol.dataReceived(read)
        protocol.readConnectionLost()
        value: bytes = transport.value()
        return value

    def test_every_message_gets_its_reply_however_the_network_cuts_the_stream(self) -> None:
        expected = b"".join(framed(b">" + message) for message in MESSAGES)
        for reads in cuts(STREAM):
            self.assertEqual(self.talk(rules(), reads), expected)
            self.assertEqual(self.observer.messages, MESSAGES)
            self.assertEqual(self.recorder.messages, MESSAGES)

    def test_so_does_a_script(self) -> None:
        for reads in cuts(SCRIPTED):
            self.assertEqual(self.talk(scripted_rules(), reads), framed(b"hello\n") + SCRIPTED_REPLIES)
            self.assertEqual(self.observer.messages, [b"a\n", b"ping", b"fault", b"hush", b"", b"go"])

    def test_a_client_that_does_not_read_gets_all_replies_as_it_reads(self) -> None:
        protocol, transport = self.connect(rules())
        transport.room = 1000
        protocol.dataReceived(framed(b"x") * 10_000)
        while not transport.reading:
            transport.flush()
        self.assertEqual(transport.value(), framed(b">x") * 10_000)
