"""The server's options, and its service made from them."""

import io
import sys
from contextlib import redirect_stdout
from typing import Any

from attrs import fields_dict
from twisted.application.service import IService, IServiceMaker
from twisted.internet.error import CannotListenError
from twisted.internet.testing import MemoryReactorClock, RaisingMemoryReactor
from twisted.plugin import getPlugins
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from echoreply import __version__
from echoreply.settings import Settings
from echoreply.tap import CannotListen, Options, makeService


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

    def test_an_address_in_use_is_said_in_one_line_without_a_traceback(self) -> None:
        self.addCleanup(delattr, sys, "tracebacklimit")
        reactor: Any = RaisingMemoryReactor(CannotListenError("127.0.0.1", 4321, OSError(98, "Address already in use")))
        service = makeService(parsed("--port", "4321", "--interface", "127.0.0.1"), reactor)
        with self.assertRaises(CannotListen) as caught:
            service.privilegedStartService()
        self.assertEqual(str(caught.exception), "cannot listen on 127.0.0.1:4321: Address already in use")
        self.assertEqual(sys.tracebacklimit, 0)


class PluginTests(SynchronousTestCase):
    def test_twistd_finds_it(self) -> None:
        (maker,) = [plugin for plugin in getPlugins(IServiceMaker) if plugin.tapname == "echoreply"]
        self.assertIs(maker.options, Options)
        self.assertIs(maker.makeService, makeService)
        service = maker.makeService(parsed("--port", "0"))
        self.assertTrue(IService.providedBy(service))
