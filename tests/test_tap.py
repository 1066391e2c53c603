"""The service that is made from the options."""

import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from twisted.application.service import IService, IServiceMaker
from twisted.internet.address import IPv4Address
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import LogEvent, capturedLogs
from twisted.plugin import getPlugins
from twisted.trial.unittest import SynchronousTestCase

from echoreply.core.reasons import EndReason, RefusalReason
from echoreply.net.errors import CannotStart
from echoreply.observe.events import ConnectionEnded, ConnectionRefused
from echoreply.server.options import Options
from echoreply.tap import makeService
from tests.server.test_options import parsed
from tests.support.fake_transports import TCPStringTransport


class ServiceTests(SynchronousTestCase):
    def test_the_service_listens_where_it_was_told(self) -> None:
        reactor: Any = MemoryReactorClock()
        service = makeService(parsed("--port", "4321", "--interface", "127.0.0.1"), reactor)
        service.privilegedStartService()
        service.startService()
        ((port, _, _, interface),) = reactor.tcpServers
        self.assertEqual((interface, port), ("127.0.0.1", 4321))

    def test_the_service_listens_as_an_endpoint_describes(self) -> None:
        reactor: Any = MemoryReactorClock()
        service = makeService(parsed("--listen", "tcp:4321:interface=127.0.0.1"), reactor)
        service.startService()
        ((port, _, _, interface),) = reactor.tcpServers
        self.assertEqual((interface, port), ("127.0.0.1", 4321))

    def test_limits_reach_the_factory(self) -> None:
        reactor: Any = MemoryReactorClock()
        service = makeService(
            parsed("--port=0", "--max-connections=2", "--max-per-host=1", "--idle-timeout=9"), reactor
        )
        service.startService()
        factory = reactor.adoptedPorts[0][2].factory
        with capturedLogs() as logged:
            for host in ("192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.3"):
                peer = IPv4Address("TCP", host, 4000)
                protocol = factory.buildProtocol(peer)
                transport = TCPStringTransport(protocol)
                transport.peerAddr = peer
                protocol.makeConnection(transport)
            refusals = [entry["event"].reason for entry in logged if isinstance(entry["event"], ConnectionRefused)]
            self.assertEqual(refusals, [RefusalReason.TOO_MANY_FROM_HOST, RefusalReason.TOO_MANY])
            reactor.pump([1] * 8)
            self.assertEqual(self.endings(logged), [])
            reactor.pump([1] * 4)
            self.assertEqual(self.endings(logged), [EndReason.IDLE] * 2)

    def endings(self, logged: Sequence[LogEvent]) -> list[EndReason]:
        return [entry["event"].reason for entry in logged if isinstance(entry["event"], ConnectionEnded)]


class ScriptTests(SynchronousTestCase):
    def test_a_profile_answers(self) -> None:
        reactor: Any = MemoryReactorClock()
        makeService(parsed("--port=0", "--profile=istio", "--prefix=hello"), reactor).startService()
        protocol = reactor.adoptedPorts[0][2].buildProtocol(None)
        transport = TCPStringTransport(protocol)
        protocol.makeConnection(transport)
        protocol.dataReceived(b"a\n")
        self.assertEqual(transport.take(), b"hello a\n")

    def test_a_script_that_can_not_be_used_keeps_it_from_starting(self) -> None:
        self.addCleanup(delattr, sys, "tracebacklimit")
        reactor: Any = MemoryReactorClock()
        with self.assertRaises(CannotStart) as caught:
            makeService(parsed("--port=0", "--script=/no/such/file"), reactor)
        self.assertEqual(str(caught.exception), "--script /no/such/file: No such file or directory")
        self.assertEqual(sys.tracebacklimit, 0)


