"""The addresses that settings name, and the bindings that serve them."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from echoreply.net.binding import Binding, SocketOwner
from echoreply.net.errors import CannotListen
from echoreply.net.listener import Layer
from echoreply.net.sockets import datagram_sockets, listening_sockets
from echoreply.net.unix_sockets import open_unix_socket
from echoreply.observe.totals_observer import TotalsObserver
from echoreply.protocol import ReplyFactory
from echoreply.server.bindings import ListeningAddress, bind, listening_addresses
from echoreply.server.settings import Settings
from echoreply.tls.certificate import make_certificate


def addresses(**options: Any) -> list[ListeningAddress]:  # noqa: ANN401
    return list(listening_addresses(Settings(**options), lambda: make_certificate([])))


def repr_of(endpoint: object) -> tuple[type, object, object]:
    return type(endpoint), getattr(endpoint, "_port", None), getattr(endpoint, "_interface", None)


class AddressTests(SynchronousTestCase):
    def test_addresses_have_the_same_order_in_every_process(self) -> None:
        listen = ("tcp:0", "unix:/run/x", "haproxy:tcp:1", "haproxy:ssl:2:privateKey=x", "ssl:3:privateKey=x")
        found = addresses(port=8088, tls=8443, udp=9, interface="127.0.0.1", listen=listen)
        self.assertEqual(
            [(address.where, address.listener.layers) for address in found],
            [
                ("127.0.0.1:8088", ()),
                ("127.0.0.1:8443", (Layer.TLS,)),
                ("127.0.0.1:9 for UDP", (Layer.UDP,)),
                ("tcp:0", ()),
                ("unix:/run/x", ()),
                ("haproxy:tcp:1", (Layer.PROXY,)),
                ("haproxy:ssl:2:privateKey=x", (Layer.PROXY, Layer.TLS)),
                ("ssl:3:privateKey=x", (Layer.TLS,)),
            ],
        )

    def test_without_an_address_the_default_port_is_used_on_all_addresses(self) -> None:
        self.assertEqual([address.where for address in addresses()], ["*:8088"])

    def test_a_bare_port_to_listen_on_is_a_port_on_the_interface(self) -> None:
        for interface, host, where in (("", "*", "*:9000"), ("127.0.0.1", "127.0.0.1", "127.0.0.1:9000")):
            (listened,) = addresses(listen=("9000",), interface=interface)
            (port,) = addresses(port=9000, interface=interface)
            self.assertEqual((listened.where, port.where), (where, where), host)
            reactor: Any = MemoryReactorClock()
            assert listened.endpoint
            assert port.endpoint
            self.assertEqual(repr_of(listened.endpoint(reactor)), repr_of(port.endpoint(reactor)))
            opened = addresses(listen=("0",), interface=interface)[0].open_sockets(1)
            self.addCleanup(opened.close)
            self.assertEqual(opened.address.host in ("::", "0.0.0.0"), not interface)  # type: ignore[attr-defined]

    def test_only_addresses_with_tls_read_certificates(self) -> None:
        plain, secure = addresses(port=1, tls=2)
        self.assertIsNone(plain.read_context)
        assert secure.read_context
        secure.read_context()

    def test_a_wrong_description_is_an_error_that_names_it(self) -> None:
        for description, why in (
            ("ssl:x", "ssl takes one port, 0 to 65535, not 'x'"),
            ("haproxy:haproxy:tcp:1", "haproxy takes an endpoint without it"),
        ):
            with self.assertRaises(CannotListen) as caught:
                addresses(listen=(description,))
            self.assertEqual(str(caught.exception), f"cannot listen on {description}: {why}")


class BindTests(SynchronousTestCase):
    def bind(self, *inherited: Any, **options: Any) -> list[Binding]:  # noqa: ANN401
        self.reactor = MemoryReactorClock()
        self.totals = TotalsObserver()
        self.factory = ReplyFactory(self.reactor, observers=[self.totals])
        settings = Settings(**options)
        reactor: Any = self.reactor
        return list(bind(reactor, settings, self.factory, listening_addresses(settings), inherited))

    def test_a_single_process_opens_its_sockets(self) -> None:
        plain, passed = self.bind(port=4321, interface="127.0.0.1", listen=("unix:/no/such/folder/x",))
        self.assertEqual({plain.owner, passed.owner}, {SocketOwner.PROCESS})
        plain.listen()
        self.assertEqual([server[0] for server in self.reactor.tcpServers], [4321])
        self.assertTrue(plain.listener.name.endswith(":4321"))

    def test_a_worker_takes_the_sockets_that_it_inherits(self) -> None:
        directory = TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        path = str(Path(directory.name) / "socket")
        (tcp,), (udp,) = listening_sockets("127.0.0.1", 0), datagram_sockets("127.0.0.1", 0)
        port = udp.getsockname()[1]
        inherited = [tcp, udp, open_unix_socket(path, 0o600, 5)]
        bindings = self.bind(*inherited, port=0, udp=0, listen=(f"unix:{path}",), workers=2)
        self.assertEqual({binding.owner for binding in bindings}, {SocketOwner.SUPERVISOR})
        for binding, listening in zip(bindings, inherited, strict=True):
            binding.listen()
            self.addCleanup(listening.close)
        ((_, _, factory),) = self.reactor.adoptedPorts
        self.assertTrue(factory.buildProtocol(IPv4Address("TCP", "127.0.0.1", 4000)))
        self.assertEqual(bindings[1].listener.host, IPv4Address("UDP", "127.0.0.1", port))
        self.assertEqual(bindings[2].listener.name, f"unix:{path}")

    def test_sockets_from_systemd_stay_owned_by_systemd(self) -> None:
        (tcp,) = listening_sockets("127.0.0.1", 0)
        self.addCleanup(tcp.close)
        (binding,) = self.bind(tcp, listen=("systemd:domain=INET:index=0",), workers=2)
        self.assertIs(binding.owner, SocketOwner.SERVICE_MANAGER)

    def test_workers_divide_the_udp_rate_limit_of_a_host(self) -> None:
        for rate, workers, answered in ((10, 1, 10), (10, 3, 4), (1, 4, 1)):
            (udp,) = datagram_sockets("127.0.0.1", 0)
            (binding,) = self.bind(udp, udp=0, udp_rate=rate, workers=workers)
            port: Any = binding.listen()
            self.addCleanup(port.connectionLost)
            for _ in range(20):
                port.protocol.datagramReceived(b"hello", ("127.0.0.1", 4000))
            self.assertEqual(self.totals.totals().messages, answered)
