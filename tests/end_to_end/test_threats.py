"""What an operator who leaves the server on the open Internet is afraid of, one thing after the other."""

from __future__ import annotations

import os
import re
import resource
import select
import shutil
import signal
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Start, on_linux
from tests.support import wire_contract as wire
from tests.support.processes import (
    LONG_PREFIX,
    SYSTEMD_SOCKET,
    TWISTD,
    Server,
    Transcript,
    client_that_does_not_read,
    free_port,
    passing,
    stop_and_count,
    stop_while_it_answers,
)
from tests.support.wire_contract import PATIENCE, PREFIX, Wire

TOO_MANY = b"server error: too many connections\n"


def descriptors_of(server: Server) -> int:
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


@on_linux
@pytest.mark.usefixtures("many_descriptors")
@pytest.mark.parametrize("message", [b"\n", b"x" * 65536 + b"\n"], ids=["empty", "longest"])
def test_a_thousand_clients_that_never_read_cost_little_and_hold_up_nobody(message: bytes, start: Start) -> None:
    server = start("--log-messages=0")
    wire.half_close_is_answered(server.dial())
    before = server.resident()
    data = message * (100_000 // len(message) + 1)
    with ExitStack() as stack:
        poll = stack.enter_context(select.epoll())
        clients = {}
        for _ in range(1000):
            client = stack.enter_context(server.dial()()).socket
            client.setblocking(False)
            clients[client.fileno()] = client
            poll.register(client, select.EPOLLOUT)
        # Whoever can be written to is, until nobody can; were the server only slow, it would be tried less hard.
        while events := poll.poll(0.5):
            for descriptor, _ in events:
                clients[descriptor].send(data)
        wire.half_close_is_answered(server.dial())
        assert server.resident() - before < 100_000


class TestIdle:
    def test_who_is_silent_is_left(self, start: Start) -> None:
        server = start("--idle-timeout=0.5")
        with server.dial()() as connection:
            connection.send(b"hello\n")
            connection.expect(b"server reply:hello\n")
            connection.expect_end()
        server.log.wait_for(rb"ended: idle for 0\.5 s; messages 1, bytes in 6, bytes out 19\n")

    def test_who_only_dribbles_is_left(self, start: Start) -> None:
        server = start("--idle-timeout=0.5")
        left = threading.Event()
        with server.dial()() as connection, ThreadPoolExecutor() as pool:
            connection.send(b"hello\n")

            def dribble() -> None:
                try:
                    while not left.wait(0.05):
                        connection.send(b"x")
                except ConnectionError:
                    pass

            dribbling = pool.submit(dribble)
            try:
                server.log.wait_for(rb"ended: idle for 0\.5 s; messages 1, ")
            finally:
                left.set()
            dribbling.result(PATIENCE)

    def test_who_does_not_take_its_replies_is_aborted(self, start: Start) -> None:
        server = start("--idle-timeout=0.5", LONG_PREFIX)
        with client_that_does_not_read(server) as connection:
            server.log.wait_for(rb"ended: idle for 0\.5 s; ")
            with pytest.raises(ConnectionResetError):
                connection.read_all()

    def test_who_takes_them_slowly_is_not(self, start: Start) -> None:
        server = start("--idle-timeout=3", LONG_PREFIX)
        with server.dial()(receive_buffer=4096) as connection:
            connection.send(b"x\n" * 100)
            connection.finish()
            deadline = time.monotonic() + 4.5
            while time.monotonic() < deadline:
                connection.read(4096)
                time.sleep(0.05)
            assert b"ended" not in server.log.so_far()
            connection.read_all()
        server.log.wait_for(rb"ended: closed by the client; messages 100, ")

    @on_linux
    def test_a_peer_that_vanishes_will_be_noticed_within_minutes(self, start: Start) -> None:
        server = start()
        with server.dial()() as connection:
            connection.send(b"hello\n")
            connection.expect(b"server reply:hello\n")
            client_port = connection.socket.getsockname()[1]
            # Of the server's end: its timer, 2 for keep-alive, and the time left, in hundredths of a second.
            row = rf":{server.port:04X} \S+:{client_port:04X} 01 \S+ (\d\d):([0-9A-F]+) "
            tables = "".join(Path(f"/proc/net/{name}").read_text() for name in ("tcp", "tcp6"))
            found = re.search(row, tables)
            assert found
            assert found[1] == "02"
            assert int(found[2], 16) <= 60 * 100


class TestTooMany:
    def test_one_too_many_is_told_and_the_others_are_untouched(self, start: Start) -> None:
        server = start("--max-connections=2")
        with server.dial()() as first, server.dial()() as second:
            for connection in (first, second):
                connection.send(b"hello\n")
                connection.expect(b"server reply:hello\n")
            with server.dial()() as third:
                assert third.read_all() == TOO_MANY
            for connection in (first, second):
                connection.send(b"again\n")
                connection.expect(b"server reply:again\n")
        server.log.wait_for(rb"refused: too many connections\n")
        server.log.wait_for(rb" ended: ", count=2)
        wire.half_close_is_answered(server.dial())
        assert stop_and_count(server)["too many connections"] == 1

    def test_what_it_sends_does_not_cost_it_the_line(self, start: Start) -> None:
        server = start("--max-connections=1")
        with server.dial()() as first:
            first.send(b"hello\n")
            first.expect(b"server reply:hello\n")
            with server.dial()() as second, ThreadPoolExecutor() as pool:
                sending = pool.submit(second.send, b"hello\n" * 100_000)
                assert second.read_all() == TOO_MANY
                sending.exception(PATIENCE)

    @on_linux
    def test_a_host_has_its_own_limit(self, start: Start) -> None:
        server = start("--max-per-host=1")
        with server.dial()() as first:
            first.send(b"hello\n")
            first.expect(b"server reply:hello\n")
            with server.dial()() as second:
                assert second.read_all() == TOO_MANY
            with socket.create_connection(("127.0.0.1", server.port), source_address=("127.0.0.2", 0)) as other:
                other.sendall(b"hello\n")
                assert other.recv(100) == b"server reply:hello\n"

    def test_the_limit_on_open_files_is_raised_and_what_it_allows_is_logged(self, tmp_path: Path) -> None:
        limited = f"ulimit -Sn 100; ulimit -Hn 500; exec {TWISTD} -n --pidfile= echoreply --port=0"
        with subprocess.Popen(limited, shell=True, cwd=tmp_path, stdout=subprocess.PIPE) as process:
            try:
                assert process.stdout
                log = Transcript(partial(os.read, process.stdout.fileno(), 65536))
                log.wait_for(rb"connections allowed: 436, by a limit of 500 open files \(100 before\)\n")
                port = int(log.wait_for(rb"listening on \S+:(\d+)\n")[1])
                with ExitStack() as stack:
                    dial = partial(Wire, "127.0.0.1", port)
                    answers = []
                    for connection in [stack.enter_context(dial()) for _ in range(440)]:
                        connection.send(b"hello\n")
                        answers.append(connection.read(19))
                assert answers.count(PREFIX + b"hello\n") == 436
                assert answers.count(TOO_MANY[:19]) == 4
            finally:
                process.kill()
                process.wait(PATIENCE)
                log.all()


@on_linux
def test_without_descriptors_clients_wait_and_the_others_are_served(start: Start) -> None:
    server = start()
    process = server.process.pid
    with ExitStack() as stack:

        def connect() -> Wire:
            connection: Wire = stack.enter_context(server.dial()())
            connection.send(b"hello\n")
            return connection

        served = [connect() for _ in range(20)]
        for connection in served:
            connection.expect(b"server reply:hello\n")
        limits = resource.prlimit(process, resource.RLIMIT_NOFILE)
        resource.prlimit(process, resource.RLIMIT_NOFILE, (descriptors_of(server), limits[1]))
        waiting = [connect() for _ in range(10)]
        server.log.wait_for(rb"out of file descriptors, connections wait to be accepted: Too many open files\n")
        for connection in served:
            connection.send(b"again\n")
            connection.expect(b"server reply:again\n")
        served.pop().socket.close()
        waiting[0].expect(b"server reply:hello\n")
        resource.prlimit(process, resource.RLIMIT_NOFILE, limits)
        for connection in waiting[1:]:
            connection.expect(b"server reply:hello\n")
    assert stop_and_count(server)["accepted"] == 30


@on_linux
def test_without_descriptors_it_is_not_busy(start: Start) -> None:
    server = start()
    process = server.process.pid
    with server.dial()() as connection:
        limits = resource.prlimit(process, resource.RLIMIT_NOFILE)
        connection.send(b"hello\n")
        connection.expect(b"server reply:hello\n")
        resource.prlimit(process, resource.RLIMIT_NOFILE, (descriptors_of(server), limits[1]))
        switches = Path(f"/proc/{process}/status")

        def turns() -> int:
            """Count how often the process has waited for something."""
            return int(re.findall(r"\nvoluntary_ctxt_switches:\s+(\d+)", switches.read_text())[0])

        def seconds_used() -> float:
            used = Path(f"/proc/{process}/stat").read_text().rsplit(")")[1].split()[11:13]
            return sum(map(int, used)) / os.sysconf("SC_CLK_TCK")

        with ExitStack() as stack:
            for _ in range(5):
                stack.enter_context(server.dial()())
            server.log.wait_for(rb"connections wait to be accepted")
            before, used_before = turns(), seconds_used()
            while turns() < before + 10:
                assert seconds_used() - used_before < 1, "it is busy"
                time.sleep(0.05)
        resource.prlimit(process, resource.RLIMIT_NOFILE, limits)


@pytest.mark.usefixtures("many_descriptors")
def test_none_of_five_thousand_at_once_is_refused(start: Start) -> None:
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < 5200:
        pytest.skip("this process may not have 5,000 connections")
    server = start("--log-messages=0")
    with ExitStack() as stack:
        clients = {}
        poll = select.poll()
        for _ in range(5000):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", server.port))
            clients[client.fileno()] = client
            poll.register(client, select.POLLOUT)
        waiting = set(clients)
        while waiting:
            events = poll.poll(PATIENCE * 1000)
            assert events, f"{len(waiting)} were not answered"
            for descriptor, event in events:
                client = clients[descriptor]
                if event & select.POLLOUT and not event & select.POLLERR:
                    client.send(b"hello\n")
                    poll.modify(client, select.POLLIN)
                else:
                    assert client.recv(100) == b"server reply:hello\n"
                    waiting.remove(descriptor)
                    poll.unregister(client)
    assert stop_and_count(server)["accepted"] == 5000


@on_linux
def test_resets_at_every_point_leave_nothing_behind(start: Start) -> None:
    server = start("--max-connections=60", "--pause=0.01", "--log-messages=0")
    wire.half_close_is_answered(server.dial())
    server.log.wait_for(b" ended: ")
    descriptors = descriptors_of(server)
    beginnings = [b"", b"hel", b"a\n", b"a\nhel", b"\0\xff\n", b"exit\n", b"a\n" * 200_000, b"x" * 70_000]
    for sent in beginnings:
        for finished in (False, True):
            for seen in (False, True):
                with server.dial()() as connection, ThreadPoolExecutor() as pool:
                    sending = pool.submit(connection.send, sent)
                    if seen and sent:
                        connection.socket.recv(1)
                    if finished and len(sent) < 100_000:
                        sending.result(PATIENCE)
                        connection.finish()
                    connection.reset()
                    sending.exception(PATIENCE)
    server.log.wait_for(b" ended: ", count=1 + 4 * len(beginnings))
    with ExitStack() as stack:
        for _ in range(65):
            stack.enter_context(server.dial()())
        server.log.wait_for(b" refused: ", count=5)
        for _ in range(5):
            server.dial()().reset()
    server.log.wait_for(b" ended: | refused: ", count=1 + 4 * len(beginnings) + 70)
    wire.half_close_is_answered(server.dial())
    deadline = time.monotonic() + PATIENCE
    while descriptors_of(server) > descriptors:
        assert time.monotonic() < deadline, "descriptors were leaked"
        time.sleep(0.01)
    stop_and_count(server)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_under_the_log_costs_the_log_only(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, open("/dev/full", "wb") as full:
        command = [*passing(listener), TWISTD, "-n", "--pidfile=", "echoreply", SYSTEMD_SOCKET]
        dial = partial(Wire, *listener.getsockname())
        with subprocess.Popen(command, cwd=tmp_path, stdout=full, stderr=full, pass_fds=[listener.fileno()]) as process:
            try:
                for _ in range(3):
                    wire.exchange(dial, b"hello\n" * 1000, b"server reply:hello\n" * 1000)
            finally:
                process.terminate()
                assert process.wait(PATIENCE) == -signal.SIGTERM


class TestStop:
    def test_a_second_signal_counts_also_if_it_comes_with_the_first(self, start: Start) -> None:
        server = start("--drain=600", LONG_PREFIX)
        with client_that_does_not_read(server):
            server.pause()
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCONT):
                server.process.send_signal(number)
            assert server.process.wait(PATIENCE) in (-signal.SIGTERM, -signal.SIGINT)
        assert b"Traceback" not in server.log.all()

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_second_signal_ends_it_now(self, number: int, start: Start) -> None:
        server = start("--drain=600", LONG_PREFIX)
        with client_that_does_not_read(server):
            server.process.send_signal(signal.SIGTERM)
            server.log.wait_for(rb"Port \d+ Closed")
            assert server.stop(number) == -signal.SIGTERM
        server.log.wait_for(b"ended: aborted: drain timeout")

    def test_under_load_nobody_who_was_sent_part_of_a_reply_loses_the_rest(self, start: Start) -> None:
        server = start("--drain=60", "--log-messages=1")
        stop_while_it_answers(server, server.dial(), clients=20, messages=200_000)


class TestSocketActivation:
    def test_a_restart_refuses_no_connection_and_loses_no_reply(self, start: Start) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor() as pool:
            dial = partial(Wire, *listener.getsockname())
            # A pause for those who have connected and not yet sent anything when the server stops.
            begin = partial(start, "--pause=10", "--drain=60", listener=listener)
            server = begin()
            over = threading.Event()

            def connect_without_end() -> int:
                count = 0
                while not over.is_set():
                    wire.exchange(dial, b"hello\n", b"server reply:hello\n")
                    count += 1
                return count

            clients = [pool.submit(connect_without_end) for _ in range(4)]
            accepted = 0
            try:
                for _ in range(3):
                    server.log.wait_for(rb" ended: ", count=20)
                    accepted += stop_and_count(server)["accepted"]
                    server = begin()
                server.log.wait_for(rb" ended: ", count=20)
            finally:
                over.set()
            answered = sum(client.result(PATIENCE) for client in clients)
            accepted += stop_and_count(server)["accepted"]
            assert answered == accepted

    @pytest.mark.skipif(not shutil.which("systemd-socket-activate"), reason="systemd-socket-activate is not installed")
    @pytest.mark.parametrize("name", [[], ["--fdname=echoreply"]], ids=["nameless", "named"])
    def test_systemds_own_tool_starts_it_with_the_first_client(self, name: list[str], tmp_path: Path) -> None:
        port = free_port()
        command = ["systemd-socket-activate", f"--listen=127.0.0.1:{port}", *name]
        command += [TWISTD, "-n", "--pidfile=", "echoreply", SYSTEMD_SOCKET]
        with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            assert process.stdout
            log = Transcript(partial(os.read, process.stdout.fileno(), 65536))
            try:
                log.wait_for(b"Listening on")
                wire.exchange(partial(Wire, "127.0.0.1", port), b"hello\n", b"server reply:hello\n")
            finally:
                process.terminate()
                assert process.wait(PATIENCE) == -signal.SIGTERM
                log.all()

    @pytest.mark.parametrize(
        ("endpoint", "reason"),
        [
            ("systemd:domain=INET:index=0", "no such socket was passed to this process"),
            ("tcp:99999:interface=127.0.0.1", "tcp takes a port, 0 to 65535, not '99999'"),
            ("nonsense:1", "Unknown endpoint type: 'nonsense'"),
            ("unix:/nowhere/at/all", "No such file or directory"),
            ("unix:", "unix takes the path of a socket"),
            ("tcp", "tcp takes other arguments: see Twisted's endpoints"),
            ("haproxy:haproxy:tcp:0", "haproxy takes an endpoint without it"),
        ],
    )
    def test_an_endpoint_that_can_not_be_had_is_report_start_errors(
        self, endpoint: str, reason: str, tmp_path: Path
    ) -> None:
        command = [TWISTD, "-n", "--pidfile=", "echoreply", f"--listen={endpoint}"]
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert result.returncode == 1
        assert "Traceback" not in result.stdout + result.stderr
        last = (result.stdout + result.stderr).splitlines()[-1]
        assert last.endswith(f"cannot listen on {endpoint}: {reason}")


@on_linux
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_as_root_it_takes_a_low_port_and_becomes_somebody_else(start: Start) -> None:
    port = free_port(700, 1024)
    server = start(f"--port={port}", "--interface=127.0.0.1", twistd_options=("--uid=65534", "--gid=65534"))
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    assert re.search(r"Uid:\s+65534\s+65534\s+65534\s+65534\n", status)
    assert re.search(r"Gid:\s+65534\s+65534\s+65534\s+65534\n", status)
    wire.half_close_is_answered(server.dial())
    assert server.stop() == -signal.SIGTERM
