"""Conversations by a script, compared with the same script in plain Python; and scripts that are only a prefix."""

from __future__ import annotations

import re

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from echoreply.core.connection_info import ConnectionInfo
from echoreply.core.conversation import REPLIES_AT_ONCE, Conversation, Rules
from echoreply.core.framing import Framing
from echoreply.core.reasons import EndReason
from echoreply.core.replies import Replies, Transform
from echoreply.scripts.scripted_conversation import ScriptedConversation
from tests.support.reference import cut, expected, messages_of, places, too_long
from tests.support.sample_scripts import BY_TCP, rules_of_toml

SCRIPT = r"""
close_on = ["bye"]

[[rule]]
message = "PING"
reply = "PONG\n"

[[rule]]
pattern = "^GET (?P<key>\\w+)$"
reply = "{{ count }} {{ match.key }}{{ end }}"

[[rule]]
message = "hush"
reply = ""

[[rule]]
message = "fault"
reply = "{{ 1 // (count - count) }}"

[[rule]]
message = "open"
reply = "no line's end"

[[rule]]
pattern = "^last"
reply = "after {{ count }}\r\n"
close = true
"""

FAULT = b"server error: rule 4: integer division or modulo by zero\n"


def line_after(sent: bytes, error: bytes) -> bytes:
    return sent + (b"\n" if sent and not sent.endswith(b"\n") else b"") + error


def reference(messages: list[bytes], greeting: bytes, max_message: int) -> tuple[bytes, EndReason | None]:
    """Return everything that SCRIPT sends for these messages, and why it closes, in plain Python."""
    sent = greeting
    for count, message in enumerate(messages, 1):
        if too_long(message, max_message):
            return line_after(sent, b"server error: message longer than %d bytes\n" % max_message), EndReason.TOO_LONG
        if message.strip(b"\r\n") == b"bye":
            return sent, EndReason.CLOSE_WORD
        text = re.sub(rb"\r*\n\Z", b"", message)
        if text == b"PING":
            sent += b"PONG\n"
        elif found := re.fullmatch(rb"GET (\w+)", text):
            sent += b"%d %s" % (count, found[1]) + message[len(text) :]
        elif text == b"hush":
            pass
        elif text == b"fault":
            sent = line_after(sent, FAULT)
        elif text == b"open":
            sent += b"no line's end"
        elif text.startswith(b"last"):
            return sent + b"after %d\r\n" % count, EndReason.RULE
        else:
            sent += b">" + message
    return sent, None


streams = st.lists(
    st.one_of(
        st.sampled_from([b"PING", b"GET key", b"GET a b", b"hush", b"fault", b"open"]).flatmap(
            lambda word: st.sampled_from([word + b"\n", word + b"\r\n", word])
        ),
        st.sampled_from([b"\n", b"\r", b"\xff", b"bye", b"last\n", b"exit\n", b"x" * 30]),
        st.binary(max_size=5),
    ),
    max_size=30,
).map(b"".join)


def begun(rules: Rules, connection_info: ConnectionInfo = BY_TCP) -> tuple[Conversation, bytes]:
    conversation = rules.new_conversation()
    return conversation, conversation.greet(connection_info).replies if conversation.wants_connection_info else b""


def take(conversation: Conversation) -> bytes:
    replies = b""
    while block := conversation.next_replies():
        replies += block.replies
    return replies


def converse(reads: list[bytes], rules: Rules, *, patient: bool = False) -> tuple[bytes, EndReason | None]:
    """
    Give what is said to a client from whom this is read and who then closes its sending side, and why it is over.

    @param patient: whether the client takes nothing until then.
    """
    conversation, replies = begun(rules)
    for read in reads:
        if not patient and (block := conversation.answer(read)):
            replies += block.replies
            continue
        conversation.receive(read)
        if not patient:
            replies += take(conversation)
    conversation.finish_message()
    return replies + take(conversation), conversation.ending


