"""Listening on IPv6 and IPv4 at once."""

import errno
import socket
from typing import Any

from twisted.internet.endpoints import TCP4ServerEndpoint, TCP6ServerEndpoint
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IStreamServerEndpoint
from twisted.internet.protocol import ServerFactory
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from echoreply.net.endpoints import DualStackServerEndpoint, server_endpoint


class DualStackTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor: Any = MemoryReactorClock()

    def test_it_is_a_stream_server_endpoint(self) -> None:
        verifyObject(IStreamServerEndpoint, DualStackServerEndpoint(self.reactor, 0))

    def test_it_listens_with_one_socket(self) -> None:
        factory = ServerFactory()
        self.successResultOf(DualStackServerEndpoint(self.reactor, 0).listen(factory))
        ((_, family, adopted),) = self.reactor.adoptedPorts
        self.assertEqual(family, socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET)
        self.assertIs(adopted, factory)

    def test_without_ipv6_it_listens_on_ipv4(self) -> None:
        self.patch(socket, "has_dualstack_ipv6", lambda: False)
        self.successResultOf(DualStackServerEndpoint(self.reactor, 0).listen(ServerFactory()))
        ((_, family, _),) = self.reactor.adoptedPorts
        self.assertEqual(family, socket.AF_INET)

    def test_a_port_in_use_is_a_failure_with_the_reason(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            failure = self.failureResultOf(DualStackServerEndpoint(self.reactor, port).listen(ServerFactory()))
        error = failure.value
        assert isinstance(error, CannotListenError)
        self.assertEqual(error.port, port)
        self.assertEqual(error.socketError.errno, errno.EADDRINUSE)


class ServerEndpointTests(SynchronousTestCase):
    def test_the_interface_chooses_the_family(self) -> None:
        reactor: Any = MemoryReactorClock()
        self.assertIsInstance(server_endpoint(reactor, "127.0.0.1", 1), TCP4ServerEndpoint)
        self.assertIsInstance(server_endpoint(reactor, "::1", 1), TCP6ServerEndpoint)
        self.assertIsInstance(server_endpoint(reactor, "", 1), DualStackServerEndpoint)

    def test_the_endpoint_listens_on_the_interface(self) -> None:
        reactor: Any = MemoryReactorClock()
        self.successResultOf(server_endpoint(reactor, "::1", 4321).listen(ServerFactory()))
        ((port, _, _, interface),) = reactor.tcpServers
        self.assertEqual((interface, port), ("::1", 4321))
