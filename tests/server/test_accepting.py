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

    def test_an_unlimited_number_of_files_allows_the_connections_of_the_settings(self) -> None:
        self.patch(resource, "getrlimit", lambda _what: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        self.assertEqual([raise_connection_limit(object(), wanted) for wanted in (0, 7)], [0, 7])

    def test_the_allowed_connections_are_logged(self) -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (500, self.hard))
        room = self.hard - RESERVE
        self.assertEqual(raise_connection_limit(object(), 0), room)
        (event,) = self.log
        self.assertEqual(event["event"], ConnectionsAllowed(allowed=room, limit=self.hard, before=500))

    def test_the_settings_may_allow_fewer_connections(self) -> None:
        self.assertEqual(raise_connection_limit(object(), 7), 7)
        self.assertEqual(len(self.log), 1)

    def test_settings_above_the_limit_are_capped_with_a_warning(self) -> None:
        self.assertEqual(raise_connection_limit(object(), self.hard), self.hard - RESERVE)
        self.assertEqual(self.log[1]["event"], TooManyWanted(wanted=self.hard))

    def test_a_select_reactor_is_limited_to_the_descriptors_of_select(self) -> None:
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

    def test_it_accepts_and_counts_clients(self) -> None:
        accepted = (object(), ("192.0.2.1", 4000))
        self.assertEqual(self.retrying(accepted).accept(), accepted)

    def test_other_attributes_are_those_of_the_socket(self) -> None:
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

    def test_a_lack_of_descriptors_is_logged_once_a_minute(self) -> None:
        retrying = self.retrying(*[OSError(errno.EMFILE, "none left")] * 4)
        for wait in (1, LOG_SECONDS - 1.5, 1, 1):
            with self.assertRaises(BlockingIOError):
                retrying.accept()
            self.clock.advance(wait)
        self.assertEqual([event["event"] for event in self.log], [NoDescriptors(why="none left")] * 2)

    def test_other_errors_are_raised_to_the_port(self) -> None:
        with self.assertRaises(OSError) as caught:
            self.retrying(OSError(errno.ECONNABORTED, "aborted")).accept()
        self.assertEqual(caught.exception.errno, errno.ECONNABORTED)
        self.assertTrue(self.port.reading)


class PortTests(SynchronousTestCase):
    def test_retry_accept_replaces_the_socket_of_a_port(self) -> None:
        reactor: Any = MemoryReactorClock()
        port = Port(0, ServerFactory(), reactor=reactor)
        with socket.socket() as listener:
            port.socket = listener
            retry_accept(port, reactor)
            self.assertIsInstance(port.socket, RetryingSocket)
