"""Enums whose members have a label for machines and a text for people."""

from collections import Counter

from twisted.trial.unittest import SynchronousTestCase

from echoreply.core.labelled import Labelled, by_label


class Fruit(Labelled):
    RED_APPLE = "an apple that is red"
    PEAR = "a pear"


class LabelledTests(SynchronousTestCase):
    def test_a_label_is_the_name_in_lower_case_whatever_the_text(self) -> None:
        self.assertEqual([fruit.label for fruit in Fruit], ["red_apple", "pear"])

    def test_counts_by_label(self) -> None:
        counts = Counter({Fruit.PEAR: 2, Fruit.RED_APPLE: 1})
        self.assertEqual(by_label(counts), {"pear": 2, "red_apple": 1})
