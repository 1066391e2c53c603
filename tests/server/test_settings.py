"""What people write on a command line, checked."""

import os
import re
import socket
import subprocess
import sys
from unittest.mock import patch

from attrs import fields_dict
from attrs.exceptions import FrozenInstanceError
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from echoreply.core.access import network
from echoreply.core.connection_info import PortNumbers
from echoreply.core.defaults import DEFAULT_PORT
from echoreply.core.framing import Framing
from echoreply.core.replies import Transform
from echoreply.server.reply_rules import rules_of
from echoreply.server.settings import LogFormat, OptionError, Settings, cores
from echoreply.tap import Options


class SettingsTests(SynchronousTestCase):
    OPTIONS: dict[str, object] = {  # noqa: RUF012
        "listen": ["tcp:1", "tcp:2"],
        "port": "0",
        "tls": None,
        "udp": None,
        "interface": "::1",
        "cert": None,
        "key": None,
        "client_ca": None,
        "alpn": [],
        "allow": ["192.0.2.0/24"],
        "deny": ["192.0.2.1"],
        "trust_proxy": ["::1"],
        "prefix": "p\udcff",
        "transform": "upper",
        "script": None,
        "profile": "echo",
        "framing": "read",
        "pause": "0.5",
        "max_message": "10",
        "log_messages": "0",
        "log_format": "json",
        "idle_timeout": "0",
        "max_connections": "10",
        "max_per_host": "1",
        "udp_rate": "7",
        "drain": "0",
        "web": None,
        "workers": "1",
        "engine": "twisted",
        "help": "is not a setting",
    }

    def test_texts_are_parsed_to_values(self) -> None:
        settings = Settings.parse(self.OPTIONS)
        self.assertEqual((settings.port, settings.interface, settings.prefix), (0, "::1", b"p\xff"))
        self.assertEqual((settings.pause, settings.log_messages, settings.drain), (0.5, 0, 0.0))
        self.assertIs(settings.log_format, LogFormat.JSON)
        rules = rules_of(settings, PortNumbers())
        self.assertEqual((rules.framing, rules.max_message), (Framing.READ, 10))
        self.assertEqual((settings.prefix, rules.replies.prefix), (b"p\xff", b""))
        self.assertEqual(rules.replies.transform, Transform.UPPER)

    def test_an_error_names_the_option_the_value_and_what_it_takes(self) -> None:
        with self.assertRaises(ValueError) as caught:
            Settings.parse({**self.OPTIONS, "max_message": "0"})
        self.assertEqual(str(caught.exception), "--max-message takes a whole number, 1 or more, not '0'")
        with self.assertRaises(ValueError) as caught:
            Settings.parse({**self.OPTIONS, "interface": "name.example"})
        self.assertEqual(
            str(caught.exception), "--interface takes an IP address of this machine, or localhost, not 'name.example'"
        )

    def test_the_default_port_is_used_only_without_other_listening_addresses(self) -> None:
        self.assertEqual(Settings().tcp, DEFAULT_PORT)
        for other in ({"listen": ("tcp:1",)}, {"tls": 1}, {"udp": 1}):
            self.assertIsNone(Settings(**other).tcp)
            self.assertEqual(Settings(port=2, **other).tcp, 2)

    def test_an_option_without_the_option_that_it_needs_is_an_error(self) -> None:
        for options, said in (
            ({"listen": ("tcp:1",), "interface": "::1"}, "--interface is for --port, --tls and --udp"),
            ({"cert": "a.pem"}, "--cert is for --tls"),
            ({"client_ca": "a.pem", "udp": 1}, "--client-ca is for --tls"),
            ({"alpn": ("echo",), "port": 1}, "--alpn is for --tls"),
            ({"tls": 1, "key": "a.pem"}, "give --cert"),
        ):
            with self.assertRaises(ValueError) as caught:
                Settings(**options)
            self.assertIn(said, str(caught.exception))

    def test_workers_share_every_kind_of_listening_address(self) -> None:
        for other in ({"listen": ("tcp:1",)}, {"udp": 1}):
            for workers in (1, 2):
                self.assertEqual(Settings(workers=workers, **other).workers, workers)

    def test_a_network_is_in_cidr_notation(self) -> None:
        self.assertEqual(
            Settings.parse({**vars_of(Settings()), "deny": ["2001:db8::/32"]}).deny, (network("2001:db8::/32"),)
        )
        with self.assertRaises(ValueError) as caught:
            Settings.parse({**vars_of(Settings()), "allow": ["10.0.0.0/33"]})
        self.assertIn("--allow takes a network such as 192.0.2.0/24", str(caught.exception))
        self.assertIn("10.0.0.0/33", str(caught.exception))

    def test_workers_are_a_number_or_as_many_as_cores(self) -> None:
        self.assertEqual(Settings.parse({**vars_of(Settings()), "workers": "auto"}).workers, cores())
        with self.assertRaises(ValueError) as caught:
            Settings.parse({**vars_of(Settings()), "workers": "0"})
        self.assertEqual(str(caught.exception), "--workers takes a whole number, 1 or more, or auto, not '0'")

    def test_cores_are_those_that_this_process_may_use(self) -> None:
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

    def test_settings_can_be_converted_to_options_and_back(self) -> None:
        for settings in (
            Settings(),
            Settings.parse({**self.OPTIONS, "workers": "3"}),
            Settings(listen=("tcp:1", "tcp6:2"), pause=1e-9, prefix=b"", allow=(network("::1"), network("10.0.0.0/8"))),
        ):
            options = Options()
            options.parseOptions(settings.options())
            self.assertEqual(options.settings, settings)

    def test_an_empty_endpoint_is_an_error(self) -> None:
        with self.assertRaises(ValueError) as caught:
            Settings(listen=("",))
        self.assertEqual(
            str(caught.exception), "--listen takes a port or a Twisted server endpoint, such as tcp:8088, not ''"
        )

    def test_a_bare_port_is_an_endpoint(self) -> None:
        self.assertEqual(Settings(listen=("09000", "tcp:1")).listen, ("9000", "tcp:1"))
        self.assertEqual(Settings(web="9101").web, "tcp:9101:interface=127.0.0.1")
        for text in ("65536", "9101x", "127.0.0.1:80", ":80", "٨٠", " 80"):
            for name in ("web", "listen"):
                with self.assertRaises(ValueError) as caught:
                    Settings.parse({name: [text] if name == "listen" else text})
                self.assertRegex(
                    str(caught.exception), f"^--{name} takes a port or a Twisted server endpoint, such as .*, not "
                )

    def test_an_interface_needs_a_port_of_any_kind(self) -> None:
        for options in ({"listen": ("0",)}, {"udp": 0}, {"tls": 0}, {"port": 0}, {}, {"listen": ("tcp:1", "9000")}):
            self.assertEqual(Settings(interface="::1", **options).interface, "::1")

    def test_localhost_is_loopback(self) -> None:
        self.assertEqual(Settings(interface="localhost").interface, "127.0.0.1")

    def test_declarations_name_the_options_that_an_error_is_about(self) -> None:
        for options, names in (
            ({"port": "x"}, ("port",)),
            ({"max_message": 0}, ("max-message",)),
            ({"script": "a", "profile": "echo"}, ("script", "profile")),
            ({"tls": 1, "key": "a"}, ("key",)),
        ):
            with self.assertRaises(OptionError) as caught:
                Settings.parse(options)
            self.assertEqual(caught.exception.options, names)

    def test_importing_settings_loads_neither_twisted_nor_tls(self) -> None:
        code = "import sys, echoreply.server.settings; print(*sys.modules)"
        loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
        unwanted = re.compile(
            r"ssl|twisted($|\.)|jinja2|re2|echoreply\.(net|protocol|tls|proxy|observe|web|native|server\.compose)($|\.)"
        )
        self.assertEqual([name for name in loaded.stdout.split() if unwanted.match(name)], [])
        self.assertIn("echoreply.server.settings", loaded.stdout.split())

    def test_settings_made_from_values_are_validated_too(self) -> None:
        with self.assertRaises(ValueError):
            Settings(port=65536)

    def test_settings_are_immutable(self) -> None:
        with self.assertRaises(FrozenInstanceError):
            Settings().port = 1  # type: ignore[misc]

    @given(st.integers(0, 65535))
    def test_values_that_already_have_their_type_are_kept(self, port: int) -> None:
        self.assertEqual(Settings(port=port), Settings.parse({**vars_of(Settings()), "port": str(port)}))


def vars_of(settings: Settings) -> dict[str, object]:
    """Give settings as options are: what was not given is none."""
    values = {name: getattr(settings, name) for name in fields_dict(Settings)}
    return {name: None if value == "" else value for name, value in values.items()}
