"""The reply rules that settings ask for."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from echoreply.core.connection_info import PortNumbers
from echoreply.core.conversation import Conversation, Rules
from echoreply.core.framing import Framing
from echoreply.core.replies import Replies, Transform
from echoreply.scripts.scripted_conversation import ScriptedConversation
from echoreply.server.reply_rules import replies_of, rules_of, script_of
from echoreply.server.settings import Settings
from tests.support.sample_scripts import BY_TCP


class RulesTests(SynchronousTestCase):
    def file(self, text: str) -> str:
        path = Path(tempfile.mkdtemp()) / "file"
        self.addCleanup(shutil.rmtree, path.parent)
        path.write_text(text)
        return str(path)

    def replies(self, rules: Rules, message: bytes) -> list[bytes]:
        return rules.answer_datagram(message, lambda: BY_TCP)

    def test_without_a_script_the_rules_come_from_the_options(self) -> None:
        settings = Settings(prefix=b"p:", transform=Transform.UPPER, framing=Framing.LINE, max_message=5)
        self.assertEqual(rules_of(settings, PortNumbers()), Rules(replies_of(settings), Framing.LINE, 5))
        self.assertIs(rules_of(Settings(), PortNumbers()).framing, Framing.AUTO)

    def test_a_script_is_read_from_its_file(self) -> None:
        settings = Settings(script=self.file("reply = '{{ prefix }}{{ ports.tcp }} {{ now.year }}'"), prefix=b"p:")
        rules = rules_of(settings, PortNumbers(tcp=8088), lambda: 1_800_000_000.0)
        self.assertIs(type(rules.new_conversation()), ScriptedConversation)
        self.assertEqual(self.replies(rules, b"a"), [b"p:8088 2027"])

    def test_options_also_apply_to_a_script(self) -> None:
        path = self.file("framing = 'read'")
        settings = Settings(script=path, transform=Transform.UPPER, framing=Framing.LINE, max_message=5)
        rules = rules_of(settings, PortNumbers())
        self.assertEqual((rules.framing, rules.max_message), (Framing.LINE, 5))
        self.assertEqual(self.replies(rules, b"a"), [b"server reply:A"])
        self.assertIs(rules_of(Settings(script=path), PortNumbers()).framing, Framing.READ)

    def test_a_profile_is_used_as_a_script(self) -> None:
        rules = rules_of(Settings(profile="echo"), PortNumbers())
        self.assertIs(type(rules.new_conversation()), Conversation)
        self.assertEqual((rules.framing, rules.replies), (Framing.READ, Replies(b"")))

    def test_the_default_profile_replies_like_a_server_without_a_script(self) -> None:
        self.assertEqual(rules_of(Settings(profile="seed"), PortNumbers()), rules_of(Settings(), PortNumbers()))
        self.assertEqual(script_of(Settings()).constant_prefix(b"p:"), b"p:")

    def test_an_error_names_the_file(self) -> None:
        path = self.file("\nreply = '{{ mesage }}'")
        for read in (lambda: rules_of(Settings(script=path), PortNumbers()), lambda: script_of(Settings(script=path))):
            with self.assertRaises(ValueError) as caught:
                read()
            self.assertTrue(str(caught.exception).startswith(f"{Path(path).absolute()}, line 2: reply: unknown field"))
        with self.assertRaises(ValueError) as caught:
            rules_of(Settings(script="/no/such/file"), PortNumbers())
        self.assertEqual(str(caught.exception), "/no/such/file: No such file or directory")

    def test_a_rendering_error_is_reported_once(self) -> None:
        reported: list[str] = []
        settings = Settings(script=self.file("reply = '{{ tls.version }}'"))
        rules = rules_of(settings, PortNumbers(), report=reported.append)
        for _ in range(3):
            self.assertTrue(self.replies(rules, b"a")[0].startswith(b"server error: reply: "))
        self.assertEqual(len(reported), 1)

    def test_without_a_script_jinja_and_re2_are_not_imported(self) -> None:
        code = "import sys, echoreply.tap; print([name for name in ('jinja2', 're2') if name in sys.modules])"
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        self.assertEqual(result.stdout, b"[]\n")
