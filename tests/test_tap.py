"""The server's options, and its service made from them."""

import io
from contextlib import redirect_stdout
from typing import Any

from attrs import fields_dict
from twisted.application.service import IService, IServiceMaker
from twisted.internet.address import IPv4Address
from twisted.internet.testing import MemoryReactorClock
from twisted.plugin import getPlugins
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from echoreply import __version__
from echoreply.reasons import CloseReason
from echoreply.settings import Settings
from echoreply.tap import Options, makeService
from tests.transports import TCPStringTransport


def parsed(*arguments: str) -> Options:
    options = Options()
    options.parseOptions(arguments)
    return options


class OptionsTests(SynchronousTestCase):
    def test_without_options_the_settings_are_the_defaults(self) -> None:
        self.assertEqual(parsed().settings, Settings())

    def test_every_setting_has_an_option(self) -> None:
        options = Options()
        for name in fields_dict(Settings):
            self.assertIn(name.replace("_", "-"), options)

    def test_short_options_are_the_long_ones(self) -> None:
        settings = parsed("-p", "0", "-i", "127.0.0.1", "--prefix", "").settings
        self.assertEqual(settings, Settings(port=0, interface="127.0.0.1", prefix=b""))

    def test_a_bad_value_is_a_usage_error(self) -> None:
        with self.assertRaises(UsageError) as caught:
            parsed("--port", "99999")
        self.assertEqual(str(caught.exception), "--port takes a whole number, 0 to 65535, not '99999'")

    def test_an_argument_is_a_usage_error(self) -> None:
        with self.assertRaises(UsageError) as caught:
            parsed("8088")
        self.assertIn("'8088'", str(caught.exception))

    def test_the_version_is_ours(self) -> None:
        output = io.StringIO()
        with redirect_stdout(output), self.assertRaises(SystemExit) as caught:
            parsed("--version")
        self.assertEqual((output.getvalue(), caught.exception.code), (f"echoreply {__version__}\n", 0))


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
