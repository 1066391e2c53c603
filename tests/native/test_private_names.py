"""Private names of other projects: each is still there and does what it is needed for, and no other module has one."""

from __future__ import annotations

import argparse
import contextlib
import inspect
import re
import socket
import ssl
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from select import select
from tempfile import TemporaryDirectory
from typing import Any, cast

from twisted.internet import tcp, udp
from twisted.internet.address import IPv4Address
from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint
from twisted.internet.interfaces import ITransport
from twisted.internet.protocol import ClientFactory, DatagramProtocol, Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.python.log import textFromEventDict
from twisted.runner.procmon import ProcessMonitor
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from echoreply.native.private_names import (
    PLAIN_FAMILY,
    PLAIN_TYPE,
    PRIVATE_NAMES,
    PrivateName,
    accept_descriptor,
    adopt_listening_port,
    close_wakers,
    has_unsent,
    installs_signal_handlers,
    kill_calls,
    log_file_observer,
    parse_endpoint,
    parser_actions,
    process_exited,
    real_address,
    ssl_object,
    unix_path,
    unverified_chain,
    use_bound_socket,
    with_zone,
)
from echoreply.net.transport import ImmediateServer
from echoreply.testing.threaded import PrivateReactor
from echoreply.tls.certificate import make_certificate
from echoreply.tls.context import context_of_pem
from tests.support.private_uses import AMBIGUOUS, TREE, Use, attributes, find, private_uses, python_files

ONE_MODULE = "echoreply.native.private_names"
LISTED = {(each.subclass, each.name) for each in PRIVATE_NAMES if each.subclass}


def uses_of_package() -> list[Use]:
    """Return all private names of others in the package, but for those in the module that is meant to have them."""
    return [
        use
        for file, module in python_files().items()
        if module != ONE_MODULE
        for use in private_uses(file.read_text(encoding="utf-8"), str(file.relative_to(TREE)), module)
    ]


class OneModuleTests(SynchronousTestCase):
    """Private names stand in one module."""

    def test_no_other_module_has_one_that_is_not_listed_for_it(self) -> None:
        unlisted = [str(use) for use in uses_of_package() if (use.owner, use.name) not in LISTED]
        if unlisted:
            self.fail("\n".join([f"Private names belong into {ONE_MODULE}:", *unlisted]))

    def test_what_is_listed_for_a_subclass_is_there(self) -> None:
        used = {(use.owner, use.name) for use in uses_of_package()}
        for path, name in LISTED:
            if name in AMBIGUOUS:
                self.assertIn(name, attributes(find(path)), path)
            else:
                self.assertIn((path, name), used)

    def test_what_is_listed_for_a_function_is_in_that_module(self) -> None:
        source = inspect.getsource(import_module(ONE_MODULE))
        code = source[source.index("\n# Python\n") :]
        for each in PRIVATE_NAMES:
            if not each.subclass:
                self.assertRegex(code, rf'[."\s]{re.escape(each.name)}\b', each.name)

    def test_that_module_has_none_that_is_not_listed(self) -> None:
        names = {use.name for use in private_uses(inspect.getsource(import_module(ONE_MODULE)), "private_names.py")}
        self.assertEqual(names - {each.name for each in PRIVATE_NAMES}, set())

    def test_the_build_of_the_package_can_import_that_module(self) -> None:
        code = (
            f"import sys; sys.modules.update(dict.fromkeys(['attr', 'attrs', 'twisted', 'zope'])); import {ONE_MODULE}"
        )
        subprocess.run([sys.executable, "-c", code], check=True, timeout=60)

    def test_each_kind_of_use_is_found(self) -> None:
        for line in (
            "thing._private",
            "thing._private = 1",
            "getattr(thing, '_private')",
            "from twisted.internet.tcp import _private",
            "import _private",
            "from _private import public",
            "from rich._private import public",
            "self._private()",
            "super()._private()",
            "connection.dataBuffer",
        ):
            with self.subTest(line):
                self.assertEqual([str(use)[:9] for use in private_uses(f"\n{line}\n", "file.py")], ["file.py:2"])

    def test_an_override_is_found(self) -> None:
        source = "class NativeConnector(tcp.Connector):\n    def _makeTransport(self): ...\n"
        (use,) = private_uses(source, "file.py", "echoreply.native.client")
        self.assertEqual((use.line, use.name), (2, "_makeTransport"))
        self.assertEqual(use.owner, "echoreply.native.client.NativeConnector")

    def test_names_of_ours_are_not(self) -> None:
        source = "class A:\n _a: int\n def _b(self): self._c = self._a\n def d(self, other): other._c + other._b()\n"
        self.assertEqual(list(private_uses(source, "file.py")), [])


