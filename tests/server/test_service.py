"""Starting, stopping and reloading the server's service."""

from functools import partial
from typing import Any

from attrs import evolve
from twisted.internet.address import IPv4Address
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import ServerFactory
from twisted.internet.testing import MemoryReactorClock, RaisingMemoryReactor
from twisted.trial.unittest import SynchronousTestCase

from echoreply.core.reasons import EndReason
from echoreply.net.binding import Binding
from echoreply.net.errors import CannotListen
from echoreply.protocol import ReplyFactory, ReplyProtocol
from echoreply.server.reload import Reload
from echoreply.server.service import ABORT_SECONDS, ReplyService
from tests.support.fake_transports import TCPStringTransport, built
from tests.support.memory_observer import Memory


def binding(reactor: Any, port: int, factory: ServerFactory) -> Binding:  # noqa: ANN401
    return Binding(f"*:{port}", partial(TCP4ServerEndpoint(reactor, port).listen, factory))


class ServiceTestCase(SynchronousTestCase):
    """A service on a reactor in memory."""

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.observer = Memory()
        self.factory = ReplyFactory(self.reactor, observers=[self.observer])
        self.service = ReplyService(self.reactor, [binding(self.reactor, 8088, self.factory)], self.factory, drain=5)

    def connect(self) -> tuple[ReplyProtocol, TCPStringTransport]:
        protocol = built(self.factory)
        transport = TCPStringTransport(protocol)
        protocol.makeConnection(transport)
        return protocol, transport


class StartTests(ServiceTestCase):
    def test_it_listens_once_whether_it_starts_privileged_or_not(self) -> None:
        self.service.privilegedStartService()
        self.service.startService()
        self.assertEqual([server[0] for server in self.reactor.tcpServers], [8088])

    def test_it_listens_without_a_privileged_start(self) -> None:
        self.service.startService()
        self.assertEqual([server[0] for server in self.reactor.tcpServers], [8088])

    def test_observers_get_the_bound_address_once_the_reactor_runs(self) -> None:
        self.service.startService()
        self.assertEqual(self.observer.hosts, [])
        self.reactor.advance(0)
        self.assertEqual(self.observer.hosts, [IPv4Address("TCP", "0.0.0.0", 8088)])

    def test_an_address_in_use_raises_an_error_immediately(self) -> None:
        error = CannotListenError("", 8088, OSError(98, "in use"))
        reactor = RaisingMemoryReactor(error)
        service = ReplyService(self.reactor, [binding(reactor, 8088, self.factory)], self.factory, drain=5)
        with self.assertRaises(CannotListen) as caught:
            service.privilegedStartService()
        self.assertEqual(str(caught.exception), "cannot listen on *:8088: in use")


class StopTests(ServiceTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.service.startService()

    def test_stopping_closes_the_port(self) -> None:
        self.reactor.advance(0)
        self.successResultOf(self.service.stopService())
        self.reactor.advance(0)
        self.assertTrue(self.observer.has_stopped)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_stopping_waits_for_clients_to_take_their_replies(self) -> None:
        protocol, transport = self.connect()
        protocol.dataReceived(b"hello\n")
        stopped = self.service.stopService()
        self.reactor.pump([0, 0])
        self.assertNoResult(stopped)
        transport.flush()
        protocol.readConnectionLost()
        transport.flush()
        self.successResultOf(stopped)
        self.assertEqual(transport.take(), b"server reply:hello\n")
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_stopping_waits_no_longer_than_the_drain_timeout(self) -> None:
        protocol, _ = self.connect()
        protocol.dataReceived(b"hello\n")
        stopped = self.service.stopService()
        self.reactor.pump([0, 4.9])
        self.assertNoResult(stopped)
        self.reactor.advance(0.1)
        self.successResultOf(stopped)
        self.assertEqual(self.observer.reasons, [EndReason.ABORTED])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_an_unfinished_message_is_answered_when_the_drain_times_out(self) -> None:
        service = ReplyService(self.reactor, [binding(self.reactor, 8089, self.factory)], self.factory, drain=0.1)
        service.startService()
        protocol, transport = self.connect()
        protocol.dataReceived(b"hello")
        stopped = service.stopService()
        self.reactor.pump([0, 0.1])
        self.assertEqual(transport.take(), b"server reply:hello")
        self.assertTrue(transport.disconnecting)
        self.assertNoResult(stopped)
        self.reactor.advance(ABORT_SECONDS)
        self.successResultOf(stopped)
        self.assertEqual(self.observer.reasons, [EndReason.ABORTED])

    def test_the_drain_can_be_skipped_while_it_stops(self) -> None:
        self.connect()
        stopped = self.service.stopService()
        self.reactor.advance(0)
        self.assertNoResult(stopped)
        self.service.skip_drain()
        self.successResultOf(stopped)
        self.assertEqual(self.observer.reasons, [EndReason.ABORTED])

    def test_the_drain_can_be_skipped_before_it_stops(self) -> None:
        self.connect()
        self.service.skip_drain()
        self.assertEqual(self.observer.reasons, [], "it has not been stopped yet")
        stopped = self.service.stopService()
        self.reactor.advance(0)
        self.successResultOf(stopped)
        self.assertEqual(self.observer.reasons, [EndReason.ABORTED])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_a_service_that_never_started_can_be_stopped(self) -> None:
        service = ReplyService(self.reactor, [binding(self.reactor, 1, self.factory)], self.factory, drain=5)
        self.successResultOf(service.stopService())


class ReloadTests(ServiceTestCase):
    def test_without_files_nothing_is_reloaded(self) -> None:
        self.assertFalse(self.service.reloadable)

    def test_all_files_are_reloaded_even_if_some_are_invalid(self) -> None:
        read: list[str] = []

        def broken() -> None:
            raise ValueError("no such file")

        of_a_binding = Reload("certificate", partial(read.append, "certificate"))
        bindings = [evolve(binding(self.reactor, 8088, self.factory), reload=of_a_binding.attempt)]
        reloads = [Reload("first", broken).attempt, Reload("script", partial(read.append, "script")).attempt]
        service = ReplyService(self.reactor, bindings, self.factory, drain=5, reloads=reloads)
        self.assertTrue(service.reloadable)
        service.reload()
        self.assertEqual(sorted(read), ["certificate", "script"])
