"""Which engine moves the bytes."""

import sys
from unittest.mock import patch

from twisted.internet import reactor
from twisted.trial.unittest import SynchronousTestCase

from echoreply.server.engine import resolve, start_engine
from echoreply.server.settings import Engine

INSTALLED, MISSING = (
    patch("echoreply.server.engine.find_spec", lambda _, spec=spec: spec) for spec in (object(), None)
)


class ResolveTests(SynchronousTestCase):
    def choose_no_reactor(self) -> None:
        before = dict(sys.modules)
        del sys.modules["twisted.internet.reactor"]
        self.addCleanup(sys.modules.update, before)

    def test_auto_selects_uvloop_if_it_is_installed(self) -> None:
        self.choose_no_reactor()
        with INSTALLED:
            self.assertIs(resolve(Engine.AUTO), Engine.UVLOOP)
        with MISSING:
            self.assertIs(resolve(Engine.AUTO), Engine.TWISTED)

    def test_auto_keeps_a_reactor_that_is_installed(self) -> None:
        with INSTALLED:
            self.assertIs(resolve(Engine.AUTO), Engine.TWISTED)

    def test_an_explicit_engine_is_used(self) -> None:
        self.choose_no_reactor()
        with INSTALLED:
            self.assertIs(resolve(Engine.UVLOOP), Engine.UVLOOP)
            self.assertIs(resolve(Engine.TWISTED), Engine.TWISTED)

    def test_uvloop_is_an_error_if_it_is_not_installed(self) -> None:
        with MISSING, self.assertRaises(ValueError) as caught:
            resolve(Engine.UVLOOP)
        self.assertIn("not installed", str(caught.exception))

    def test_uvloop_is_an_error_if_another_reactor_is_installed(self) -> None:
        with INSTALLED, self.assertRaises(ValueError) as caught:
            resolve(Engine.UVLOOP)
        self.assertIn("leave out --reactor", str(caught.exception))


class StartTests(SynchronousTestCase):
    def test_the_engine_twisted_is_the_installed_reactor(self) -> None:
        self.assertIs(start_engine(Engine.TWISTED), reactor)
