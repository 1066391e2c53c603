"""Start-up errors in one line, and the signals that end the server."""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import redirect_stderr
from functools import partial
from io import StringIO
from traceback import format_exception_only
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.error import CannotListenError
from twisted.internet.testing import MemoryReactorClock, RaisingMemoryReactor
from twisted.trial.unittest import SynchronousTestCase

from echoreply.core.reasons import EndReason
from echoreply.net.binding import Binding, report_listen_errors
from echoreply.net.errors import CannotListen, CannotStart
from echoreply.protocol import ReplyFactory
from echoreply.server.service import ReplyService
from echoreply.server.signals import TwistdService, hide_start_traceback
from tests.support.fake_transports import TCPStringTransport, built
from tests.support.memory_observer import Memory

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class ToldInALineTests(SynchronousTestCase):
    def test_a_start_up_error_has_no_traceback(self) -> None:
        self.addCleanup(delattr, sys, "tracebacklimit")
        self.patch(sys, "excepthook", sys.excepthook)
        with self.assertRaises(CannotListen) as caught, hide_start_traceback(), report_listen_errors("tcp:x"):
            raise ValueError("no such port")
        self.assertEqual(str(caught.exception), "cannot listen on tcp:x: no such port")
        self.assertTrue(caught.exception.__suppress_context__)
        self.assertEqual(sys.tracebacklimit, 0)

    def test_a_start_up_error_is_printed_without_python_names(self) -> None:
        self.addCleanup(delattr, sys, "tracebacklimit")
        self.patch(sys, "excepthook", sys.excepthook)
        with self.assertRaises(CannotListen) as caught, hide_start_traceback(), report_listen_errors("tcp:x"):
            raise ValueError("no such port")
        output = StringIO()
        with redirect_stderr(output):
            sys.excepthook(CannotListen, caught.exception, None)
            sys.excepthook(KeyError, KeyError("x"), None)
        self.assertEqual(output.getvalue(), "twistd echoreply: cannot listen on tcp:x: no such port\nKeyError: 'x'\n")

    def test_twistd_shows_the_error_of_a_daemon_without_the_module_of_its_class(self) -> None:
        for kind in (CannotStart, CannotListen):
            self.assertEqual(format_exception_only(kind("why")), [f"{kind.__name__}: why\n"])

    def test_without_an_error_nothing_is_printed(self) -> None:
        with hide_start_traceback():
            pass
        self.assertFalse(hasattr(sys, "tracebacklimit"))


class Reactor(MemoryReactorClock):
    """A reactor in memory that signal handlers can call."""

    def callFromThread(self, function: Callable[[], object]) -> None:
        self.callLater(0, function)


class TwistdServiceTestCase(SynchronousTestCase):
    """A service on a reactor in memory."""

    def setUp(self) -> None:
        self.reactor: Any = Reactor()
        self.observer = Memory()
        self.factory = ReplyFactory(self.reactor, observers=[self.observer])
        self.handlers = {number: signal.getsignal(number) for number in SIGNALS}
        for number, handler in self.handlers.items():
            self.addCleanup(signal.signal, number, handler)

    def service(self, listener: Any) -> TwistdService:  # noqa: ANN401
        binding = Binding("*:4321", partial(TCP4ServerEndpoint(listener, 4321).listen, self.factory))
        return TwistdService(self.reactor, ReplyService(self.reactor, [binding], self.factory, drain=60))


class StartTests(TwistdServiceTestCase):
    def test_an_error_of_listening_is_one_line(self) -> None:
        self.addCleanup(delattr, sys, "tracebacklimit")
        error = CannotListenError("", 4321, OSError(98, "Address already in use"))
        with self.assertRaises(CannotListen):
            self.service(RaisingMemoryReactor(error)).privilegedStartService()


class SignalTests(TwistdServiceTestCase):
    """The reactor's own handler stops the service in its next turn."""

    def setUp(self) -> None:
        super().setUp()
        self.stopped: list[Deferred[None]] = []
        for number in SIGNALS:
            signal.signal(number, self.reactor_handler)
        self.twistd = self.service(self.reactor)
        self.twistd.startService()
        self.run_hooks()
        self.transport = self.connect()

    def run_hooks(self) -> None:
        for hook, arguments, named in self.reactor.whenRunningHooks:
            hook(*arguments, **named)
        self.reactor.whenRunningHooks.clear()

    def reactor_handler(self, _number: int, _frame: object) -> None:
        self.reactor.callLater(0, lambda: self.stopped.append(self.twistd.stopService()))

    def connect(self) -> TCPStringTransport:
        protocol = built(self.factory)
        transport = TCPStringTransport(protocol)
        protocol.makeConnection(transport)
        protocol.dataReceived(b"hello\n")
        return transport

    def test_the_first_signal_is_handled_by_the_reactor(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        self.reactor.pump([0, 0])
        self.assertNoResult(self.stopped[0])
        self.assertEqual(self.observer.reasons, [])

    def test_the_second_signal_skips_the_drain(self) -> None:
        for number in SIGNALS:
            with self.subTest(number):
                os.kill(os.getpid(), signal.SIGTERM)
                self.reactor.pump([0, 0])
                os.kill(os.getpid(), number)
                self.reactor.advance(0)
                self.successResultOf(self.stopped[0])
                self.assertEqual(self.observer.reasons, [EndReason.ABORTED])
                self.setUp()

    def test_the_second_signal_skips_the_drain_also_before_the_reactor_handles_the_first(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        self.reactor.pump([0, 0, 0])
        self.successResultOf(self.stopped[0])
        self.assertEqual(self.observer.reasons, [EndReason.ABORTED])
        self.assertEqual(len(self.stopped), 1)

    def test_a_signal_during_a_stop_without_a_signal_skips_the_drain(self) -> None:
        stopped = self.twistd.stopService()
        self.reactor.advance(0)
        self.assertNoResult(stopped)
        os.kill(os.getpid(), signal.SIGTERM)
        self.reactor.pump([0, 0])
        self.successResultOf(stopped)
        self.assertEqual(self.observer.reasons, [EndReason.ABORTED])
        self.assertEqual(self.stopped, [])

    def test_after_the_stop_the_signal_handlers_are_restored(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        self.reactor.pump([0, 0])
        self.transport.abortConnection()
        self.successResultOf(self.stopped[0])
        self.assertEqual([signal.getsignal(number) for number in SIGNALS], [self.reactor_handler] * 2)

    def test_an_ignored_signal_stays_ignored(self) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self.service(self.reactor).startService()
        self.run_hooks()
        self.assertIs(signal.getsignal(signal.SIGINT), signal.SIG_IGN)
