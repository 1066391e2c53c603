"""C{twistd echoreply --workers}: several processes on one port; restarts, limits, counts and stopping."""

from __future__ import annotations

import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from hashlib import sha256
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Start, on_linux
from tests.end_to_end.test_threats import TOO_MANY
from tests.support import wire_contract as wire
from tests.support.processes import (
    CHOICES,
    LONG_PREFIX,
    TWISTD,
    Server,
    Terminal,
    client_that_does_not_read,
    free_port,
    serve_as_daemon,
    stop_and_count,
    stop_while_it_answers,
    twistd,
)
from tests.support.tls_peers import Authority, TLSWire
from tests.support.wire_contract import PATIENCE, PREFIX, Wire

pytestmark = pytest.mark.skipif(not hasattr(socket, "SO_REUSEPORT"), reason="there is no SO_REUSEPORT")


def wait_until(so: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not so():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.01)


def processes(server: Server) -> dict[int, int]:
    """Return the workers' process ids by their numbers."""
    found = re.findall(rb"worker (\d+) started, process (\d+)\n", server.log.so_far())
    return {int(number): int(pid) for number, pid in found}


def state(pid: int) -> str:
    """Return a process's state in Linux's letters; Z also for one that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ")[1][0]
    except (FileNotFoundError, ProcessLookupError):
        return "Z"


def wait_until_gone(pids: dict[int, int]) -> None:
    wait_until(lambda: all(state(pid) in "ZX" for pid in pids.values()), "a worker was left")


def freeze(pid: int) -> None:
    """Suspend a process."""
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: state(pid) == "T", "it does not stop")


def kill(server: Server, number: int) -> None:
    """Kill a worker, and wait until it is restarted."""
    started = rb"worker %d started, process \d+\n" % number
    count = len(re.findall(started, server.log.so_far()))
    os.kill(processes(server)[number], signal.SIGKILL)
    server.log.wait_for(rb"worker %d was killed by SIGKILL, and is started again\n" % number)
    server.log.wait_for(started, count + 1)


def ping(connection: Wire) -> None:
    connection.send(b"hello\n")
    connection.expect(b"server reply:hello\n")


def worker_of(server: Server, connection: Wire) -> int:
    """Return the number of the worker that serves a connection."""
    peer = b"127.0.0.1:%d" % connection.socket.getsockname()[1]
    return int(server.log.wait_for(rb"worker (\d+): %s connected\n" % peer)[1])


def connect_to_each(server: Server, stack: ExitStack, number: int = 2) -> dict[int, Wire]:
    """Connect until each of so many workers has a connection; close further ones."""
    connections: dict[int, Wire] = {}
    for _ in range(1000):
        connection = server.dial()()
        ping(connection)
        worker = worker_of(server, connection)
        if worker in connections:
            connection.socket.close()
        else:
            connections[worker] = stack.enter_context(connection)
        if len(connections) == number:
            return connections
    raise AssertionError(f"only {sorted(connections)} serve")


def connect_at_once(server: Server, stack: ExitStack, count: int, host: str = "127.0.0.1") -> list[Wire]:
    """Connect many clients at the same time; return those that are served. All others are refused."""
    begin = threading.Barrier(count)

    def connect() -> tuple[Wire, bytes]:
        begin.wait(PATIENCE)
        connection = Wire(host, server.port)
        with suppress(ConnectionError):
            connection.send(b"hello\n")
        return connection, connection.read(19)

    with ThreadPoolExecutor(count) as pool:
        results = [future.result() for future in [pool.submit(connect) for _ in range(count)]]
    served = []
    for connection, said in results:
        stack.enter_context(connection)
        assert said in (PREFIX + b"hello\n", TOO_MANY[:19])
        if said.startswith(PREFIX):
            served.append(connection)
    return served


def assert_nothing_went_wrong(server: Server) -> None:
    log = server.log.all()
    assert b"Traceback" not in log
    assert b"Unhandled" not in log


class TestServing:
    def test_all_of_them_serve(self, start: Start) -> None:
        server = start("--workers=3")
        with ExitStack() as stack:
            assert sorted(connect_to_each(server, stack, 3)) == [1, 2, 3]
        assert server.log.so_far().count(b"listening on") == 1
        assert server.stop() == -signal.SIGTERM
        assert_nothing_went_wrong(server)

    @pytest.mark.parametrize("choice", CHOICES, ids=str)
    def test_the_contract_holds(self, choice: tuple[str, ...], start_as_told: Start) -> None:
        options = ("--workers=2", "--log-messages=10", f"--pause={wire.PAUSE}")
        server = start_as_told(*options, twistd_options=choice)
        for case in wire.CASES:
            case(server.dial())
        if sys.platform == "linux":
            # They have the reactor that the supervisor was told to have.
            for pid in processes(server).values():
                waits = [os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir() if path.is_symlink()]
                assert ("anon_inode:[eventpoll]" in waits) == (
                    choice not in (("--reactor=poll",), ("--reactor=select",))
                )
        stop_and_count(server)

    @pytest.mark.parametrize("interface", ["127.0.0.1", "::1"])
    def test_they_listen_where_they_are_told(self, interface: str, start: Start) -> None:
        server = start("--workers=2", f"--interface={interface}")
        wire.half_close_is_answered(server.dial(interface))
        with pytest.raises(ConnectionRefusedError):
            server.dial({"127.0.0.1": "::1", "::1": "127.0.0.1"}[interface])()

    def test_both_families_are_served(self, start: Start) -> None:
        server = start("--workers=2")
        for host in ("127.0.0.1", "::1"):
            wire.half_close_is_answered(server.dial(host))

    def test_auto_is_a_worker_a_core(self, start: Start) -> None:
        server = start("--workers=auto")
        cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
        assert len(processes(server)) == (cores if cores != 1 else 0)

    def test_options_reach_them(self, start: Start) -> None:
        server = start("--workers=2", "--prefix=>", "--transform=upper", "--framing=line", "--max-message=5")
        for _ in range(5):
            wire.exchange(server.dial(), b"hello\nhello!\n", b">HELLO\nserver error: message longer than 5 bytes\n")

    def test_messages_logged_are_so_many_a_second_in_all(self, start: Start) -> None:
        server = start("--workers=2", "--log-messages=3")
        with ExitStack() as stack:
            for connection in connect_to_each(server, stack).values():
                connection.send(b"x\n" * 1000)
                connection.expect(b"server reply:x\n" * 1000)
        assert server.stop() == -signal.SIGTERM
        log = server.log.all()
        for worker in (b"worker 1: ", b"worker 2: "):
            told = len(re.findall(worker + rb'\S+ sent "', log))
            untold = sum(map(int, re.findall(worker + rb"messages not logged: (\d+)\n", log)))
            assert told + untold == sum(map(int, re.findall(worker + rb".* ended: .*; messages (\d+),", log)))
            assert 0 < told < untold


class TestDying:
    @on_linux
    def test_a_worker_killed_under_load_loses_only_its_own_connections(self, start: Start) -> None:
        server = start("--workers=2", "--log-messages=1")
        killed = threading.Event()
        lost: set[int] = set()
        begun = threading.Semaphore(0)

        def talk(connection: Wire) -> None:
            """Exchange messages until a worker is killed, and for a while longer."""
            try:
                for number in range(1_000_000):
                    if number == 10:
                        begun.release()
                    if killed.is_set() and number > 10:
                        break
                    connection.send(b"%d\n" % number)
                    connection.expect(b"server reply:%d\n" % number)
                for number in range(100):
                    connection.send(b"%d\n" % number)
                    connection.expect(b"server reply:%d\n" % number)
            except (ConnectionError, AssertionError):
                lost.add(connection.socket.getsockname()[1])

        with ExitStack() as stack, ThreadPoolExecutor(16) as pool:
            connections = [*connect_to_each(server, stack).values()]
            connections += [stack.enter_context(server.dial()()) for _ in range(14)]
            for connection in connections:
                ping(connection)
            its_own = {c.socket.getsockname()[1] for c in connections if worker_of(server, c) == 1}
            talks = [pool.submit(talk, connection) for connection in connections]
            for _ in connections:
                assert begun.acquire(timeout=PATIENCE)
            try:
                os.kill(processes(server)[1], signal.SIGKILL)
                server.log.wait_for(rb"worker 1 was killed by SIGKILL, and is started again\n")
                for _ in range(20):
                    wire.exchange(server.dial(), b"new\n", b"server reply:new\n")
                # The next one serves, too.
                assert connect_to_each(server, stack).keys() == {1, 2}
            finally:
                killed.set()
            for done in talks:
                done.result(PATIENCE)
        assert lost == its_own
        assert stop_and_count(server)["worker process died"] == len(its_own)

    @on_linux
    def test_who_waits_in_its_queue_is_served_by_the_next_one(self, start: Start) -> None:
        server = start("--workers=2")
        frozen = processes(server)[1]
        freeze(frozen)
        with ExitStack() as stack:
            waiting = [stack.enter_context(server.dial()()) for _ in range(40)]
            for connection in waiting:
                connection.send(b"hello\n")
            os.kill(frozen, signal.SIGKILL)
            for connection in waiting:
                connection.expect(b"server reply:hello\n")
            assert {worker_of(server, connection) for connection in waiting} == {1, 2}

    def test_one_that_is_told_to_stop_lets_its_clients_go_and_is_started_again(self, start: Start) -> None:
        server = start("--workers=2", "--max-connections=9")
        with ExitStack() as stack:
            connections = connect_to_each(server, stack)
            os.kill(processes(server)[1], signal.SIGTERM)
            connections[1].expect_end()
            ping(connections[2])
            server.log.wait_for(rb"worker 1 ended with status 0, and is started again\n")
            assert connect_to_each(server, stack).keys() == {1, 2}
        assert stop_and_count(server)["server shutting down"] == 1

    @on_linux
    def test_without_their_supervisor_they_let_their_clients_go_and_end(self, start: Start) -> None:
        server = start("--workers=2", "--max-connections=1000", "--drain=60")
        pids = processes(server)
        directory = re.search(rb"--shared_limits=([^\0]+)/", Path(f"/proc/{pids[1]}/cmdline").read_bytes())
        assert directory
        assert os.path.exists(directory[1])
        with ExitStack() as stack:
            connections = connect_to_each(server, stack)
            server.process.kill()
            for connection in connections.values():
                connection.expect_end()
        wait_until_gone(pids)
        assert not os.path.exists(directory[1])


class TestLimits:
    @pytest.mark.parametrize("limit", ["--max-connections=5", "--max-per-host=5"])
    def test_they_hold_in_all(self, limit: str, start: Start) -> None:
        server = start("--workers=3", limit)
        with ExitStack() as stack:
            served = connect_at_once(server, stack, 30)
            assert len(served) == 5
            for connection in served:
                ping(connection)
            assert connect_at_once(server, stack, 10) == []
            ended = server.log.so_far().count(b" ended: ")
            for connection in served[:2]:
                connection.socket.close()
            server.log.wait_for(rb" ended: ", ended + 2)
            assert len(connect_at_once(server, stack, 10)) == 2
        assert stop_and_count(server)["accepted"] == 7

    @pytest.mark.parametrize("limit", ["--max-connections=8", "--max-per-host=8"])
    def test_what_a_killed_worker_held_is_free_again(self, limit: str, start: Start) -> None:
        server = start("--workers=2", limit)
        with ExitStack() as stack:
            for _ in range(3):
                served = connect_at_once(server, stack, 12)
                held = [connection for connection in served if worker_of(server, connection) == 1]
                assert len(served) == 8
                kill(server, 1)
                assert len(connect_at_once(server, stack, 12)) == len(held)
                for connection in served:
                    connection.socket.close()
                stack.close()
                self.wait_until_all_have_ended(server)
        stop_and_count(server)

    def wait_until_all_have_ended(self, server: Server) -> None:
        """Wait until every connection has ended, or its worker was killed."""

        def all_have() -> bool:
            open_connections: dict[bytes, set[bytes]] = {}
            for line in server.log.so_far().splitlines():
                if found := re.search(rb"worker (\d+): (\S+) (connected|ended)", line):
                    peers = open_connections.setdefault(found[1], set())
                    (peers.add if found[3] == b"connected" else peers.discard)(found[2])
                elif found := re.search(rb"worker (\d+) was killed", line):
                    open_connections[found[1]] = set()
            return not any(open_connections.values())

        wait_until(all_have, "connections were left")

    @on_linux
    def test_hosts_have_their_own(self, start: Start) -> None:
        server = start("--workers=2", "--max-per-host=2")
        with ExitStack() as stack:
            assert len(connect_at_once(server, stack, 6)) == 2
            for _ in range(2):
                address = ("127.0.0.1", server.port)
                other = stack.enter_context(socket.create_connection(address, PATIENCE, ("127.0.0.2", 0)))
                other.sendall(b"hello\n")
                assert other.recv(100) == b"server reply:hello\n"


class TestCounts:
    def test_they_add_up(self, start: Start) -> None:
        server = start("--workers=3", "--log-messages=0", "--max-connections=20")
        for number in range(30):
            wire.exchange(server.dial(), b"abc\n" * number, b"server reply:abc\n" * number)
        server.log.wait_for(rb" ended: ", 30)
        counts = stop_and_count(server)
        messages = sum(range(30))
        assert counts["accepted"] == counts["closed by the client"] == 30
        assert (counts["messages"], counts["bytes in"], counts["bytes out"]) == (messages, 4 * messages, 17 * messages)
        assert len(re.findall(rb"stopped: ", server.log.all())) == 1

    def test_they_know_what_a_killed_worker_did(self, start: Start) -> None:
        server = start("--workers=2")
        with ExitStack() as stack:
            connections = [stack.enter_context(server.dial()()) for _ in range(20)]
            for connection in connections:
                for _ in range(5):
                    ping(connection)
            its_own = [connection for connection in connections if worker_of(server, connection) == 2]
            kill(server, 2)
            for connection in connections:
                if connection not in its_own:
                    ping(connection)
        counts = stop_and_count(server)
        messages = 20 * 5 + 20 - len(its_own)
        # It may have been killed when it had sent a reply and not counted it yet.
        uncounted = messages - counts["messages"]
        assert uncounted in (0, 1)
        messages -= uncounted
        assert counts["accepted"] == 20
        assert counts.get("worker process died", 0) == len(its_own)
        assert (counts["messages"], counts["bytes in"], counts["bytes out"]) == (messages, 6 * messages, 19 * messages)


class TestTLS:
    """Workers share a port for TLS as well."""

    @pytest.fixture
    def authority(self, tmp_path: Path) -> Authority:
        return Authority(tmp_path, "authority")

    def shown(self, server: Server) -> set[bytes]:
        """Return the certificates that many clients are shown."""
        port = server.tls_port()
        shown = set()
        for _ in range(20):
            with TLSWire("127.0.0.1", port) as client:
                ping(client)
                shown.add(client.session.tls.getpeercert(binary_form=True) or b"")
        return shown

    def test_beside_a_plain_port_all_have_the_certificate_that_was_made(self, start: Start) -> None:
        server = start("--workers=2", "--tls=0")
        with server.dial()() as client:
            ping(client)
        (shown,) = self.shown(server)
        told = server.log.wait_for(rb"SHA-256 fingerprint ([0-9A-F:]+)\n")[1]
        assert sha256(shown).hexdigest() == told.decode().replace(":", "").lower()
        kill(server, 1)
        assert self.shown(server) == {shown}
        stop_and_count(server)

    def test_all_read_their_files_again(self, start: Start, authority: Authority, tmp_path: Path) -> None:
        whole = tmp_path / "whole.pem"

        def issue(name: str) -> bytes:
            certificate, key = (Path(path).read_text() for path in authority.sign(name))
            whole.write_text(certificate + key)
            return ssl.PEM_cert_to_DER_cert(certificate)

        old = issue("old")
        server = start("--workers=2", "--tls=0", f"--cert={whole}")
        assert self.shown(server) == {old}
        new = issue("new")
        server.process.send_signal(signal.SIGHUP)
        server.log.wait_for(rb"certificate of \S+ reloaded\n", 2)
        assert self.shown(server) == {new}
        stop_and_count(server)

    def test_files_that_can_not_be_used_end_it_with_a_line(self, tmp_path: Path) -> None:
        result = twistd(tmp_path, "-n", "--pidfile=", "echoreply", "--workers=2", "--tls=0", "--cert=/no/such")
        assert result.returncode == 1
        assert (result.stdout + result.stderr).splitlines()[-1].endswith("--cert /no/such: No such file or directory")


class TestStopping:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_all_stop_and_what_has_arrived_is_answered(self, number: int, start: Start) -> None:
        server = start("--workers=2", "--drain=60", "--log-messages=1")
        pids = processes(server)
        stop_while_it_answers(server, server.dial(), number, clients=8)
        for pid in pids.values():
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)
        assert_nothing_went_wrong(server)

    @on_linux
    def test_clients_that_wait_to_be_accepted_have_connected(self, start: Start) -> None:
        server = start("--workers=2", "--drain=60")
        pids = processes(server).values()
        for pid in pids:
            freeze(pid)
        with ExitStack() as stack:
            connections = [stack.enter_context(server.dial()()) for _ in range(50)]
            for connection in connections:
                connection.send(b"hello\n")
            server.process.send_signal(signal.SIGTERM)
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
            for connection in connections:
                connection.expect(b"server reply:hello\n")
                connection.expect_end()
        assert server.process.wait(PATIENCE) == -signal.SIGTERM

    def test_who_does_not_read_is_aborted_in_the_end(self, start: Start) -> None:
        server = start("--workers=2", "--drain=0.1", LONG_PREFIX)
        with client_that_does_not_read(server), client_that_does_not_read(server):
            counts = stop_and_count(server)
        assert counts["accepted"] == 2

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_second_signal_ends_it_now(self, number: int, start: Start) -> None:
        server = start("--workers=2", "--drain=600", LONG_PREFIX)
        with client_that_does_not_read(server), server.dial()() as connection:
            server.process.send_signal(signal.SIGTERM)
            connection.expect_end()
            assert server.stop(number) == -signal.SIGTERM
        server.log.wait_for(b"ended: aborted: drain timeout")
        assert b"accepted 2, open 0, ended 2" in server.log.all()

    def test_a_second_signal_counts_also_if_it_comes_with_the_first(self, start: Start) -> None:
        server = start("--workers=2", "--drain=600", LONG_PREFIX)
        with client_that_does_not_read(server):
            server.pause()
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCONT):
                server.process.send_signal(number)
            assert server.process.wait(PATIENCE) in (-signal.SIGTERM, -signal.SIGINT)
        assert_nothing_went_wrong(server)
        assert b"ended: aborted: drain timeout" in server.log.all()

    @on_linux
    def test_a_worker_that_does_not_stop_is_killed(self, start: Start) -> None:
        server = start("--workers=2", "--drain=0.1")
        freeze(processes(server)[2])
        assert server.stop() == -signal.SIGTERM
        assert b"worker 2 was killed by SIGKILL\n" in server.log.all()

    def test_ctrl_c_stops_it_gently(self, tmp_path: Path) -> None:
        # The terminal's group is all of them, as in a person's shell.
        with Terminal(
            TWISTD, "-n", f"--pidfile={tmp_path / 'pid'}", "echoreply", "--port=0", "--workers=2", "--drain=60"
        ) as terminal:
            port = int(terminal.screen.wait_for(rb"listening on \S+:(\d+)\r\n")[1])
            with ExitStack() as stack:
                connections = [stack.enter_context(Wire("127.0.0.1", port)) for _ in range(10)]
                for connection in connections:
                    ping(connection)
                terminal.type(b"\x03")
                for connection in connections:
                    connection.expect_end()
            assert terminal.process.wait(PATIENCE) == -signal.SIGINT
            terminal.screen.wait_for(rb"server shutting down: 10")
            assert b"Traceback" not in terminal.screen.so_far()

    def test_as_a_daemon_they_leave_nothing_behind(self, tmp_path: Path) -> None:
        assert "stopped: accepted 1, open 0, ended 1" in serve_as_daemon(tmp_path, "--workers=2")


class TestMistakes:
    @pytest.mark.parametrize("taken_by", [(), ("--workers=2",)], ids=["another program", "the same"])
    def test_a_port_in_use_ends_it_with_a_line(self, taken_by: tuple[str, ...], start: Start, tmp_path: Path) -> None:
        port = start(*taken_by, "--interface=127.0.0.1").port
        result = twistd(tmp_path, "-n", "echoreply", "--workers=2", "-p", str(port), "-i", "127.0.0.1")
        assert result.returncode == 1
        assert "Traceback" not in result.stdout + result.stderr
        assert result.stdout.splitlines()[-1].endswith(f"cannot listen on 127.0.0.1:{port}: Address already in use")

    def test_an_address_of_another_machine_ends_it_with_a_line(self, tmp_path: Path) -> None:
        result = twistd(tmp_path, "-n", "echoreply", "--workers=2", "-i", "192.0.2.1", "-p", "0")
        assert result.returncode == 1
        assert "cannot listen on 192.0.2.1:0: Cannot assign requested address" in result.stdout

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
    def test_workers_that_can_not_be_started_end_it_with_a_line(self, tmp_path: Path) -> None:
        # A Python that only root may run, as one in root's own folder.
        python = tmp_path / "python"
        python.symlink_to(sys.executable)
        code = f"import sys; sys.executable = {str(python)!r}; from twisted.scripts.twistd import run; run()"
        tmp_path.chmod(0o700)
        command = [sys.executable, "-c", code, "-n", "--pidfile=", "--uid=65534", "--gid=65534", "echoreply"]
        command += ["--workers=2", "--port=0"]
        result = subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert result.returncode == 1
        assert "Traceback" not in result.stdout + result.stderr
        reason = f"a worker can't be started: Permission denied: {str(python)!r}"
        assert f"cannot listen on *:0: {reason}\n" in result.stdout + result.stderr

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (["--workers=0"], "--workers takes a whole number, 1 or more, or auto, not '0'"),
            (["--workers=many"], "--workers takes a whole number, 1 or more, or auto, not 'many'"),
        ],
    )
    def test_a_mistake_ends_it_with_a_line(self, options: list[str], said: str, tmp_path: Path) -> None:
        result = twistd(tmp_path, "-n", "echoreply", *options)
        assert result.returncode == 1
        assert result.stdout == ""
        assert result.stderr.startswith(f"twistd echoreply: {said}")
        assert result.stderr.count("\n") == 1

    @pytest.mark.parametrize("endpoint", ["stdio:", "haproxy:stdio:"])
    def test_an_endpoint_that_workers_can_not_share_ends_it_with_a_line(self, endpoint: str, tmp_path: Path) -> None:
        result = twistd(tmp_path, "-n", "echoreply", "--workers=2", f"--listen={endpoint}")
        reason = "--workers takes 1 with stdio: several processes can't share such an endpoint"
        assert result.returncode == 1
        assert (result.stdout + result.stderr).endswith(f"twistd echoreply: cannot listen on {endpoint}: {reason}\n")
        assert "Traceback" not in result.stdout + result.stderr


@on_linux
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_as_root_it_takes_a_low_port_and_becomes_somebody_else(start: Start) -> None:
    try:
        subprocess.run([sys.executable, "-c", "import echoreply"], user=65534, group=65534, cwd="/", check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this Python and this checkout are not for somebody else to read")
    port = free_port(700, 1024)
    options = (f"--port={port}", "--interface=127.0.0.1", "--workers=2", "--max-connections=9")
    server = start(*options, twistd_options=("--uid=65534", "--gid=65534"))
    with ExitStack() as stack:
        connect_to_each(server, stack)
    for pid in [server.process.pid, *processes(server).values()]:
        status = Path(f"/proc/{pid}/status").read_text()
        assert re.search(r"Uid:\s+65534\s+65534\s+65534\s+65534\n", status)
        assert re.search(r"Gid:\s+65534\s+65534\s+65534\s+65534\n", status)
    stop_and_count(server)
