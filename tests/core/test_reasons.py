"""The reasons, their names for machines, and their texts for people."""

from __future__ import annotations

from collections import Counter

from twisted.trial.unittest import SynchronousTestCase

from echoreply.core.labelled import by_label
from echoreply.core.reasons import DropReason, EndReason, Reason, RefusalReason

ALL: tuple[type[Reason], ...] = (RefusalReason, EndReason, DropReason)


class ReasonTests(SynchronousTestCase):
    def test_names_for_machines_are_words_and_texts_for_people_are_not_used_as_names(self) -> None:
        for reasons in ALL:
            for reason in reasons:
                self.assertRegex(reason.label, r"^[a-z]+(_[a-z]+)*$")
                self.assertEqual(by_label(Counter({reason: 2})), {reason.label: 2})

    def test_texts_tell_the_reasons_of_a_kind_apart(self) -> None:
        for reasons in ALL:
            self.assertEqual(len({reason.value for reason in reasons}), len(reasons))
            self.assertEqual(len({reason.label for reason in reasons}), len(reasons))

    def test_clients_over_a_limit_get_one_line_and_others_none(self) -> None:
        """Clients may compare the line, so it stays as it is."""
        errors = {reason: reason.error for reason in RefusalReason}
        self.assertEqual(
            errors,
            {
                RefusalReason.TOO_MANY: "too many connections",
                RefusalReason.TOO_MANY_FROM_HOST: "too many connections",
                RefusalReason.DENIED: None,
                RefusalReason.UNTRUSTED: None,
            },
        )

    def test_the_names_stay_what_they_are(self) -> None:
        """Dashboards, alerts and programs that read the log depend on them."""
        names = [[reason.label for reason in reasons] for reasons in ALL]
        self.assertEqual(
            names,
            [
                ["too_many", "too_many_from_host", "denied", "untrusted"],
                ["client", "close_word", "rule", "too_long", "idle", "shutdown", "aborted", "reset", "worker"],
                [
                    *("denied", "answering_port", "prefix", "close_word", "too_long", "rate", "too_many_hosts"),
                    *("reply_too_long", "no_room", "unsendable"),
                ],
            ],
        )
