"""The service that is made from the options."""

import sys
from collections.abc import Sequence
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
        self.assertEqual(str(caught.exception), "/no/such/file: No such file or directory")
        self.assertEqual(sys.tracebacklimit, 0)


class PluginTests(SynchronousTestCase):
    def test_twistd_finds_it(self) -> None:
        (maker,) = [plugin for plugin in getPlugins(IServiceMaker) if plugin.tapname == "echoreply"]
        self.assertIs(maker.options, Options)
        self.assertIs(maker.makeService, makeService)
        service = maker.makeService(parsed("--port", "0"))
        self.assertTrue(IService.providedBy(service))
