"""What people write on a command line, checked."""

import os
import socket
from enum import Enum
from unittest.mock import patch

from attrs import fields_dict
from attrs.exceptions import FrozenInstanceError
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from echoreply.framing import Framing
from echoreply.parsing import choice, seconds, whole_number
from echoreply.replies import Transform
from echoreply.settings import Settings, cores
from echoreply.tap import Options


class ParsingTests(SynchronousTestCase):
    def assert_refused(self, text: str, error: BaseException) -> None:
        self.assertEqual(str(error), text)

    def test_a_whole_number_is_in_its_range(self) -> None:
        parse = whole_number(0, 65535)
        self.assertEqual([parse("0"), parse("65535")], [0, 65535])
        for text in ("-1", "65536", "1.5", "x", "", "8_0", " 80 ", "٨٠"):
            with self.assertRaises(ValueError) as caught:
                parse(text)
            self.assert_refused(f"takes a whole number, 0 to 65535, not {text!r}", caught.exception)

    def test_a_range_may_be_open(self) -> None:
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

    def test_a_choice_names_all_others(self) -> None:
        class Colour(Enum):
            RED = "red"
            GREEN = "green"
            BLUE = "blue"

        self.assertIs(choice(Colour)("green"), Colour.GREEN)
        with self.assertRaises(ValueError) as caught:
            choice(Colour)("pink")
        self.assert_refused("takes red, green or blue, not 'pink'", caught.exception)


class SettingsTests(SynchronousTestCase):
    OPTIONS: dict[str, object] = {  # noqa: RUF012
        "listen": None,
        "port": "0",
        "interface": "::1",
        "prefix": "p\udcff",
        "transform": "upper",
        "framing": "read",
        "pause": "0.5",
        "max_message": "10",
        "log_messages": "0",
        "idle_timeout": "0",
        "max_connections": "10",
        "max_per_host": "1",
        "drain": "0",
        "workers": "auto",
        "engine": "twisted",
        "help": "is not a setting",
    }

    def test_texts_become_values(self) -> None:
        settings = Settings.parse(self.OPTIONS)
        self.assertEqual((settings.port, settings.interface, settings.prefix), (0, "::1", b"p\xff"))
        self.assertEqual((settings.pause, settings.log_messages, settings.drain), (0.5, 0, 0.0))
        rules = settings.rules
        self.assertEqual((rules.framing, rules.max_message), (Framing.READ, 10))
        self.assertEqual((rules.replies.prefix, rules.replies.transform), (b"p\xff", Transform.UPPER))

    def test_an_error_names_the_option_the_value_and_what_it_takes(self) -> None:
        with self.assertRaises(ValueError) as caught:
            Settings.parse({**self.OPTIONS, "max_message": "0"})
        self.assertEqual(str(caught.exception), "--max-message takes a whole number, 1 or more, not '0'")
        with self.assertRaises(ValueError) as caught:
            Settings.parse({**self.OPTIONS, "interface": "localhost"})
        self.assertEqual(str(caught.exception), "--interface takes an IP address of this machine, not 'localhost'")

    def test_an_endpoint_takes_the_place_of_port_and_interface(self) -> None:
        self.assertEqual(Settings(listen="tcp:1").listen, "tcp:1")
        for other in ({"port": 1}, {"interface": "::1"}):
            with self.assertRaises(ValueError) as caught:
                Settings(listen="tcp:1", **other)
            self.assertIn("--listen takes the place of --port and --interface", str(caught.exception))

    def test_workers_share_a_port_not_an_endpoint(self) -> None:
        self.assertEqual(Settings(listen="tcp:1", workers=1).workers, 1)
        with self.assertRaises(ValueError) as caught:
            Settings(listen="tcp:1", workers=2)
        self.assertIn("--workers takes 1 with --listen", str(caught.exception))

    def test_workers_are_a_number_or_as_many_as_cores(self) -> None:
        self.assertEqual(Settings.parse({**vars_of(Settings()), "workers": "auto"}).workers, cores())
        with self.assertRaises(ValueError) as caught:
            Settings.parse({**vars_of(Settings()), "workers": "0"})
        self.assertEqual(str(caught.exception), "--workers takes a whole number, 1 or more, or auto, not '0'")

    def test_cores_are_those_that_may_be_used(self) -> None:
        with patch("os.sched_getaffinity", lambda _: {3, 5, 7}, create=True):
            self.assertEqual(cores(), 3)
            del os.sched_getaffinity
            with patch("os.cpu_count", lambda: None):
                self.assertEqual(cores(), 1)

    def test_without_so_reuseport_there_is_one_worker(self) -> None:
        with patch.object(socket, "SO_REUSEPORT", 15, create=True):
            del socket.SO_REUSEPORT
            with self.assertRaises(ValueError) as caught:
                Settings(workers=2)
        self.assertIn("no SO_REUSEPORT", str(caught.exception))

    def test_they_can_be_given_as_options_again(self) -> None:
        for settings in (
            Settings(),
            Settings.parse({**self.OPTIONS, "workers": "3"}),
            Settings(listen="tcp:1", pause=1e-9, prefix=b""),
        ):
            options = Options()
            options.parseOptions(settings.options())
            self.assertEqual(options.settings, settings)

    def test_no_endpoint_is_none(self) -> None:
        with self.assertRaises(ValueError) as caught:
            Settings(listen="")
        self.assertEqual(str(caught.exception), "--listen takes a Twisted server endpoint, such as tcp:8088, not ''")

    def test_settings_that_nobody_parsed_are_checked_too(self) -> None:
        with self.assertRaises(ValueError):
            Settings(port=65536)

    def test_settings_do_not_change(self) -> None:
        with self.assertRaises(FrozenInstanceError):
            Settings().port = 1  # type: ignore[misc]

    @given(st.integers(0, 65535))
    def test_a_value_is_what_it_was_given_as(self, port: int) -> None:
        self.assertEqual(Settings(port=port), Settings.parse({**vars_of(Settings()), "port": str(port)}))


def vars_of(settings: Settings) -> dict[str, object]:
    return {**{name: getattr(settings, name) for name in fields_dict(Settings)}, "listen": None}