class CutTests(SynchronousTestCase):
    """However the network cuts or joins the bytes, the replies are the same."""

    @given(
        streams,
        places,
        st.sampled_from([b"", b"hello\n", b"hello"]),
        st.sampled_from([5, 20, 1000]),
        st.booleans(),
    )
    @example(b"open\nfault\nopen", [3], b"hello", 1000, False)
    def test_the_replies_are_those_of_the_reference(
        self, stream: bytes, places: list[int], greeting: bytes, max_message: int, patient: bool
    ) -> None:
        script = f"greeting = {greeting.decode()!a}\n".replace("'", '"') + SCRIPT
        for framing in (Framing.LINE, Framing.AUTO):
            rules = rules_of_toml(script, framing=framing, max_message=max_message)
            said = converse(cut(stream, places), rules, patient=patient)
            self.assertEqual(said, reference(messages_of(stream), greeting, max_message))

    @given(st.lists(st.one_of(st.binary(min_size=1, max_size=40), st.sampled_from([b"open", b"fault\n", b"bye\r\n"]))))
    def test_a_read_is_a_message_where_the_script_says_so(self, reads: list[bytes]) -> None:
        rules = rules_of_toml("framing = 'read'\n" + SCRIPT, max_message=20)
        self.assertEqual(converse(reads, rules), reference(reads, b"", 20))

    @given(
        st.lists(st.sampled_from([b"a\n", b"bb\r\n", b"c", b"\n", b"exit\n", b"x" * 9, b"\xff\n"])).map(b"".join),
        places,
        st.sampled_from([b"", b"hello\n", b"hello"]),
        st.sampled_from(["", "re: "]),
    )
    @example(b"a\nxxxxxxxxx", [2], b"hello", "")
    def test_so_are_those_of_a_script_that_is_only_a_prefix(
        self, stream: bytes, places: list[int], greeting: bytes, prefix: str
    ) -> None:
        text = f'greeting = "{greeting.decode()!s}"\n'.replace("\n", "\\n", greeting.count(b"\n"))
        rules = rules_of_toml(f'{text}reply = "{prefix}{{{{ message }}}}{{{{ end }}}}"', max_message=8)
        said = expected(stream, prefix.encode(), 8)
        if greeting and said.startswith(b"server error: ") and not greeting.endswith(b"\n"):
            said = b"\n" + said
        self.assertEqual(converse(cut(stream, places), rules)[0], greeting + said)


class PlainRulesTests(SynchronousTestCase):
    """A script that is only prefix, message and end costs nothing."""

    def assert_plain(self, text: str, replies: Replies) -> None:
        rules = rules_of_toml(text, b"p:")
        self.assertIs(type(rules), Rules)
        self.assertEqual(rules.replies, replies)
        conversation, _ = begun(rules)
        block = conversation.answer(b"a\nb\r\n")
        assert block
        self.assertEqual(block.replies, replies.to(block))

    def test_a_reply_of_prefix_message_and_end_is_made_as_without_a_script(self) -> None:
        self.assert_plain("", Replies(b"p:"))
        self.assert_plain("reply = '{{ message }}{{ end }}'", Replies(b""))
        self.assert_plain("reply = '{{ prefix }} 中: {{ message }}{{ end }}'", Replies("p: 中: ".encode()))
        self.assert_plain("reply = '{{ prefix }}{{ prefix }}{{ message }}{{ end }}'", Replies(b"p:p:"))
        self.assert_plain('reply = "a\\r\\n{{ message }}{{ end }}"', Replies(b"a\r\n"))

    def test_also_with_a_greeting_other_close_words_and_a_framing(self) -> None:
        self.assert_plain(r'greeting = "{{ peer.host }}\n"' "\nclose_on = ['a b']", Replies(b"p:"))
        self.assertIs(type(rules_of_toml("framing = 'read'")), Rules)

    def test_anything_else_is_looked_at(self) -> None:
        for text in (
            "reply = '{{ message }}'",
            "reply = '{{ message }}{{ end }}.'",
            "reply = '{{ end }}{{ message }}{{ end }}'",
            "reply = '{{ message }}{{ message }}{{ end }}'",
            "reply = '{{ end }}{{ message }}'",
            "reply = '{{ count }}{{ message }}{{ end }}'",
            "reply = ''",
            "[[rule]]\nmessage = 'a'\nreply = 'b'",
        ):
            self.assertIsInstance(rules_of_toml(text).new_conversation(), ScriptedConversation, text)

    def test_a_transform_is_kept(self) -> None:
        rules = rules_of_toml("reply = 'Re: {{ message }}{{ end }}'", transform=Transform.UPPER)
        self.assertEqual(converse([b"a\n"], rules)[0], b"Re: A\n")


class RulesTests(SynchronousTestCase):
    def test_framing_that_was_asked_for_wins_over_the_scripts(self) -> None:
        for reply in ("{{ message }}{{ end }}", "{{ count }}"):
            text = f"framing = 'read'\nreply = '{reply}'"
            self.assertIs(rules_of_toml(text).framing, Framing.READ)
            self.assertIs(rules_of_toml(text, framing=Framing.LINE).framing, Framing.LINE)
            self.assertIs(rules_of_toml(f"reply = '{reply}'").framing, Framing.AUTO)

    def test_replies_that_may_be_anything_have_no_mark(self) -> None:
        self.assertEqual(rules_of_toml("reply = '{{ prefix }}{{ count }}'").common_prefix, b"")
        self.assertEqual(rules_of_toml("", b"p:").common_prefix, b"p:")


