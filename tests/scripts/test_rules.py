"""The rules of a server with a script."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from echoreply.core.conversation import Rules
from echoreply.core.framing import Framing
from echoreply.core.replies import Replies, Transform
from echoreply.scripts.rules import rules_of_script
from echoreply.scripts.scripted_conversation import ScriptedRules
from echoreply.scripts.source import script_of_toml

CONSTANT = script_of_toml("reply = 're: {{ prefix }}{{ message }}{{ end }}'\nclose_on = ['bye']")
COUNTED = script_of_toml("reply = '{{ count }}{{ end }}'\ngreeting = 'hello'\nframing = 'line'")


class RulesTests(SynchronousTestCase):
    def test_a_constant_prefix_becomes_plain_rules(self) -> None:
        rules = rules_of_script(CONSTANT, Replies(b"p:", Transform.UPPER), max_message=7)
        self.assertIs(type(rules), Rules)
        self.assertEqual(rules.replies, Replies(b"re: p:", Transform.UPPER))
        self.assertEqual((rules.framing, rules.max_message), (Framing.AUTO, 7))
        self.assertIn(b"bye", rules.close_words)
        self.assertIsNone(rules.greeting)

    def test_other_replies_are_rendered_for_each_message(self) -> None:
        rules = rules_of_script(COUNTED)
        self.assertIs(type(rules), ScriptedRules)
        self.assertIsNotNone(rules.greeting)

    def test_the_framing_of_the_server_comes_before_that_of_the_script(self) -> None:
        framings = [rules_of_script(COUNTED, framing=framing).framing for framing in (None, Framing.READ)]
        self.assertEqual(framings, [Framing.LINE, Framing.READ])