class MistakeTests(SynchronousTestCase):
    """Mistakes that parsing the options does not find. They are found before anything is opened or logged."""

    MISTAKES = (
        ("listen", "tcp:x", "cannot listen on tcp:x: tcp takes a port, 0 to 65535, not 'x'"),
        ("listen", "tcp6:99999", "cannot listen on tcp6:99999: tcp6 takes a port, 0 to 65535, not '99999'"),
        ("listen", "haproxy:tcp:x", "cannot listen on haproxy:tcp:x: tcp takes a port, 0 to 65535, not 'x'"),
        (
            "listen",
            "tcp:1:backlog=x",
            "cannot listen on tcp:1:backlog=x: tcp takes other arguments: see Twisted's endpoints",
        ),
        ("listen", "foo:1", "cannot listen on foo:1: Unknown endpoint type: 'foo'"),
        ("listen", "ssl:x", "cannot listen on ssl:x: ssl takes one port, 0 to 65535, not 'x'"),
        ("listen", "unix:", "cannot listen on unix:: unix takes the path of a socket"),
        ("web", "tcp:x", "cannot listen on tcp:x: tcp takes a port, 0 to 65535, not 'x'"),
        ("script", "/no/such", "/no/such: No such file or directory"),
        ("script", "/", "/: Is a directory"),
        ("cert", "/no/such", "/no/such: No such file or directory"),
    )

    def refused(self, *arguments: str) -> str:
        self.addCleanup(lambda: sys.__dict__.pop("tracebacklimit", None))
        self.patch(sys, "excepthook", sys.excepthook)
        reactor: Any = MemoryReactorClock()
        with self.assertRaises(CannotStart) as caught:
            makeService(parsed("--tls=0", *arguments), reactor)
        return str(caught.exception)

    def test_one_on_the_command_line_is_named(self) -> None:
        for name, value, said in self.MISTAKES:
            for workers in (1, 2):
                expected = said if said.startswith("cannot") else f"--{name} {said}"
                self.assertEqual(self.refused(f"--{name}={value}", f"--workers={workers}"), expected)

    def test_one_in_a_file_has_its_place_and_its_key(self) -> None:
        directory = TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        path = Path(directory.name, "c.toml")
        for name, value, said in self.MISTAKES:
            array = ("[", "]") if name == "listen" else ("", "")
            path.write_text(f'drain = 0\n{name} = {array[0]}"{value}"{array[1]}\n', encoding="utf-8")
            expected = f"{name}: {said}" if said.startswith("cannot") else f"{name} {said}"
            self.assertEqual(self.refused(f"--config={path}"), f"{path}, line 2: {expected}")

    def test_one_that_the_command_line_replaces_has_no_place(self) -> None:
        directory = TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        path = Path(directory.name, "c.toml")
        path.write_text('web = "tcp:y"\n', encoding="utf-8")
        said = "cannot listen on tcp:x: tcp takes a port, 0 to 65535, not 'x'"
        self.assertEqual(self.refused(f"--config={path}", "--web=tcp:x"), said)

    def test_a_socket_from_the_service_manager_is_not_taken_by_the_check(self) -> None:
        reactor: Any = MemoryReactorClock()
        parsed("--listen=systemd:domain=INET:index=0", "--web=systemd:domain=INET:index=1").check_start(reactor)

    def test_what_can_not_be_printed_is_quoted(self) -> None:
        self.assertEqual(
            self.refused("--listen=foo:a\nb\x1b"), "cannot listen on 'foo:a\\nb\\x1b': Unknown endpoint type: 'foo'"
        )
        self.assertEqual(self.refused("--script=/no/a\nb"), "--script '/no/a\\nb': No such file or directory")


class PluginTests(SynchronousTestCase):
    def test_twistd_finds_it(self) -> None:
        (maker,) = [plugin for plugin in getPlugins(IServiceMaker) if plugin.tapname == "echoreply"]
        self.assertIs(maker.options, Options)
        self.assertIs(maker.makeService, makeService)
        service = maker.makeService(parsed("--port", "0"))
        self.assertTrue(IService.providedBy(service))
