"""The parsers of option values."""

from __future__ import annotations

from enum import Enum

from twisted.trial.unittest import SynchronousTestCase

from echoreply.core.parsing import alternatives, choice, seconds, whole_number


class ParsingTests(SynchronousTestCase):
    def assert_refused(self, text: str, error: BaseException) -> None:
        self.assertEqual(str(error), text)

    def test_whole_numbers_out_of_range_are_rejected(self) -> None:
        parse = whole_number(0, 65535)
        self.assertEqual([parse("0"), parse("65535")], [0, 65535])
        for text in ("-1", "65536", "1.5", "x", "", "8_0", " 80 ", "٨٠"):
            with self.assertRaises(ValueError) as caught:
                parse(text)
            self.assert_refused(f"takes a whole number, 0 to 65535, not {text!r}", caught.exception)

    def test_a_range_may_have_no_upper_bound(self) -> None:
        self.assertEqual(whole_number(1)(str(2**70)), 2**70)
        with self.assertRaises(ValueError) as caught:
            whole_number(1)("0")
        self.assert_refused("takes a whole number, 1 or more, not '0'", caught.exception)

    def test_seconds_are_finite_and_not_negative(self) -> None:
        self.assertEqual(seconds(zero=True)("0"), 0.0)
        self.assertEqual(seconds(zero=False)("0.25"), 0.25)
        for text in ("nan", "inf", "-1", "x", ""):
            with self.assertRaises(ValueError) as caught:
                seconds(zero=True)(text)
            self.assert_refused(f"takes a number of seconds, 0 or more, not {text!r}", caught.exception)
        with self.assertRaises(ValueError) as caught:
            seconds(zero=False)("0")
        self.assert_refused("takes a number of seconds, more than 0, not '0'", caught.exception)

    def test_an_invalid_choice_is_an_error_that_lists_all_choices(self) -> None:
        class Colour(Enum):
            RED = "red"
            GREEN = "green"
            BLUE = "blue"

        self.assertIs(choice(Colour)("green"), Colour.GREEN)
        self.assertEqual(alternatives(Colour), "red|green|blue")
        with self.assertRaises(ValueError) as caught:
            choice(Colour)("pink")
        self.assert_refused("takes red, green or blue, not 'pink'", caught.exception)
