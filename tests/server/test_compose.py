"""The server that is composed from settings."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from echoreply.core.connection_info import PortNumbers
from echoreply.core.reasons import RefusalReason
from echoreply.net.errors import CannotStart
from echoreply.net.listener import Layer, Listener
from echoreply.observe.loop_lag import LoopLag
from echoreply.observe.totals_observer import TotalsObserver
from echoreply.protocol import ReplyFactory
from echoreply.server.bindings import listening_addresses
from echoreply.server.compose import (
    PortNumbersObserver,
    ProcessParts,
    Server,
    compose,
    compose_process,
    reply_factory,
)
from echoreply.server.limits import ConnectionLimits
from echoreply.server.reload import Reload
from echoreply.server.service import ReplyService
from echoreply.server.settings import Engine, Settings
from echoreply.server.workers.supervisor import Supervisor
from echoreply.web.service import WebService
from tests.support.fake_transports import TCPStringTransport
from tests.support.memory_observer import Memory, verify_observer
from tests.support.sample_scripts import BY_TCP

WITHOUT_AND_WITH_WEB: tuple[dict[str, Any], ...] = ({}, {"web": "tcp:0:interface=127.0.0.1"})


class ComposeTests(SynchronousTestCase):
    """The composition root."""

    def compose(self, **options: Any) -> Server:  # noqa: ANN401
        reactor: Any = MemoryReactorClock()
        return compose(reactor, Settings(port=0, **options), Engine.TWISTED)

    def test_with_one_worker_the_process_serves_clients_itself(self) -> None:
        self.assertIsInstance(self.compose().service, ReplyService)

    def test_with_several_workers_the_process_is_a_supervisor(self) -> None:
        self.assertIsInstance(self.compose(workers=2).service, Supervisor)

    def test_the_monitoring_site_adds_watchers_to_single_processes_and_supervisors(self) -> None:
        for workers in (1, 2):
            self.assertEqual(self.compose(workers=workers).watchers, [])
            watched = self.compose(workers=workers, web="tcp:0:interface=127.0.0.1")
            self.assertEqual([type(watcher) for watcher in watched.watchers], [LoopLag, WebService])

    def test_a_process_has_its_limits_and_observers(self) -> None:
        reactor: Any = MemoryReactorClock()
        settings = Settings(port=0)
        observer, other = Memory(), Memory()
        parts = ProcessParts(
            limit=ConnectionLimits(2),
            shared_limits=[ConnectionLimits(1)],
            totals=observer,
            observers=[other],
            record_lag=lambda _seconds: None,
            addresses=listening_addresses(settings),
        )
        service = compose_process(reactor, settings, parts).service
        assert isinstance(service, ReplyService)
        service.startService()
        factory = reactor.adoptedPorts[0][2]
        for _ in range(2):
            protocol = factory.buildProtocol(IPv4Address("TCP", "192.0.2.1", 4000))
            protocol.makeConnection(TCPStringTransport(protocol))
        for told in (observer, other):
            self.assertEqual((len(told.open), told.refusals), (1, [RefusalReason.TOO_MANY]))

    def test_the_log_and_the_table_of_connections_are_those_of_any_process(self) -> None:
        for options in WITHOUT_AND_WITH_WEB:
            reactor: Any = MemoryReactorClock()
            settings = Settings(port=0, **options)
            parts = ProcessParts(
                row_id_prefix="7.",
                limit=ConnectionLimits(),
                totals=Memory(),
                observers=[],
                record_lag=lambda _seconds: None,
                addresses=listening_addresses(settings),
            )
            server = compose_process(reactor, settings, parts)
            assert isinstance(server.service, ReplyService)
            server.service.startService()
            with capturedLogs() as logged:
                protocol = reactor.adoptedPorts[0][2].buildProtocol(None)
                protocol.makeConnection(TCPStringTransport(protocol))
            self.assertEqual([entry["event"].name for entry in logged], ["connected"])
            self.assertEqual(server.table is not None, bool(options))
            if server.table is not None:
                self.assertEqual([row.id for row in server.table.take_changes()["opened"]], ["7.1"])

    def test_totals_are_counted_once_with_and_without_the_monitoring_site(self) -> None:
        created: list[TotalsObserver] = []
        count = TotalsObserver.__init__

        def create(observer: TotalsObserver) -> None:
            created.append(observer)
            count(observer)

        self.patch(TotalsObserver, "__init__", create)
        for options in WITHOUT_AND_WITH_WEB:
            created.clear()
            self.compose(**options)
            self.assertEqual(len(created), 1)

    def test_the_top_service_of_a_process_has_the_server(self) -> None:
        reactor: Any = MemoryReactorClock()
        server = self.compose()
        self.assertEqual(list(server.top_service(reactor)), [server.service])


class PortNumbersTests(SynchronousTestCase):
    def test_the_first_port_of_each_kind_is_kept(self) -> None:
        observer = PortNumbersObserver()
        verify_observer(observer)
        ports = observer.ports
        self.assertEqual(ports, PortNumbers())
        observer.listening(Listener((), UNIXAddress("/run/echoreply.sock")))
        self.assertEqual(ports, PortNumbers())
        observer.listening(Listener((), IPv4Address("TCP", "0.0.0.0", 1)))
        observer.listening(Listener((Layer.TLS,), IPv6Address("TCP", "::", 2)))
        observer.listening(Listener((Layer.PROXY, Layer.TLS), IPv4Address("TCP", "0.0.0.0", 3)))
        observer.listening(Listener((Layer.UDP,), IPv4Address("UDP", "0.0.0.0", 4)))
        observer.listening(Listener((Layer.PROXY,), IPv4Address("TCP", "0.0.0.0", 5)))
        self.assertEqual(ports, PortNumbers(tcp=1, tls=2, udp=4))


class ScriptTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(tempfile.mkdtemp()) / "script.toml"
        self.addCleanup(shutil.rmtree, self.path.parent)
        self.path.write_text("reply = '{{ now.year }} {{ ports.tcp }}'")

    def make(self) -> tuple[ReplyFactory, list[Reload]]:
        reactor: Any = MemoryReactorClock()
        reactor.advance(1_800_000_000)
        return reply_factory(reactor, Settings(script=str(self.path)), lambda _: None, [])

    def said(self, factory: ReplyFactory) -> list[bytes]:
        return factory.rules.answer_datagram(b"a", lambda: BY_TCP)

    def test_a_script_can_show_the_time_of_the_reactor_and_the_ports(self) -> None:
        factory, _ = self.make()
        self.assertEqual(self.said(factory), [b"2027 None"])
        factory.observer.listening(Listener((), IPv4Address("TCP", "0.0.0.0", 8088)))
        self.assertEqual(self.said(factory), [b"2027 8088"])

    def test_a_reloaded_script_is_used_for_new_clients(self) -> None:
        factory, (reload,) = self.make()
        factory.observer.listening(Listener((), IPv4Address("TCP", "0.0.0.0", 8088)))
        self.path.write_text("reply = 'new {{ ports.tcp }}'")
        with capturedLogs() as events:
            reload.attempt()
        self.assertEqual([formatEvent(event) for event in events], [f"script {self.path} reloaded"])
        self.assertEqual(self.said(factory), [b"new 8088"])

    def test_reloading_an_invalid_script_keeps_the_previous_one(self) -> None:
        kept = f"script {self.path}: reload failed, keeping the previous one"
        factory, (reload,) = self.make()
        before = factory.rules
        self.path.write_text("\nreply = 1")
        with capturedLogs() as events:
            reload.attempt()
            self.path.unlink()
            reload.attempt()
        self.assertEqual(
            [formatEvent(event) for event in events],
            [
                f"{kept}: {self.path}, line 2: reply: takes a text, not 1",
                f"{kept}: {self.path}: No such file or directory",
            ],
        )
        self.assertIs(factory.rules, before)

    def test_an_invalid_script_prevents_the_start(self) -> None:
        self.path.write_text("reply = 1")
        with self.assertRaises(CannotStart) as caught:
            self.make()
        self.assertEqual(str(caught.exception), f"{self.path}, line 1: reply: takes a text, not 1")

    def test_a_rendering_error_is_logged_once_and_once_more_after_a_reload(self) -> None:
        self.path.write_text("reply = \"{{ {}['\\u001b'] }}\"")
        factory, (reload,) = self.make()
        with capturedLogs() as events:
            for _ in range(3):
                self.assertTrue(self.said(factory)[0].startswith(b"server error: reply: "))
            reload.attempt()
            self.said(factory)
        faults = [event for event in events if event["log_level"] is LogLevel.error]
        self.assertEqual(len(faults), 2)
        line = formatEvent(faults[0])
        self.assertTrue(line.startswith('script made no reply: "reply: '), line)
        self.assertTrue(line.isprintable())

    def test_without_a_script_file_nothing_is_reloaded(self) -> None:
        reactor: Any = MemoryReactorClock()
        for settings in (Settings(), Settings(profile="identity")):
            self.assertEqual(reply_factory(reactor, settings, lambda _: None, [])[1], [])