class ScriptedConversationTests(SynchronousTestCase):
    def test_messages_are_counted_from_one_in_each_conversation(self) -> None:
        rules = rules_of_toml("reply = '{{ count }}{{ end }}'")
        for _ in range(2):
            self.assertEqual(converse([b"a\nb\n", b"c\n"], rules)[0], b"1\n2\n3\n")

    def test_a_reply_that_closes_is_the_last(self) -> None:
        said = converse([b"PING\nlast\nPING\n", b"PING\n"], rules_of_toml(SCRIPT))
        self.assertEqual(said, (b"PONG\nafter 2\r\n", EndReason.RULE))

    def test_one_may_close_without_a_word(self) -> None:
        rules = rules_of_toml("[[rule]]\nmessage = 'go'\nclose = true")
        self.assertEqual(converse([b"a\ngo\nb\n"], rules), (b">a\n", EndReason.RULE))

    def test_without_close_words_exit_gets_a_reply(self) -> None:
        for text in ("close_on = []", "close_on = []\nreply = '{{ prefix }}{{ message | string }}{{ end }}'"):
            self.assertEqual(converse([b"exit\nquit\n"], rules_of_toml(text)), (b">exit\n>quit\n", None))

    def test_a_batch_tells_exactly_the_messages_that_it_answers(self) -> None:
        conversation, _ = begun(rules_of_toml("reply = ''\n[[rule]]\npattern = 'last'\nreply = 'x'\nclose = true"))
        conversation.receive(b"a\nb\r\nlast\nmore\n")
        block = conversation.next_replies()
        assert block
        self.assertEqual((list(block.messages()), block.replies), ([b"a\n", b"b\r\n", b"last\n"], b"x"))

    def test_silence_is_awaited_as_without_a_script(self) -> None:
        conversation, _ = begun(rules_of_toml(SCRIPT))
        conversation.receive(b"PING")
        self.assertTrue(conversation.awaits_silence)
        conversation.finish_message()
        self.assertEqual(take(conversation), b"PONG\n")
        conversation.receive(b"a\nb")
        take(conversation)
        self.assertFalse(conversation.awaits_silence)


class BoundsTests(SynchronousTestCase):
    def test_many_small_messages_with_long_replies_are_answered_a_batch_at_a_time(self) -> None:
        conversation, _ = begun(rules_of_toml("reply = \"{{ 'x' * 5000 }} {{ count }}{{ end }}\""))
        conversation.receive(b"\n" * 3000)
        numbers: list[int] = []
        while block := conversation.next_replies():
            self.assertLessEqual(len(block.replies), REPLIES_AT_ONCE + 5010)
            found = [int(line.split(b" ")[1]) for line in block.replies.splitlines()]
            self.assertEqual(block.count, len(found))
            self.assertEqual(len(block.data), block.count)
            numbers += found
        self.assertEqual(numbers, list(range(1, 3001)))

    def test_what_comes_before_the_rest_was_taken_follows_it(self) -> None:
        conversation, _ = begun(rules_of_toml("reply = \"{{ 'x' * 30000 }}{{ message }}{{ end }}\""))
        conversation.receive(b"a\nb\nc\n")
        first = conversation.next_replies()
        assert first
        self.assertEqual(first.count, 1)
        conversation.receive(b"d\n")
        self.assertEqual(re.findall(rb"([a-d])\n", take(conversation)), [b"b", b"c", b"d"])


class DatagramTests(SynchronousTestCase):
    def replies(self, text: str, datagram: bytes) -> list[bytes]:
        return rules_of_toml(text).answer_datagram(datagram, lambda: BY_TCP)

    def test_a_datagram_is_greeted_by_one_of_its_own(self) -> None:
        for reply in ("{{ message }}{{ end }}", "{{ message | string }}{{ end }}"):
            self.assertEqual(self.replies(f"greeting = 'hello'\nreply = '{reply}'", b"a\nb"), [b"hello", b"a\nb"])

    def test_nothing_is_no_datagram(self) -> None:
        self.assertEqual(self.replies("reply = ''", b"a"), [])
        self.assertEqual(self.replies("greeting = '{{ tls or \"\" }}'\nreply = ''", b"a"), [])

    def test_an_empty_reply_that_is_an_echo_is_one(self) -> None:
        self.assertEqual(self.replies("reply = '{{ message }}{{ end }}'", b""), [b""])

    def test_each_is_the_first_message(self) -> None:
        rules = rules_of_toml("reply = '{{ count }}'")
        for _ in range(2):
            self.assertEqual(rules.answer_datagram(b"a", lambda: BY_TCP), [b"1"])

    def test_a_fault_is_told(self) -> None:
        self.assertEqual(self.replies(SCRIPT, b"fault\n"), [FAULT])

    def test_connection_info_are_asked_for_only_if_somebody_wants_to_know(self) -> None:
        def nobody() -> ConnectionInfo:
            raise AssertionError

        self.assertEqual(rules_of_toml("").answer_datagram(b"a", nobody), [b">a"])
