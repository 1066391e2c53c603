"""The server's help text."""

from twisted.trial.unittest import SynchronousTestCase

from echoreply.core.option import Option
from echoreply.server.help import Group, help_text


class HelpTests(SynchronousTestCase):
    def test_groups_have_their_own_order_and_options_keep_theirs(self) -> None:
        groups = {"a": Group.INFORMATION, "b": Group.LISTENING, "c": Group.TLS, "d": Group.LISTENING}
        options = [Option(name=name, group=group, help="help") for name, group in groups.items()]
        text = help_text(options)
        places = [text.index(part) for part in (Group.LISTENING, "--b", "--d", Group.TLS, "  --c", Group.INFORMATION)]
        self.assertEqual(places, sorted(places))

    def test_two_examples_come_first_and_the_manual_last(self) -> None:
        text = help_text([Option(name="a", group=Group.REPLIES, help="help")])
        before, _, after = text.partition(Group.REPLIES)
        self.assertEqual(before.count("\n  twistd -n echoreply "), 2)
        self.assertTrue(after.endswith("\n\nManual: man twistd-echoreply, and README.md.\n"))
