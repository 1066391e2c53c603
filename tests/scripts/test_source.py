"""Parsing of reply scripts, and the errors for their mistakes."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from echoreply.core.close_words import EXIT_OR_QUIT, CloseWords
from echoreply.core.framing import Framing
from echoreply.scripts.source import script_of_toml

EVERYTHING = r"""
greeting = "{{ hostname }} greets {{ peer.host }}\n"
framing = "line"
close_on = ["bye", "中"]
reply = "{{ prefix }}{{ message }}{{ end }}"

[[rule]]
message = "PING"
reply = "PONG\n"

[[rule]]
pattern = "^GET (?P<key>\\w+)( (?P<more>.*))?$"
when = "transport == 'udp' and match.key"
reply = "{{ match.key }}"

[[rule]]
when = "count > 9"
close = true
"""


class ScriptTests(SynchronousTestCase):
    def test_everything_that_is_written_down_is_in_it(self) -> None:
        script = script_of_toml(EVERYTHING)
        self.assertEqual([case.name for case in script.rules], ["rule 1", "rule 2", "rule 3"])
        self.assertEqual([case.close for case in script.rules], [False, False, True])
        self.assertEqual([case.when is not None for case in script.rules], [False, True, True])
        self.assertIs(script.framing, Framing.LINE)
        self.assertEqual(script.close_words, CloseWords(frozenset({b"bye", "中".encode()})))
        self.assertIsNotNone(script.greeting)

    def test_nothing_is_a_script_too(self) -> None:
        script = script_of_toml("# nothing\n")
        self.assertEqual(script.rules, ())
        self.assertEqual(script.reply.parts, ["prefix", "message", "end"])
        self.assertIsNone(script.greeting)
        self.assertIsNone(script.framing)
        self.assertEqual(script.close_words, EXIT_OR_QUIT)

    def test_an_empty_greeting_is_none(self) -> None:
        self.assertIsNone(script_of_toml('greeting = ""').greeting)

    def test_nothing_may_be_a_close_word(self) -> None:
        self.assertEqual(script_of_toml("close_on = []").close_words, CloseWords(frozenset()))

    def test_a_rule_that_only_closes_says_nothing(self) -> None:
        (case,) = script_of_toml('[[rule]]\nmessage = "x"\nclose = true').rules
        self.assertEqual(case.reply.parts, [])


class MatchTests(SynchronousTestCase):
    def matched(self, rule: str, message: bytes) -> dict[str, str] | None:
        (case,) = script_of_toml(f"close_on = []\n[[rule]]\n{rule}\nreply = 'x'").rules
        found = case.match(message)
        return None if found is None else dict(found)

    def test_a_message_is_exact(self) -> None:
        self.assertEqual(self.matched("message = 'PING'", b"PING"), {})
        for other in (b"ping", b"PING ", b" PING", b"PINGPING", b""):
            self.assertIsNone(self.matched("message = 'PING'", other))
        self.assertEqual(self.matched("message = ''", b""), {})
        self.assertEqual(self.matched("message = '中'", "中".encode()), {})

    def test_a_pattern_is_searched_for(self) -> None:
        self.assertEqual(self.matched("pattern = 'b+'", b"abbc"), {})
        self.assertIsNone(self.matched("pattern = '^b+'", b"abbc"))
        self.assertIsNone(self.matched("pattern = 'b$'", b"b\nc"))
        self.assertEqual(self.matched("pattern = '中'", "\0中".encode() + b"\xff"), {})

    def test_its_named_groups_are_found_those_that_took_no_part_are_empty(self) -> None:
        rule = r"pattern = '^GET (?P<key>\w+)( (?P<more>.*))?$'"
        self.assertEqual(self.matched(rule, b"GET a"), {"key": "a", "more": ""})
        self.assertEqual(self.matched(rule, "GET a 中 b".encode()), {"key": "a", "more": "中 b"})

    def test_a_hostile_message_is_told_in_linear_time(self) -> None:
        hostile = b"a" * 60_000 + b"b"
        (case,) = script_of_toml("[[rule]]\npattern = '(a+)+$'\nreply = 'x'").rules
        began = time.process_time()
        self.assertIsNone(case.match(hostile))
        # Python's own would take more than the age of the universe.
        self.assertLess(time.process_time() - began, 30)

    @given(st.binary(max_size=30), st.binary(max_size=30))
    def test_a_message_is_told_from_all_others(self, one: bytes, other: bytes) -> None:
        (case,) = script_of_toml("close_on = []\n[[rule]]\nmessage = 'a'\nreply = 'x'").rules
        self.assertEqual(case.match(one) is not None, one == b"a")
        self.assertEqual(case.match(other) is not None, other == b"a")


class FaultTests(SynchronousTestCase):
    """Each error is one line with the file, the line and the key."""

    def assert_fault(self, text: str, *said: str) -> None:
        with self.assertRaises(ValueError) as caught:
            script_of_toml(text, "file.toml")
        fault = str(caught.exception)
        self.assertTrue(fault.startswith(f"file.toml, {said[0]}"), fault)
        self.assertNotIn("\n", fault)
        for words in said:
            self.assertIn(words, fault)

    def test_toml_that_is_none(self) -> None:
        self.assert_fault('\nreply = "x', "line 2: ", "Unterminated string")
        self.assert_fault("\r\n# \u2028\r\nreply\r\n\r\n", "line 3")
        self.assert_fault('\n\nreply = x\nframing = "line"\n', "line 3, column 9: ", "Invalid value")
        self.assert_fault("reply = 'a'\nreply = 'b'\n[x]\n", "line 2, ", "overwrite a value")

    def test_an_unknown_key(self) -> None:
        self.assert_fault(
            "framing = 'line'\nreplay = 'x'\n",
            "line 2: replay: unknown key; known keys: greeting, framing, close_on, reply, rule",
        )
        self.assert_fault(
            "[[rule]]\nmessage = 'a'\nreply = 'b'\n\n[[rule]]\nmessage = 'b'\nreplay = 'x'\n",
            "line 7: rule 2, replay: unknown key; known keys: message, pattern, when, reply, close",
        )

    def test_a_wrong_type(self) -> None:
        self.assert_fault("\nreply = 1", "line 2: reply: takes a text, not 1")
        self.assert_fault("greeting = true", "line 1: greeting: takes a text, not True")
        self.assert_fault("framing = 1", "line 1: framing: takes a text, not 1")
        self.assert_fault("close_on = 'exit'", "line 1: close_on: takes a list, not 'exit'")
        self.assert_fault("rule = 1", "line 1: rule: takes tables, each written as [[rule]]")
        self.assert_fault("[rule]\nmessage = 'a'", "line 1: rule: takes tables, each written as [[rule]]")
        self.assert_fault("rule = [1]", "line 1: rule 1: takes a table, written as [[rule]]")
        self.assert_fault("[[rule]]\nmessage = 1\nreply = 'x'", "line 2: rule 1, message: takes a text, not 1")
        self.assert_fault("[[rule]]\npattern = 1\nreply = 'x'", "line 2: rule 1, pattern: takes a text, not 1")
        self.assert_fault("[[rule]]\nwhen = true\nreply = 'x'", "line 2: rule 1, when: takes a text, not True")
        self.assert_fault("[[rule]]\nmessage = 'a'\nclose = 'yes'", "line 3: rule 1, close: takes true or false")

    def test_a_framing_that_there_is_not(self) -> None:
        self.assert_fault("framing = 'block'", "line 1: framing: takes auto, line, read, not 'block'")
        self.assert_fault("framing = ''", "line 1: framing: takes auto, line, read, not ''")

    def test_close_words_that_no_message_can_be(self) -> None:
        for word in ('"a\\n"', '"\\rb"', "1"):
            self.assert_fault(
                f"close_on = ['x',\n{word}]",
                "line 1: close_on: takes texts that neither begin nor end with CR or LF, not ",
            )

    def test_a_rule_that_says_nothing_of_what_it_is_for_or_too_much(self) -> None:
        why = "line 1: rule 1: needs message, pattern or when, but not both message and pattern"
        self.assert_fault("[[rule]]\nreply = 'x'", why)
        self.assert_fault("[[rule]]\nmessage = 'a'\npattern = 'a'\nreply = 'x'", why)

    def test_a_rule_that_does_nothing(self) -> None:
        self.assert_fault("[[rule]]\nmessage = 'a'", "line 1: rule 1: needs a reply, or close = true")

    def test_a_rule_that_would_never_be_used(self) -> None:
        self.assert_fault(
            "[[rule]]\nmessage = 'exit'\nreply = 'x'",
            "line 2: rule 1, message: is in close_on, which is looked at first, so this rule would never be used",
        )
        self.assert_fault(
            "[[rule]]\nmessage = 'a'\nreply = 'b'\nclose_on = ['a']",
            "line 4: rule 1, close_on: unknown key; known keys: message, pattern, when, reply, close; it belongs above"
            " the first [[rule]]",
        )
        self.assert_fault(
            '[[rule]]\nmessage = "a\\n"\nreply = "x"',
            "line 2: rule 1, message: takes a message without its terminator, \\n",
        )
        for key in ("message", "pattern"):
            self.assert_fault(
                f"[[rule]]\n{key} = 'a'\nreply = 'x'\n[[rule]]\nwhen = 'count == 1'\n{key} = 'a'\nreply = 'x'",
                f"line 6: rule 2, {key}: is the same as in rule 1, so this rule would never be used",
            )

    def test_a_rule_after_one_that_takes_only_some_of_its_messages_is_none(self) -> None:
        rules = "[[rule]]\nmessage = 'a'\nwhen = 'count == 1'\nreply = 'x'\n[[rule]]\nmessage = 'a'\nreply = 'y'"
        self.assertEqual(len(script_of_toml(rules).rules), 2)

    def test_without_close_words_exit_may_have_a_rule(self) -> None:
        self.assertEqual(len(script_of_toml("close_on = []\n[[rule]]\nmessage = 'exit'\nreply = 'x'").rules), 1)

    def test_an_unknown_field(self) -> None:
        self.assert_fault("reply = '{{ mesage }}'", "line 1: reply: unknown field 'mesage'; known fields: connection, ")
        self.assert_fault("reply = 'a'\ngreeting = '{{ peer.hots }}'", "line 2: greeting: unknown field 'peer.hots'")
        self.assert_fault(
            "[[rule]]\npattern = '(?P<y>a)'\nreply = '{{ match.x }}'",
            "line 3: rule 1, reply: unknown field 'match.x'; known parts: y",
        )
        for wrong in ("", "count >", "count = 3", "{{ count }}", "count > 3 x"):
            self.assert_fault(
                f"[[rule]]\nwhen = '{wrong}'\nreply = 'x'",
                "line 2: rule 1, when: takes an expression, such as count > 3",
            )
        self.assert_fault("[[rule]]\nwhen = 'nobody'\nreply = 'x'", "line 2: rule 1, when: unknown field 'nobody'")

    def test_a_field_in_a_text_of_several_lines(self) -> None:
        self.assert_fault(
            "framing = 'line'\nreply = '''\n{{ message }}\n{{ mesage }}'''",
            "line 2: reply: in line 2 of the text, unknown field 'mesage'",
        )

    def test_a_pattern_that_is_none(self) -> None:
        self.assert_fault("[[rule]]\npattern = '('\nreply = 'x'", "line 2: rule 1, pattern: missing ): (")
        # Those take time that has no bounds, so RE2 has none.
        for pattern in ("(a)\\1", "(?=a)"):
            self.assert_fault(f"[[rule]]\npattern = '{pattern}'\nreply = 'x'", "line 2: rule 1, pattern: ")

    def test_the_line_is_that_of_an_editor(self) -> None:
        self.assert_fault("# \u2028 \u0085\r\n\r\nreply = 1\r\n", "line 3: reply: takes a text")
        self.assert_fault("\n# a\n\n" * 10 + "[[rule]]\n\nmessage = 1\nreply = 'x'", "line 33: rule 1, message")
