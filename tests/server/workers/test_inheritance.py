"""The sockets and files that workers inherit."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from echoreply.net.errors import CannotListen, CannotStart
from echoreply.server.settings import Settings
from echoreply.server.workers.inheritance import Inheritance
from echoreply.server.workers.ipc import Descriptor


class InheritanceTests(SynchronousTestCase):
    def setUp(self) -> None:
        directory = TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)

    def opened(self, **options: Any) -> Inheritance:  # noqa: ANN401
        inheritance = Inheritance(Settings(workers=2, **options))
        inheritance.open()
        self.addCleanup(inheritance.close_sockets)
        self.addCleanup(inheritance.close_files)
        return inheritance

    def test_each_worker_gets_a_socket_for_each_address_in_order(self) -> None:
        path = self.directory / "socket"
        inheritance = self.opened(port=0, udp=0, interface="127.0.0.1", listen=(f"unix:{path}",))
        first, second = (inheritance.descriptors(number) for number in (1, 2))
        self.assertEqual(list(first), [Descriptor.FIRST_SOCKET + index for index in range(3)])
        self.assertEqual(list(second), list(first))
        kinds = []
        for descriptor in first.values():
            with socket.socket(fileno=os.dup(descriptor)) as listening:
                kinds.append((listening.family, listening.type))
        self.assertEqual(
            kinds,
            [
                (socket.AF_INET, socket.SOCK_STREAM),
                (socket.AF_INET, socket.SOCK_DGRAM),
                (socket.AF_UNIX, socket.SOCK_STREAM),
            ],
        )
        differ = [first[descriptor] != second[descriptor] for descriptor in first]
        self.assertEqual(differ, [True, True, False])

    def test_its_listeners_know_their_addresses(self) -> None:
        path = self.directory / "socket"
        inheritance = self.opened(port=0, udp=0, interface="127.0.0.1", listen=(f"unix:{path}",))
        tcp, udp, unix = (listener.name for listener in inheritance.listeners)
        self.assertRegex(tcp, r"127\.0\.0\.1:\d+")
        self.assertRegex(udp, r"127\.0\.0\.1:\d+")
        self.assertEqual(unix, f"unix:{path}")

    def test_the_certificate_is_generated_once(self) -> None:
        inheritance = self.opened(tls=0, interface="127.0.0.1")
        self.assertTrue(inheritance.reads_certificates)
        certificates = [inheritance.descriptors(number)[Descriptor.CERTIFICATE] for number in (1, 2)]
        self.assertEqual(certificates[0], certificates[1])
        self.assertIn(b"PRIVATE KEY", os.pread(certificates[0], 65536, 0))

    def test_reading_an_invalid_script_keeps_the_previous_one(self) -> None:
        script = self.directory / "script.toml"
        script.write_text("reply = 'one'")
        inheritance = self.opened(port=0, script=str(script))
        descriptor = inheritance.descriptors(1)[Descriptor.SCRIPT]
        script.write_text("reply = 1")
        with self.assertRaises(ValueError):
            inheritance.read_script()
        self.assertEqual(os.pread(descriptor, 100, 0), b"reply = 'one'")
        script.write_text("reply = ''")
        inheritance.read_script()
        self.assertEqual(os.pread(descriptor, 100, 0), b"reply = ''")

    def test_an_invalid_script_prevents_the_start(self) -> None:
        script = self.directory / "script.toml"
        script.write_text("reply = 1")
        with self.assertRaises(CannotStart) as caught:
            self.opened(port=0, script=str(script))
        self.assertEqual(str(caught.exception), f"{script}, line 1: reply: takes a text, not 1")

    def test_an_unavailable_address_closes_all_sockets(self) -> None:
        path = self.directory / "socket"
        with self.assertRaises(CannotListen) as caught:
            self.opened(listen=(f"unix:{path}", "ssl:0:privateKey=/no/such"))
        self.assertIn("cannot listen on ssl:0:privateKey=/no/such: ", str(caught.exception))
        self.assertFalse(path.exists())
