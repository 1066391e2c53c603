"""What a dry run of a script prints."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from echoreply.core.replies import Replies, Transform
from echoreply.scripts.dry_run import dry_run
from echoreply.scripts.source import script_of_toml


class DryRunTests(SynchronousTestCase):
    def told(
        self, text: str, *messages: bytes, transform: Transform = Transform.NONE, max_message: int = 100
    ) -> list[str]:
        outcomes = list(dry_run(script_of_toml(text), Replies(b">", transform), max_message, messages))
        self.faults = [outcome.fault for outcome in outcomes]
        return [outcome.text for outcome in outcomes]

    def test_each_message_gets_a_line_that_says_by_what_it_is_answered(self) -> None:
        text = """
            [[rule]]
            message = "PING"
            reply = "PONG {{ count }}{{ end }}"
            [[rule]]
            pattern = "^hush"
            reply = ""
        """
        self.assertEqual(
            self.told(text, b"PING\r\n", b"hushed\n", b"a\xff\x1b\n", b"unfinished"),
            [
                r'"PING": rule 1: "PONG 1\r\n"',
                '"hushed": rule 2: nothing',
                r'"a\xff\x1b": reply: ">a\xff\x1b\n"',
                '"unfinished": reply: ">unfinished"',
            ],
        )

    def test_what_ends_a_connection_is_told_and_what_follows_begins_another(self) -> None:
        text = """
            greeting = "{{ transport }} {{ count }}\\n"
            [[rule]]
            message = "go"
            reply = "{{ count }}"
            close = true
        """
        self.assertEqual(
            self.told(text, b"a\n", b"go\n", b"exit\n", b"x" * 101 + b"\n", b"b\n"),
            [
                r'greeting: "tcp 0\n"',
                r'"a": reply: ">a\n"',
                '"go": rule 1: "2", closes',
                r'greeting: "tcp 0\n"',
                '"exit": close_on, closes',
                r'greeting: "tcp 0\n"',
                f'"{"x" * 101}": longer than 100 bytes, closes',
                r'greeting: "tcp 0\n"',
                r'"b": reply: ">b\n"',
            ],
        )

    def test_a_fault_is_told_as_the_client_would_be(self) -> None:
        self.assertEqual(
            self.told("reply = '{{ 1 // (count - 1) }}'", b"a\n", b"b\n"),
            ['"a": server error: reply: integer division or modulo by zero', '"b": reply: "1"'],
        )
        self.assertEqual(self.faults, [True, False])
        self.assertEqual(self.told("greeting = '{{ tls.version }}'")[0].partition(": ")[0], "server error")
        self.assertEqual(self.faults, [True])

    def test_a_transform_is_that_of_the_server(self) -> None:
        self.assertEqual(self.told("", b"a\n", transform=Transform.UPPER), [r'"a": reply: ">A\n"'])

    def test_without_a_message_only_the_greeting_is_told(self) -> None:
        self.assertEqual(self.told("greeting = 'hello'"), ['greeting: "hello"'])
        self.assertEqual(self.told(""), [])
