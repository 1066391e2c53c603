"""C{twistd echoreply --workers}: what is promised holds on every kind of listening address that workers share."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Start, on_linux
from tests.end_to_end.test_bindings import V1, ProxiedWire, UNIXWire
from tests.end_to_end.test_workers import assert_nothing_went_wrong, freeze, kill, ping, processes, wait_until
from tests.support import wire_contract as wire
from tests.support.processes import (
    SYSTEMD_SOCKET,
    TWISTD,
    Server,
    passing,
    stop_and_count,
    stop_while_it_answers,
    twistd,
)
from tests.support.tls_peers import TLSWire, make_certificate
from tests.support.udp_sockets import ask, client_of, udp_port
from tests.support.wire_contract import PATIENCE, PREFIX, Dial, Wire, exchange

pytestmark = pytest.mark.skipif(not hasattr(socket, "SO_REUSEPORT"), reason="there is no SO_REUSEPORT")

LOOPBACK = "0:interface=127.0.0.1"
ENGINES = {
    "tcp": "uvloop",
    "tcp6": "twisted",
    "unix": "uvloop",
    "systemd": "twisted",
    "ssl": "twisted",
    "haproxy": "uvloop",
    "haproxy and ssl": "twisted",
}
"""The kinds of listening addresses for connections, each with an engine to hold the whole contract on."""

Serve = Callable[..., tuple[Server, Dial]]


class WithHeader(Wire):
    """One connection by a proxy, whose header comes before whatever a subclass sends."""

    def __init__(self, host: str, port: int, receive_buffer: int | None = None) -> None:
        super().__init__(host, port, receive_buffer)
        self.socket.sendall(V1)


class ProxiedTLSWire(TLSWire, WithHeader):
    """One connection over TLS by a proxy."""


@pytest.fixture
def serve(start_as_told: Start, tmp_path: Path) -> Serve:
    """Give a function that starts two workers on a kind of address, and gives the server and what dials it."""

    def serve(kind: str, engine: str, *options: str) -> tuple[Server, Dial]:
        start = partial(start_as_told, "--workers=2", f"--engine={engine}", *options)
        if kind == "unix":
            return start(f"--listen=unix:{tmp_path / 'socket'}"), partial(UNIXWire, tmp_path / "socket")
        if kind == "systemd":
            with socket.create_server(("127.0.0.1", 0)) as listener:
                server = start(listener=listener)
        elif kind == "tcp6":
            server = start(listen="tcp6:0:interface=\\:\\:1")
        else:
            certificate, key = make_certificate(tmp_path)
            files = f"privateKey={key}:certKey={certificate}"
            listen = {
                "tcp": f"tcp:{LOOPBACK}",
                "ssl": f"ssl:{LOOPBACK}:{files}",
                "haproxy": f"haproxy:tcp:{LOOPBACK}",
                "haproxy and ssl": f"haproxy:ssl:{LOOPBACK}:{files}",
            }
            server = start(listen=listen[kind])
        wires: dict[str, Callable[..., Wire]] = {
            "ssl": TLSWire,
            "haproxy": partial(ProxiedWire, V1),
            "haproxy and ssl": ProxiedTLSWire,
        }
        return server, partial(wires.get(kind, Wire), "::1" if kind == "tcp6" else "127.0.0.1", server.port)

    return serve


@pytest.fixture(params=ENGINES)
def kind(request: pytest.FixtureRequest) -> str:
    """Give each kind of listening address for connections."""
    name: str = request.param
    return name


class TestEveryKind:
    def test_the_contract_holds(self, kind: str, serve: Serve) -> None:
        server, dial = serve(kind, ENGINES[kind], f"--pause={wire.PAUSE}", "--log-messages=1")
        for case in wire.CASES:
            case(dial)
        assert stop_and_count(server)["accepted"] >= len(wire.CASES)

    @on_linux
    def test_all_workers_accept(self, kind: str, serve: Serve) -> None:
        server, dial = serve(kind, "auto")
        for number, pid in processes(server).items():
            with ExitStack() as stack:
                freeze(pid)
                # With sockets of their own, half of the clients are another's.
                waiting = [stack.enter_context(dial()) for _ in range(20)] if kind in ("unix", "systemd") else []
                for connection in waiting:
                    ping(connection)
                os.kill(pid, signal.SIGCONT)
                if not waiting:
                    connections = [stack.enter_context(dial()) for _ in range(20)]
                    for connection in connections:
                        ping(connection)
            server.log.wait_for(b"worker %d: .* connected\n" % (3 - number))
        counts = stop_and_count(server)
        assert counts["accepted"] == counts["messages"] == 40

    @on_linux
    @pytest.mark.parametrize("engine", ["twisted", "uvloop"])
    def test_a_worker_killed_under_load_loses_only_its_own_connections(
        self, kind: str, engine: str, serve: Serve
    ) -> None:
        server, dial = serve(kind, engine, "--log-messages=1")
        killed, begun = threading.Event(), threading.Semaphore(0)

        def talk(number: int) -> bool:
            """Talk until a worker is killed, and a while longer; tell whether the connection was lost."""
            with dial() as connection:
                try:
                    ping(connection)
                    begun.release()
                    while not killed.is_set():
                        ping(connection)
                    for _ in range(100):
                        connection.send(b"%d\n" % number)
                        connection.expect(b"server reply:%d\n" % number)
                except (ConnectionError, AssertionError):
                    return True
            return False

        with ThreadPoolExecutor(16) as pool:
            talks = [pool.submit(talk, number) for number in range(16)]
            for _ in talks:
                assert begun.acquire(timeout=PATIENCE)
            try:
                kill(server, 1)
                for _ in range(20):
                    exchange(dial, b"new\n", b"server reply:new\n")
            finally:
                killed.set()
            lost = sum(talk.result(PATIENCE) for talk in talks)
        # The other one and the next one serve all who come; the address is told once.
        for _ in range(20):
            exchange(dial, b"new\n", b"server reply:new\n")
        counts = stop_and_count(server)
        assert counts.get("worker process died", 0) == lost
        assert counts["accepted"] == 16 + 40
        assert len(re.findall(rb"listening on", server.log.all())) == (2 if kind == "unix" else 1)

    @pytest.mark.parametrize("engine", ["twisted", "uvloop"])
    def test_all_stop_and_what_has_arrived_is_answered(self, kind: str, engine: str, serve: Serve) -> None:
        server, dial = serve(kind, engine, "--drain=60", "--log-messages=1")
        pids = processes(server)
        stop_while_it_answers(server, dial, clients=8)
        for pid in pids.values():
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)
        assert_nothing_went_wrong(server)

    @on_linux
    def test_clients_that_wait_to_be_accepted_are_answered_at_a_stop(self, kind: str, serve: Serve) -> None:
        if kind == "systemd":
            pytest.skip("they are left to the next server")
        if "ssl" in kind:
            pytest.skip("a handshake takes a server that is not frozen")
        server, dial = serve(kind, "auto", "--drain=60")
        pids = processes(server).values()
        for pid in pids:
            freeze(pid)
        with ExitStack() as stack:
            connections = [stack.enter_context(dial()) for _ in range(30)]
            for connection in connections:
                connection.send(b"hello\n")
            server.process.send_signal(signal.SIGTERM)
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
            for connection in connections:
                connection.expect(b"server reply:hello\n")
                connection.expect_end()
        assert server.process.wait(PATIENCE) == -signal.SIGTERM
        assert_nothing_went_wrong(server)


def test_several_at_once_are_each_told_once_and_limited_together(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    server = start(
        *("--workers=2", "--max-connections=3", "--tls=0", "--udp=0", f"--listen=unix:{path}"),
        *("--listen=tcp6:0:interface=\\:\\:1", f"--listen=haproxy:tcp:{LOOPBACK}"),
    )
    told = (
        *(rb"\[::\]:\d+", rb"\[::\]:\d+ for TLS", rb"\[::\]:\d+ for UDP", b"unix:%s" % re.escape(bytes(path))),
        *(rb"\[::1\]:\d+", rb"127\.0\.0\.1:\d+ for PROXY"),
    )
    for each in told:
        server.log.wait_for(b"listening on " + each + b"\n")
    with TLSWire("127.0.0.1", server.tls_port()) as first, UNIXWire(path) as second, server.dial()() as third:
        for client in (first, second, third):
            ping(client)
        for dial in (server.dial(), partial(UNIXWire, path)):
            with dial() as refused:
                assert refused.read_all() == b"server error: too many connections\n"
    with client_of(udp_port(server.log)) as peer:
        assert ask(peer, b"hello") == PREFIX + b"hello"
        # It is counted before it is logged: a worker that is killed may have sent a reply and not counted it.
        server.log.wait_for(b'127.0.0.1:%d sent "hello"' % peer.getsockname()[1])
    kill(server, 1)
    counts = stop_and_count(server)
    assert (counts["accepted"], counts["refused"], counts["messages"]) == (3, 2, 4)
    assert server.log.all().count(b"listening on") == len(told)


class TestUNIX:
    """The file of a socket that workers share is the supervisor's."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "socket"

    def test_it_has_the_mode_that_was_told_outlives_workers_and_is_removed_in_the_end(
        self, start: Start, path: Path
    ) -> None:
        server = start("--workers=2", f"--listen=unix:{path}:mode=600")
        assert path.stat().st_mode & 0o777 == 0o600
        kill(server, 1)
        os.kill(processes(server)[2], signal.SIGTERM)
        server.log.wait_for(rb"worker 2 ended with status 0, and is started again\n")
        assert path.exists()
        exchange(partial(UNIXWire, path), b"hello\n", b"server reply:hello\n")
        stop_and_count(server)
        assert not path.exists()

    def test_one_that_a_dead_server_has_left_is_replaced(self, start: Start, path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(path))
        start("--workers=2", f"--listen=unix:{path}")
        exchange(partial(UNIXWire, path), b"hello\n", b"server reply:hello\n")

    def test_one_that_is_in_use_is_an_error_and_stays(self, path: Path, tmp_path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as live:
            live.bind(str(path))
            live.listen(8)
            result = twistd(tmp_path, "-n", "--pidfile=", "echoreply", "--workers=2", f"--listen=unix:{path}")
            assert result.returncode == 1
            said = f"cannot listen on unix:{path}: Address already in use"
            assert (result.stdout + result.stderr).splitlines()[-1].endswith(said)
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))

    def test_one_of_another_server_stays(self, start: Start, path: Path) -> None:
        server = start("--workers=2", f"--listen=unix:{path}")
        path.unlink()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(path))
            assert stop_and_count(server)["accepted"] == 0
            assert path.exists()

    def test_an_address_in_use_leaves_no_file(self, path: Path, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            listen = [f"--listen=unix:{path}", f"--listen=tcp:{port}:interface=127.0.0.1"]
            result = twistd(tmp_path, "-n", "--pidfile=", "echoreply", "--workers=2", *listen)
        assert result.returncode == 1
        said = f"cannot listen on tcp:{port}:interface=127.0.0.1: Address already in use"
        assert (result.stdout + result.stderr).splitlines()[-1].endswith(said)
        assert not path.exists()


@on_linux
class TestSystemd:
    """A socket that systemd has passed stays systemd's."""

    def test_clients_that_wait_are_left_to_the_next_server(self, start: Start) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as stack:
            server = start("--workers=2", listener=listener)
            pids = processes(server).values()
            for pid in pids:
                freeze(pid)
            waiting = [stack.enter_context(server.dial()()) for _ in range(10)]
            for connection in waiting:
                connection.send(b"hello\n")
            for pid in pids:
                os.kill(pid, signal.SIGTERM)
            server.process.kill()
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            next_one = start("--workers=2", listener=listener)
            for connection in waiting:
                connection.expect(b"server reply:hello\n")
            assert stop_and_count(next_one)["accepted"] == 10

    def test_the_file_of_a_unix_socket_stays(self, tmp_path: Path, engine: str) -> None:
        path = tmp_path / "socket"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen()
            path.chmod(0o600)
            command = [*passing(listener), TWISTD, "-n", "--pidfile=", "echoreply", engine, "--workers=2"]
            command += [SYSTEMD_SOCKET.replace("INET", "UNIX")]
            with subprocess.Popen(command, cwd=tmp_path, pass_fds=[listener.fileno()]) as server:
                exchange(partial(UNIXWire, path), b"hello\n", b"server reply:hello\n")
                server.terminate()
                assert path.stat().st_mode & 0o777 == 0o600
                assert server.wait(PATIENCE) == -signal.SIGTERM
            # It stays with the service manager, open and with its file.
            UNIXWire(path).socket.close()


class TestUDP:
    """Each worker has a socket of its own, and the kernel keeps a peer on one of them."""

    def peers(self, server: Server, stack: ExitStack, count: int = 40) -> dict[int, list[socket.socket]]:
        """Give clients that have been answered, by the worker that answers them."""
        found: dict[int, list[socket.socket]] = {}
        for _ in range(count):
            client = stack.enter_context(client_of(udp_port(server.log)))
            assert ask(client, b"hello") == PREFIX + b"hello"
            peer = b"127.0.0.1:%d" % client.getsockname()[1]
            number = int(server.log.wait_for(rb'worker (\d+): %s sent "hello"\n' % peer)[1])
            found.setdefault(number, []).append(client)
        return found

    def test_all_workers_answer_and_their_counts_add_up(self, start: Start) -> None:
        server = start("--workers=2", "--udp=0")
        with ExitStack() as stack:
            peers = self.peers(server, stack)
            assert sorted(peers) == [1, 2]
            for number, clients in peers.items():
                clients[0].send(b"server reply:x")
                server.log.wait_for(rb"worker %d: \S+ dropped: begins with the prefix\n" % number)
        counts = stop_and_count(server)
        assert (counts["messages"], counts["dropped"], counts["begins with the prefix"]) == (40, 2, 2)
        assert (counts["bytes in"], counts["bytes out"]) == (40 * 5 + 2 * 14, 40 * 18)

    def test_the_peers_of_a_killed_worker_are_answered_by_the_next_one(self, start: Start) -> None:
        server = start("--workers=2", "--udp=0")
        with ExitStack() as stack:
            peers = self.peers(server, stack)
            kill(server, 1)
            for clients in peers.values():
                for client in clients:
                    assert ask(client, b"again") == PREFIX + b"again"
        assert stop_and_count(server)["messages"] == 80

    @on_linux
    def test_what_has_arrived_is_answered_at_a_stop(self, start: Start) -> None:
        server = start("--workers=2", "--udp=0", "--log-messages=100")
        pids = processes(server).values()
        with ExitStack() as stack:
            clients = [client for clients in self.peers(server, stack).values() for client in clients]
            for pid in pids:
                freeze(pid)
            for client in clients:
                client.send(b"waits")
            server.process.send_signal(signal.SIGTERM)
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
            for client in clients:
                assert client.recv(100) == PREFIX + b"waits"
        assert server.process.wait(PATIENCE) == -signal.SIGTERM
        server.log.wait_for(rb"stopped: .* messages 80, bytes in 400, bytes out 1440\n")

    def test_the_rate_of_a_host_is_divided(self, start: Start) -> None:
        server = start("--workers=2", "--udp=0", "--udp-rate=3", "--log-messages=0")
        with ExitStack() as stack:
            clients = [stack.enter_context(client_of(udp_port(server.log))) for _ in range(200)]
            for client in clients:
                client.send(b"hello")
            wait_until(lambda: b"drops not logged" in server.log.so_far(), "nothing was dropped")
        counts = stop_and_count(server)
        assert counts["messages"] + counts["over the rate limit"] == 200
        # Each worker answers two a second; it all is over within two of their seconds, or three on a slow machine.
        assert 4 <= counts["messages"] <= 12

    def test_nobody_else_can_share_its_port(self, start: Start, tmp_path: Path) -> None:
        port = udp_port(start("--workers=2", "--udp=0", "--interface=127.0.0.1").log)
        result = twistd(tmp_path, "-n", "--pidfile=", "echoreply", "--workers=2", f"--udp={port}", "-i", "127.0.0.1")
        assert result.returncode == 1
        said = f"cannot listen on 127.0.0.1:{port} for UDP: Address already in use"
        assert (result.stdout + result.stderr).splitlines()[-1].endswith(said)
