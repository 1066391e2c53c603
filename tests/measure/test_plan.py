"""The plan of a run."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from echoreply.measure.command import parse_arguments
from echoreply.measure.plan import PING_DEPTH, make_plan, settings_of
from echoreply.measure.schedule import ConstantRate, Interval, Unlimited


class PlanTests(SynchronousTestCase):
    def test_the_options_choose_the_schedule(self) -> None:
        for arguments, schedule in (
            ([], Interval),
            (["--count=5"], Interval),
            (["--rate=5"], ConstantRate),
            (["--connections=5"], Unlimited),
        ):
            self.assertIs(type(make_plan(parse_arguments(arguments)).schedule), schedule, arguments)

    def test_slow_replies_do_not_delay_messages_sent_at_an_interval(self) -> None:
        self.assertEqual(make_plan(parse_arguments([])).depth, PING_DEPTH)

    def test_over_udp_each_read_is_a_reply(self) -> None:
        self.assertEqual([make_plan(parse_arguments(each)).datagrams for each in ([], ["--udp"])], [False, True])


class SettingsTests(SynchronousTestCase):
    def test_the_transport_is_saved_with_the_result(self) -> None:
        for arguments, transport in (
            ([], "tcp"),
            (["--udp"], "udp"),
            (["--tls"], "tls"),
            (["--unix=/run/x"], "unix"),
            (["--connect=tcp:x:1"], "tcp:x:1"),
            (["--connect=tcp:x:1", "--tls", "--insecure"], "tcp:x:1 tls"),
        ):
            self.assertEqual(settings_of(parse_arguments(arguments))["transport"], transport)

    def test_a_load_test_has_its_own_settings(self) -> None:
        ping, load = settings_of(parse_arguments([])), settings_of(parse_arguments(["--rate=5"]))
        self.assertEqual(set(ping) - set(load), {"interval"})
        self.assertEqual(set(load) - set(ping), {"connections", "depth", "duration", "rate"})
