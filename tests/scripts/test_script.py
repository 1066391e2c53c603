"""Parsed scripts."""

from twisted.trial.unittest import SynchronousTestCase

from echoreply.scripts.source import script_of_toml


class ConstantPrefixTests(SynchronousTestCase):
    """Replies that are a constant and the message need no template for each message."""

    def prefix(self, text: str) -> bytes | None:
        return script_of_toml(text).constant_prefix(b"p:")

    def test_a_constant_before_the_message_and_its_terminator_is_one(self) -> None:
        for reply, constant in (
            ("{{ message }}{{ end }}", b""),
            ("re: {{ message }}{{ end }}", b"re: "),
            ("a{{ prefix }}b{{ message }}{{ end }}", b"ap:b"),
        ):
            self.assertEqual(self.prefix(f'reply = "{reply}"'), constant, reply)

    def test_any_other_reply_has_none(self) -> None:
        for reply in (
            "constant",
            "{{ message }}",
            "{{ message }}\\n",
            "{{ end }}{{ message }}{{ end }}",
            "{{ count }}{{ message }}{{ end }}",
            "{{ message | upper }}{{ end }}",
        ):
            self.assertIsNone(self.prefix(f'reply = "{reply}"'), reply)

    def test_a_script_with_rules_has_none(self) -> None:
        self.assertIsNone(self.prefix("[[rule]]\nmessage = 'PING'\nreply = 'PONG'"))
