"""The limit on connections, and accepting while no descriptor is free."""

import errno
import resource
import socket
from collections.abc import Iterator
from typing import Any, cast

from twisted.internet.protocol import ServerFactory
from twisted.internet.selectreactor import SelectReactor
from twisted.internet.task import Clock
from twisted.internet.tcp import Port
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from echoreply.net.file_limits import RESERVE, SELECTABLE
from echoreply.observe.events import ConnectionsAllowed, NoDescriptors, TooManyWanted
from echoreply.server.accepting import (
    LOG_SECONDS,
    RETRY_SECONDS,
    RetryingSocket,
    raise_connection_limit,
    retry_accept,
)


class LogTestCase(SynchronousTestCase):
    """Keeps what is logged."""

    def setUp(self) -> None:
        self.log: list[LogEvent] = []
        keep = cast(ILogObserver, self.log.append)
        globalLogPublisher.addObserver(keep)
        self.addCleanup(globalLogPublisher.removeObserver, keep)


class LimitTests(LogTestCase):
    """Change the limit of this process, and restore it."""

    def setUp(self) -> None:
        super().setUp()
        self.soft, self.hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (self.soft, self.hard))

    def test_without_a_limit_there_may_be_as_many_as_are_wanted(self) -> None:
        self.patch(resource, "getrlimit", lambda _what: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        self.assertEqual([raise_connection_limit(object(), wanted) for wanted in (0, 7)], [0, 7])

    def test_what_is_allowed_is_logged(self) -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (500, self.hard))
        room = self.hard - RESERVE
        self.assertEqual(raise_connection_limit(object(), 0), room)
        (event,) = self.log
        self.assertEqual(event["event"], ConnectionsAllowed(allowed=room, limit=self.hard, before=500))

    def test_fewer_may_be_wanted(self) -> None:
        self.assertEqual(raise_connection_limit(object(), 7), 7)
        self.assertEqual(len(self.log), 1)

    def test_more_can_not_be_had_and_that_is_said(self) -> None:
        self.assertEqual(raise_connection_limit(object(), self.hard), self.hard - RESERVE)
        self.assertEqual(self.log[1]["event"], TooManyWanted(wanted=self.hard))

    def test_a_reactor_that_selects_can_serve_only_so_many(self) -> None:
        reactor = SelectReactor.__new__(SelectReactor)
        self.assertEqual(raise_connection_limit(reactor, 0), min(SELECTABLE, self.hard) - RESERVE)
        self.assertEqual(resource.getrlimit(resource.RLIMIT_NOFILE)[0], min(SELECTABLE, self.hard))


class ListeningSocket:
    """A socket whose accept returns or raises each outcome in turn."""

    def __init__(self, *outcomes: object) -> None:
        self._outcomes: Iterator[object] = iter(outcomes)

    def accept(self) -> object:
        outcome = next(self._outcomes)
        if isinstance(outcome, OSError):
            raise outcome
        return outcome

    def fileno(self) -> int:
        return 17


class ListeningPort:
    """A port that can be paused."""

    reading = True

    def __init__(self, socket: ListeningSocket) -> None:
        self.socket = socket

    def pauseProducing(self) -> None:
        self.reading = False

    def resumeProducing(self) -> None:
        self.reading = True


class RetryingSocketTests(LogTestCase):
    def retrying(self, *outcomes: object) -> RetryingSocket:
        self.clock = Clock()
        self.port = ListeningPort(ListeningSocket(*outcomes))
        return RetryingSocket(cast(Any, self.port), self.clock)

    def test_it_accepts(self) -> None:
        accepted = (object(), ("192.0.2.1", 4000))
        self.assertEqual(self.retrying(accepted).accept(), accepted)

    def test_it_is_otherwise_the_socket_that_it_was(self) -> None:
        self.assertEqual(self.retrying().fileno(), 17)

    def test_without_descriptors_the_port_pauses_and_tries_again(self) -> None:
        for number in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
            retrying = self.retrying(OSError(number, "none left"), ("client", "address"))
            with self.assertRaises(BlockingIOError):
                retrying.accept()
            self.assertFalse(self.port.reading)
            self.clock.advance(RETRY_SECONDS)
            self.assertTrue(self.port.reading)
            self.assertEqual(retrying.accept(), ("client", "address"))

    def test_that_is_logged_now_and_then(self) -> None:
        retrying = self.retrying(*[OSError(errno.EMFILE, "none left")] * 4)
        for wait in (1, LOG_SECONDS - 1.5, 1, 1):
            with self.assertRaises(BlockingIOError):
                retrying.accept()
            self.clock.advance(wait)
        self.assertEqual([event["event"] for event in self.log], [NoDescriptors(why="none left")] * 2)

    def test_other_errors_are_the_ports(self) -> None:
        with self.assertRaises(OSError) as caught:
            self.retrying(OSError(errno.ECONNABORTED, "aborted")).accept()
        self.assertEqual(caught.exception.errno, errno.ECONNABORTED)
        self.assertTrue(self.port.reading)


class PortTests(SynchronousTestCase):
    def test_a_reactors_port_gets_one(self) -> None:
        reactor: Any = MemoryReactorClock()
        port = Port(0, ServerFactory(), reactor=reactor)
        with socket.socket() as listener:
            port.socket = listener
            retry_accept(port, reactor)
            self.assertIsInstance(port.socket, RetryingSocket)