class StillThereTests(SynchronousTestCase):
    """Whether a release of Python or Twisted has taken a name away is told by the name."""

    def check(self, each: PrivateName) -> None:
        owner = find(each.owner)
        names: frozenset[str] | set[str] = attributes(owner) if isinstance(owner, type) else {*dir(owner)}
        if each.name not in names and each.owner == "_ssl._SSLSocket" and ssl.OPENSSL_VERSION_INFO < (3,):
            raise SkipTest("there is none with such an OpenSSL")
        self.assertIn(each.name, names, f"{each.owner}.{each.name} is gone. It is needed: {each.reason}")

    def test_each_has_a_reason_and_a_replacement_or_none(self) -> None:
        for each in PRIVATE_NAMES:
            self.assertTrue(each.reason.endswith("."), each)
            self.assertTrue(each.replacement, each)
        paths = [(each.owner, each.name) for each in PRIVATE_NAMES]
        self.assertEqual(len({*paths}), len(paths))


def _add_checks() -> None:
    """Make a test for each name, which has it in its own."""
    for each in PRIVATE_NAMES:
        name = f"test_{each.owner}.{each.name}".replace(".", "_")

        def test(self: StillThereTests, each: PrivateName = each) -> None:
            self.check(each)

        test.__name__ = name
        setattr(StillThereTests, name, test)


_add_checks()


class PythonTests(SynchronousTestCase):
    def test_actions_of_a_parser(self) -> None:
        parser = argparse.ArgumentParser(add_help=False)
        parser.add_argument("--file", metavar="FILE")
        parser.add_argument("port")
        self.assertEqual([action.dest for action in parser_actions(parser)], ["file", "port"])

    def test_sockets_with_plain_numbers(self) -> None:
        class Plain(socket.socket):
            family = PLAIN_FAMILY  # type: ignore[assignment]
            type = PLAIN_TYPE  # type: ignore[assignment]

        with Plain() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            self.assertEqual((type(listener.family), type(listener.type)), (int, int))
            self.assertEqual((listener.family, listener.type), (socket.AF_INET, socket.SOCK_STREAM))
            with socket.create_connection(listener.getsockname()) as client:
                descriptor, peer = accept_descriptor(listener)
                with socket.socket(fileno=descriptor) as accepted:
                    self.assertEqual(peer, client.getsockname())
                    self.assertEqual(accepted.getpeername(), peer)

    def test_the_object_within_a_session(self) -> None:
        client, server = tls_pair()
        self.assertIsNot(ssl_object(server), server)
        shake_hands(client, server)
        self.assertEqual(ssl_object(server).write(b"hello"), 5)
        client.take_from(server)
        self.assertEqual(ssl_object(client).read(100), b"hello")
        with self.assertRaises(ssl.SSLWantReadError):
            ssl_object(client).read(100)

    def test_a_session_without_one_is_taken_itself(self) -> None:
        session = cast(ssl.SSLObject, object())
        self.assertIs(ssl_object(session), session)

    def test_a_chain_that_was_not_verified(self) -> None:
        client, server = tls_pair()
        self.assertEqual(unverified_chain(client), [])
        shake_hands(client, server)
        if ssl.OPENSSL_VERSION_INFO < (3,):
            raise SkipTest("it is not there with such an OpenSSL")
        (shown,) = unverified_chain(client)
        self.assertEqual(client.getpeercert(), {}, "it was not verified")
        self.assertIn(("DNS", "localhost"), shown["subjectAltName"])
        self.assertGreater(ssl.cert_time_to_seconds(shown["notAfter"]), ssl.cert_time_to_seconds(shown["notBefore"]))
        self.assertEqual(shown["issuer"], shown["subject"])


