"""The descriptions of options."""

from twisted.trial.unittest import SynchronousTestCase

from echoreply.core.option import COLUMN, Option, option_list

PORT = Option(name="reply-port", short="p", metavar="PORT", group="Listening", help="listen on it", default="8088")
FLAG = Option(name="quiet", group="Logging", help="log nothing")
REPEATED = Option(name="tag", metavar="TEXT", group="Listening", help="any text", default="none", repeatable=True)
ARGUMENT = Option(metavar="HOST", group="Listening", help="connect to it")


class OptionTests(SynchronousTestCase):
    def test_an_option_is_shown_as_it_is_typed(self) -> None:
        shown = [option.invocation for option in (PORT, FLAG, REPEATED, ARGUMENT)]
        self.assertEqual(shown, ["-p, --reply-port PORT", "--quiet", "--tag TEXT", "HOST"])

    def test_the_key_is_an_identifier(self) -> None:
        self.assertEqual((PORT.key, FLAG.key), ("reply_port", "quiet"))

    def test_a_summary_has_the_default_and_whether_it_may_be_repeated(self) -> None:
        shown = [option.summary for option in (PORT, FLAG, REPEATED)]
        self.assertEqual(shown, ["listen on it [8088]", "log nothing", "any text; repeatable [none]"])


class ListTests(SynchronousTestCase):
    def test_each_option_has_a_line_below_its_heading(self) -> None:
        self.assertEqual(
            option_list([PORT, FLAG, REPEATED]),
            "Listening:\n"
            "  -p, --reply-port PORT   listen on it [8088]\n"
            "  --tag TEXT              any text; repeatable [none]\n"
            "\n"
            "Logging:\n"
            "  --quiet                 log nothing\n",
        )

    def test_an_option_that_is_too_long_for_its_column_moves_its_own_text_only(self) -> None:
        long = Option(name="x" * COLUMN, group="G", help="help")
        self.assertEqual(option_list([long]), f"G:\n  --{'x' * COLUMN}  help\n")
