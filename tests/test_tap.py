"""The service that is made from the options."""

from typing import Any

from twisted.application.service import IService, IServiceMaker
from twisted.internet.address import IPv4Address
from twisted.internet.testing import MemoryReactorClock
from twisted.plugin import getPlugins
from twisted.trial.unittest import SynchronousTestCase

from echoreply.options import Options
from echoreply.reasons import CloseReason
from echoreply.tap import makeService
from tests.test_options import parsed
from tests.transports import TCPStringTransport


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
        factory = reactor.adoptedPorts[0][2]
        for host in ("192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.3"):
            protocol = factory.buildProtocol(None)
            transport = TCPStringTransport(protocol)
            transport.peerAddr = IPv4Address("TCP", host, 4000)
            protocol.makeConnection(transport)
        self.assertEqual(factory.counts.refusals, {CloseReason.TOO_MANY: 1, CloseReason.TOO_MANY_FROM_HOST: 1})
        reactor.pump([1] * 8)
        self.assertEqual(factory.counts.endings, {})
        reactor.pump([1] * 4)
        self.assertEqual(factory.counts.endings, {CloseReason.IDLE: 2})


class PluginTests(SynchronousTestCase):
    def test_twistd_finds_it(self) -> None:
        (maker,) = [plugin for plugin in getPlugins(IServiceMaker) if plugin.tapname == "echoreply"]
        self.assertIs(maker.options, Options)
        self.assertIs(maker.makeService, makeService)
        service = maker.makeService(parsed("--port", "0"))
        self.assertTrue(IService.providedBy(service))
