"""The choice of a script's reply to a message, and its rendering."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from echoreply.core.connection_info import ConnectionInfo, PortNumbers
from echoreply.core.framing import Block
from echoreply.core.replies import Replies, Transform
from echoreply.scripts.responder import Responder
from echoreply.scripts.scripted_conversation import Answer
from echoreply.scripts.source import script_of_toml
from tests.support.sample_scripts import BY_TCP, BY_TLS


class ResponderTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reported: list[str] = []

    def responder(self, text: str, replies: Replies | None = None, seconds: float = 0) -> Responder:
        return Responder(
            script=script_of_toml(text),
            replies=replies or Replies(b">"),
            ports=PortNumbers(tcp=8088),
            seconds=lambda: seconds,
            report=self.reported.append,
        )

    def answer(self, text: str, message: bytes, count: int = 1, by: ConnectionInfo = BY_TCP) -> Answer:
        return self.responder(text).answer(by, count, *Block.split(message))

    def test_the_first_rule_that_a_message_is_answers_it(self) -> None:
        text = """
            reply = "none{{ end }}"
            [[rule]]
            message = "a"
            reply = "one{{ end }}"
            [[rule]]
            pattern = "^[ab]"
            reply = "two{{ end }}"
            close = true
        """
        self.assertEqual(self.answer(text, b"a\r\n"), Answer("rule 1", b"one\r\n", "", False))
        self.assertEqual(self.answer(text, b"ab\n"), Answer("rule 2", b"two\n", "", True))
        self.assertEqual(self.answer(text, b"c"), Answer("reply", b"none", "", False))

    def test_a_rule_holds_only_when_its_condition_does(self) -> None:
        text = """
            reply = "{{ match | length }}"
            [[rule]]
            pattern = "^(?P<word>a+)$"
            when = "tls and match.word != 'aa'"
            reply = "{{ match.word }} by {{ tls.version }}"
        """
        self.assertEqual(self.answer(text, b"a\n", by=BY_TLS), Answer("rule 1", b"a by TLSv1.3", "", False))
        # What a rule that did not hold has found is nobody's.
        for message, by in ((b"aa\n", BY_TLS), (b"a\n", BY_TCP)):
            self.assertEqual(self.answer(text, message, by=by), Answer("reply", b"0", "", False))

    def test_the_terminator_is_none_of_the_message(self) -> None:
        text = '[[rule]]\nmessage = "a"\nreply = "yes"\n[[rule]]\npattern = "^b$"\nreply = "yes"'
        for message in (b"a", b"a\n", b"a\r\r\n", b"b", b"b\n", b"b\r\n"):
            self.assertEqual(self.answer(text, message).reply, b"yes", message)
        for message in (b"a\r", b"\ra\n", b"a\n\n"):
            self.assertNotEqual(self.answer(text, message).reply, b"yes", message)

    def test_a_transform_is_done_to_what_the_reply_says_of_the_message_not_to_what_a_rule_is_for(self) -> None:
        responder = self.responder(
            '[[rule]]\npattern = "^(?P<word>a+)$"\nreply = "{{ message }} {{ match.word }}"',
            Replies(b"p:", Transform.UPPER),
        )
        self.assertEqual(responder.answer(BY_TCP, 1, b"aa", b"\n").reply, b"AA aa")
        self.assertEqual(responder.answer(BY_TCP, 1, b"b\xff", b"\n").reply, b"p:B\xff\n")

    def test_the_time_is_the_servers(self) -> None:
        responder = self.responder("reply = '{{ now }}'", seconds=1_800_000_000.5)
        self.assertEqual(responder.answer(BY_TCP, 1, b"a", b"\n").reply, b"2027-01-15 08:00:00.500000+00:00")

    def test_a_greeting_knows_who_comes_but_no_message(self) -> None:
        text = "greeting = '{{ connection }} {{ transport }} {{ ports.tcp }} {{ count }}'"
        self.assertEqual(self.responder(text).greet(BY_TLS), b"4 tls 8088 0")
        self.assertEqual(self.responder("").greet(BY_TCP), b"")

    def test_what_can_not_be_said_is_a_fault_that_closes_nothing(self) -> None:
        text = "[[rule]]\nmessage = 'a'\nreply = '{{ 1 // (count - 1) }}'\nclose = true"
        fault = "rule 1: integer division or modulo by zero"
        self.assertEqual(self.answer(text, b"a\n"), Answer("rule 1", b"", fault, False))
        self.assertEqual(self.answer(text, b"a\n", count=2), Answer("rule 1", b"1", "", True))

    def test_so_is_a_condition(self) -> None:
        text = "[[rule]]\nwhen = 'tls.version == 1'\nreply = 'a'"
        self.assertEqual(self.answer(text, b"a\n").fault, "rule 1: 'None' has no attribute 'version'")

    def test_so_is_a_greeting(self) -> None:
        greeting = self.responder("greeting = '{{ tls.version }}'").greet(BY_TCP)
        self.assertEqual(greeting, b"server error: greeting: 'None' has no attribute 'version'\n")

    def test_a_fault_is_one_line_whatever_the_message_was(self) -> None:
        text = "reply = '{{ {}[message] }}'"
        fault = self.answer(text, b"a\n\xff\x1b\n b\n").fault
        self.assertTrue(fault.startswith("reply: "))
        self.assertNotIn("\n", fault)

    def test_an_error_without_words_is_told_by_its_name(self) -> None:
        self.assertEqual(self.answer("reply = '{{ [] | map(\"x\") | first }}'", b"a").fault[:7], "reply: ")
        self.assertEqual(self.answer("reply = '{{ {}.popitem(1) }}'", b"a").fault[:7], "reply: ")

    def test_each_that_can_not_be_said_is_reported_once(self) -> None:
        responder = self.responder(
            "reply = '{{ 1 // (count - count) }}'\n[[rule]]\nmessage = 'a'\nreply = '{{ tls.version }}'"
        )
        for message in (b"a\n", b"b\n", b"a\n", b"c\n"):
            self.assertTrue(responder.answer(BY_TCP, 1, *Block.split(message)).fault)
        self.assertEqual(
            self.reported,
            ["rule 1: 'None' has no attribute 'version'", "reply: integer division or modulo by zero"],
        )