class MemorySession(ssl.SSLObject):
    """One end of TLS in memory."""

    incoming: ssl.MemoryBIO
    outgoing: ssl.MemoryBIO

    def take_from(self, other: MemorySession) -> None:
        self.incoming.write(other.outgoing.read())


def tls_pair() -> tuple[MemorySession, MemorySession]:
    """Return a client that verifies nothing, and a server."""
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    sessions = []
    for context in (trusting, context_of_pem(make_certificate())):
        context.sslobject_class = MemorySession
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        session = cast(MemorySession, context.wrap_bio(incoming, outgoing, server_side=context is not trusting))
        session.incoming, session.outgoing = incoming, outgoing
        sessions.append(session)
    client, server = sessions
    return client, server


def shake_hands(client: MemorySession, server: MemorySession) -> None:
    for _ in range(2):
        for one, other in ((client, server), (server, client)):
            with contextlib.suppress(ssl.SSLWantReadError):
                one.do_handshake()
            other.take_from(one)


class EndpointTests(SynchronousTestCase):
    def test_descriptions_are_taken_apart_with_their_escapes(self) -> None:
        self.assertEqual(
            parse_endpoint(r"tcp:80:interface=\:\:1:backlog=7"), (["tcp", "80"], {"interface": "::1", "backlog": "7"})
        )

    def test_the_path_of_an_endpoint(self) -> None:
        self.assertEqual(unix_path(UNIXClientEndpoint(None, "/run/x")), "/run/x")

    def test_what_a_name_is_to_an_endpoint(self) -> None:
        self.assertEqual(HostnameEndpoint._hostAsBytesAndText("a.example"), (False, b"a.example", "a.example"))
        invalid, *_ = HostnameEndpoint._hostAsBytesAndText("a_b")
        self.assertTrue(invalid, "Twisted takes names with underscores now: NameEndpoint can go")
        endpoint = HostnameEndpoint(MemoryReactorClock(), "a.example", 80)
        self.assertEqual(endpoint._hostText, "a.example")

    def test_the_link_of_an_address(self) -> None:
        link = socket.if_nameindex()[0]
        self.assertEqual(with_zone(("fe80::1", 80, 0, link[0]))[0], f"fe80::1%{link[1]}")

    def test_a_listening_socket_is_adopted(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            port = adopt_listening_port(tcp.Port, MemoryReactorClock(), listener.fileno(), socket.AF_INET, Factory())
            port.startListening()
            self.assertEqual(port.getHost(), IPv4Address("TCP", *listener.getsockname()))
            self.assertNotEqual(port.fileno(), listener.fileno())
            port.socket.close()

    def test_a_port_makes_the_transport_that_its_class_says(self) -> None:
        self.assertIs(tcp.Port.transport, tcp.Server)
        built: list[tuple[object, ...]] = []

        class Own(tcp.Port):
            def transport(self, *arguments: object) -> ITransport | None:  # type: ignore[override]
                built.append(arguments)
                return protocol.transport

        protocol = Protocol()
        factory = Factory.forProtocol(lambda: protocol)
        port = Own(0, factory, interface="127.0.0.1", reactor=MemoryReactorClock())
        port.startListening()
        with socket.create_connection(("127.0.0.1", port.getHost().port)) as client:
            port.doRead()
            ((accepted, told, peer, of_port, _, reactor),) = built
            self.assertEqual((told, peer, of_port, reactor), (protocol, client.getsockname(), port, port.reactor))
            cast(socket.socket, accepted).close()
        port.socket.close()

    def test_a_connector_makes_its_transport_which_is_told_when_it_is_connected(self) -> None:
        done: list[object] = []

        class Client(tcp.Client):
            def _connectDone(self) -> None:
                done.append(real_address(self))

        class Connector(tcp.Connector):
            def _makeTransport(self) -> Client:
                return Client(self.host, self.port, self.bindAddress, self, self.reactor)

        reactor = MemoryReactorClock()
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = server.getsockname()
            connector = Connector(*address, ClientFactory(), 30, None, reactor)  # type: ignore[call-arg]
            connector.connect()
            reactor.advance(0)
            transport = cast(Client, connector.transport)
            select([], [transport.socket], [], 5)
            transport.doConnect()
            self.assertEqual(done, [address])
            transport.socket.close()

    def test_a_bound_socket_is_used(self) -> None:
        with socket.socket(type=socket.SOCK_DGRAM) as bound:
            bound.bind(("127.0.0.1", 0))
            bound.setblocking(False)
            port = udp.Port(0, DatagramProtocol(), "127.0.0.1", 8192, MemoryReactorClock())
            use_bound_socket(port, bound)
            port.startListening()
            self.assertEqual(port.getHost(), IPv4Address("UDP", *bound.getsockname()))
            self.assertIs(port.socket, bound)

    def test_what_waits_to_be_sent(self) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            reactor = MemoryReactorClock()
            connection = ImmediateServer(ours, Protocol(), ("peer", 0), None, 0, reactor)  # type: ignore[arg-type]
            self.assertFalse(has_unsent(connection))
            connection.write(b"at once")
            self.assertEqual(theirs.recv(100), b"at once")
            self.assertFalse(has_unsent(connection))
            connection.write(bytes(1 << 22))
            self.assertTrue(has_unsent(connection))
            connection.write(b"more")
            connection.stopWriting()
            while has_unsent(connection):
                connection.doWrite()
                theirs.recv(1 << 20)
            connection.loseWriteConnection()
            self.assertTrue(connection._writeDisconnecting)


class ReactorTests(SynchronousTestCase):
    def test_whether_signals_are_handled(self) -> None:
        class Starting(PrivateReactor):
            """Does not start: it would handle the signals of the process that runs the tests."""

            def fireSystemEvent(self, eventType: str) -> None: ...

        for wanted in (False, True):
            reactor = Starting()
            reactor.startRunning(installSignalHandlers=wanted)
            self.assertIs(installs_signal_handlers(reactor), wanted)
            close_wakers(reactor)

    def test_wakers_are_closed(self) -> None:
        reactor = PrivateReactor()
        wakers = [reader.fileno() for reader in reactor.getReaders()]
        self.assertGreater(len(wakers), 0)
        close_wakers(reactor)
        self.assertEqual(reactor.getReaders(), [])

    def test_a_private_reactor_is_not_for_the_process(self) -> None:
        from twisted.python import threadable

        before = threadable.ioThread
        reactor = PrivateReactor()
        reactor.startRunning(installSignalHandlers=False)
        self.assertEqual(threadable.ioThread, before)
        close_wakers(reactor)


class ProgramTests(SynchronousTestCase):
    def test_a_process_that_has_ended_is_started_again(self) -> None:
        clock, started = Clock(), []

        class Monitor(ProcessMonitor):
            def startProcess(self, name: str) -> None:
                started.append(name)
                self.protocols[name] = cast(Any, object())
                self.timeStarted[name] = self._clock.seconds()

        monitor = Monitor(cast(Any, clock))
        self.assertIs(monitor._reactor, clock)
        monitor.addProcess("worker", ["worker"])
        monitor.startService()
        self.assertEqual(started, ["worker"])
        clock.advance(10)
        process_exited(monitor, "worker")
        clock.advance(0)
        self.assertEqual(started, ["worker", "worker"])

    def test_processes_that_do_not_stop_are_killed(self) -> None:
        monitor = ProcessMonitor(cast(Any, clock := Clock()))
        self.assertEqual(list(kill_calls(monitor)), [])

        class Running:
            class transport:
                pid = 1

                @staticmethod
                def signalProcess(signal: str) -> None: ...

        monitor.addProcess("worker", ["worker"])
        monitor.protocols["worker"] = cast(Any, Running)
        monitor.stopProcess("worker")
        (call,) = kill_calls(monitor)
        self.assertTrue(call.active())
        self.assertEqual(call.getTime(), clock.seconds() + monitor.killTime)

    def test_the_log_is_where_twistd_says_in_a_format_of_ours(self) -> None:
        with TemporaryDirectory() as directory:
            path = Path(directory, "log")
            observer = log_file_observer({"logfile": str(path)})
            observer.formatEvent = lambda event: textFromEventDict(event)
            observer({"message": ("hello",), "isError": 0})
            observer._outFile.close()
            self.assertEqual(path.read_text(), "hello")
