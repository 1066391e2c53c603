"""UDP, by plain sockets and by other programs."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Start, on_linux
from tests.support import wire_contract as wire
from tests.support.processes import Server, Transcript, free_port, outliving, serve_as_daemon, stop_and_count, twistd
from tests.support.udp_sockets import ask, client_of, udp_port
from tests.support.wire_contract import PATIENCE, PREFIX


@contextmanager
def if_permitted() -> Iterator[None]:
    """Skip the test if the process lacks the permission."""
    try:
        yield
    except PermissionError as error:
        pytest.skip(f"takes CAP_NET_RAW or CAP_NET_BIND_SERVICE: {error.strerror}")


def is_answered(server: Server, host: str = "127.0.0.1") -> None:
    with client_of(udp_port(server.log), host) as client:
        assert ask(client, b"still there") == PREFIX + b"still there"


class TestReplies:
    def test_a_datagram_is_a_message_by_ipv4_and_ipv6(self, start: Start) -> None:
        server = start("--udp=0")
        messages = [b"hello\n", b"a\nb\n", b"\0\xff", b"", b"x" * 8000]
        for host in ("127.0.0.1", "::1"):
            with client_of(udp_port(server.log), host) as client:
                for message in messages:
                    assert ask(client, message) == PREFIX + message
        server.log.wait_for(rb'127\.0\.0\.1:\d+ sent "hello"\n')
        server.log.wait_for(rb'\[::1\]:\d+ sent "hello"\n')
        counts = stop_and_count(server)
        received = 2 * len(b"".join(messages))
        assert counts["messages"] == 10
        assert counts["bytes in"] == received
        assert counts["bytes out"] == received + 10 * len(PREFIX)
        assert "dropped" not in counts

    def test_an_empty_prefix_gives_back_what_came(self, start: Start) -> None:
        with client_of(udp_port(start("--udp=0", "--prefix=", "--transform=upper").log)) as client:
            assert ask(client, b"hello\n") == b"HELLO\n"
            assert ask(client, b"") == b""

    @on_linux
    @pytest.mark.parametrize("interface", [[], ["--interface=0.0.0.0"]], ids=["all", "IPv4"])
    def test_they_come_from_the_address_that_was_asked(self, interface: list[str], start: Start) -> None:
        server = start("--udp=0", *interface)
        is_answered(server, "127.0.0.2")
        is_answered(server, "127.0.0.3")

    @pytest.mark.parametrize("interface", ["127.0.0.1", "::1", "::"])
    def test_an_interface_can_be_named(self, interface: str, start: Start) -> None:
        is_answered(start("--udp=0", f"--interface={interface}"), "127.0.0.1" if "." in interface else "::1")

    def test_tcp_and_udp_can_have_one_port(self, start: Start) -> None:
        port = free_port()
        server = start(f"--port={port}", f"--udp={port}")
        assert (server.port, udp_port(server.log)) == (port, port)
        wire.half_close_is_answered(server.dial())
        is_answered(server)
        assert stop_and_count(server)["messages"] == 3

    @pytest.mark.parametrize(
        "command",
        [
            ["ncat", "-u", "127.0.0.1", "{port}"],
            ["ncat", "-u", "::1", "{port}"],
            ["socat", "-", "UDP4:127.0.0.1:{port}"],
            ["socat", "-", "UDP6:[::1]:{port}"],
        ],
        ids=lambda command: " ".join(command[:-1]),
    )
    def test_other_programs_get_theirs(self, command: list[str], start: Start) -> None:
        if not shutil.which(command[0]):
            pytest.skip(f"{command[0]} is not installed")
        server = start("--udp=0")
        command = [word.format(port=udp_port(server.log)) for word in command]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
            assert program.stdin
            assert program.stdout
            output = Transcript(partial(os.read, program.stdout.fileno(), 65536))
            try:
                program.stdin.write(b"hello\n")
                program.stdin.flush()
                output.wait_for(rb"^server reply:hello\n$")
            finally:
                program.kill()
                output.all()

    def test_as_a_daemon_it_answers_too(self, engine: str, tmp_path: Path) -> None:
        port = free_port()

        def answers() -> None:
            with client_of(port) as client:
                assert ask(client, b"datagram") == PREFIX + b"datagram"

        assert 'sent "datagram"' in serve_as_daemon(tmp_path, engine, f"--udp={port}", meanwhile=answers)

    def test_a_port_in_use_ends_it_with_a_line(self, engine: str, tmp_path: Path) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken, outliving() as process:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            result = twistd(tmp_path, "-n", "echoreply", engine, f"--udp={port}", pass_fds=[process])
        assert result.returncode == 1
        (said,) = [line for line in (result.stdout + result.stderr).splitlines() if "in use" in line]
        assert re.search(rf"cannot listen on \*:{port} for UDP: Address already in use'?$", said)


class TestDrops:
    @on_linux  # Others send less in a datagram.
    def test_they_are_told_and_counted_and_the_port_lives_on(self, start: Start) -> None:
        server = start("--udp=0", "--max-message=65450")
        with client_of(udp_port(server.log)) as client:
            for message in (b"exit\r\n", b"quit", b"server reply:hello", b"x" * 65451, b"x" * 65450 + b"\r" * 50):
                client.send(message)
            assert ask(client, b"x" * 65450) == PREFIX + b"x" * 65450
        log = server.log
        log.wait_for(rb"127\.0\.0\.1:\d+ dropped: close word received\n", count=2)
        log.wait_for(rb"127\.0\.0\.1:\d+ dropped: begins with the prefix\n")
        log.wait_for(rb"127\.0\.0\.1:\d+ dropped: message too long\n")
        log.wait_for(rb"127\.0\.0\.1:\d+ dropped: reply too long for a datagram\n")
        counts = stop_and_count(server)
        assert counts["messages"] == 1
        assert counts["dropped"] == 5
        assert counts["close word received"] == 2
        last = (
            b"(close word received: 2; begins with the prefix: 1; message too long: 1; "
            b"reply too long for a datagram: 1)\n"
        )
        assert b", dropped 5 " + last in log.all()

    def test_the_denied_are_not_answered_in_either_family(self, start: Start) -> None:
        server = start("--udp=0", "--deny=127.0.0.0/8", "--deny=::1")
        for host in ("127.0.0.1", "::1"):
            with client_of(udp_port(server.log), host) as client:
                client.send(b"hello")
        server.log.wait_for(rb"dropped: denied by address\n", count=2)
        counts = stop_and_count(server)
        assert (counts["messages"], counts["denied by address"]) == (0, 2)

    @on_linux
    def test_the_allowed_are(self, start: Start) -> None:
        server = start("--udp=0", "--allow=127.0.0.2")
        with client_of(udp_port(server.log)) as client, client_of(udp_port(server.log), own=("127.0.0.2", 0)) as other:
            client.send(b"hello")
            assert ask(other, b"hello") == b"server reply:hello"
        assert stop_and_count(server)["denied by address"] == 1

    @on_linux
    def test_one_to_many_machines_is_not_answered(self, start: Start) -> None:
        server = start("--udp=0")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            client.sendto(b"hello", ("127.255.255.255", udp_port(server.log)))
            server.log.wait_for(rb"dropped: reply refused by the system\n")
        is_answered(server)
        assert stop_and_count(server)["dropped"] == 1

    def test_a_client_that_is_gone_harms_nobody(self, start: Start) -> None:
        server = start("--udp=0")
        port = udp_port(server.log)
        server.pause()
        for host in ("127.0.0.1", "::1"):
            with client_of(port, host) as client:
                client.send(b"hello")
        server.resume()
        server.log.wait_for(rb' sent "hello"\n', count=2)
        is_answered(server)
        assert stop_and_count(server)["messages"] == 3

    def test_a_host_gets_no_more_than_the_rate(self, start: Start) -> None:
        server = start("--udp=0", "--udp-rate=1")
        with client_of(udp_port(server.log)) as client:
            server.pause()
            for _ in range(100):
                client.send(b"hello")
            server.resume()
            server.log.wait_for(rb"dropped: over the rate limit\n")
            counts = stop_and_count(server)
        assert counts["messages"] + counts["dropped"] == 100
        assert counts["over the rate limit"] == counts["dropped"]


class TestLoops:
    """Loops of replies between two servers."""

    def relay(self, first: Server, second: Server) -> None:
        """Pass each server's reply to the other one, until one of them is silent."""
        ports = [udp_port(server.log) for server in (first, second)]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(PATIENCE)
            message, turn = b"hello", 0
            while True:
                client.sendto(message, ("127.0.0.1", ports[turn % 2]))
                # A message of its own comes back last, so it need not wait to know that there is no reply.
                client.sendto(b"?", ("127.0.0.1", ports[turn % 2]))
                message = client.recv(65536)
                if message.endswith(b":?"):
                    return
                assert client.recv(65536).endswith(b":?")
                turn += 1
                assert turn < 100, "they go on"

    def test_they_fall_silent_with_the_same_prefix(self, start: Start) -> None:
        first, second = start("--udp=0"), start("--udp=0")
        self.relay(first, second)
        second.log.wait_for(b"dropped: begins with the prefix\n")
        assert stop_and_count(second)["dropped"] == 1
        assert "dropped" not in stop_and_count(first)

    def test_they_fall_silent_with_different_prefixes(self, start: Start) -> None:
        servers = [start("--udp=0", f"--prefix={name * 20}:", "--max-message=200") for name in "ab"]
        self.relay(*servers)
        assert sum(stop_and_count(server).get("message too long", 0) for server in servers) == 1

    @on_linux
    def test_a_spoofed_datagram_gets_one_reply(self, start: Start) -> None:
        first = start("--udp=0", "--interface=127.0.0.1")
        second = start("--udp=0", "--interface=127.0.0.2")
        spoof(("127.0.0.1", udp_port(first.log)), ("127.0.0.2", udp_port(second.log)))
        first.log.wait_for(rb"127\.0\.0\.2:\d+ dropped: begins with the prefix\n")
        assert (stop_and_count(first)["messages"], stop_and_count(second)["messages"]) == (0, 1)

    @on_linux
    def test_without_a_prefix_one_from_its_own_port_gets_none(self, start: Start) -> None:
        port = free_port()
        first = start(f"--udp={port}", "--interface=127.0.0.1", "--prefix=")
        second = start(f"--udp={port}", "--interface=127.0.0.2", "--prefix=")
        spoof(("127.0.0.1", port), ("127.0.0.2", port))
        second.log.wait_for(rb"127\.0\.0\.1:\d+ dropped: from a port that answers\n")
        assert stop_and_count(first)["messages"] == 0

    @on_linux
    @pytest.mark.parametrize("port", [7, 13, 17, 19])
    def test_services_that_answer_whatever_they_get_get_nothing(self, port: int, start_as_told: Start) -> None:
        server = start_as_told("--udp=0")
        # An address that nobody else has such a port of.
        own = f"127.{random.randrange(1, 255)}.{random.randrange(255)}.1"
        with if_permitted(), client_of(udp_port(server.log), own=(own, port)) as client:
            client.send(b"hello")
            server.log.wait_for(rb"%s:%d dropped: from a port that answers\n" % (re.escape(own.encode()), port))
        assert stop_and_count(server)["dropped"] == 1


def spoof(source: tuple[str, int], destination: tuple[str, int], message: bytes = b"hello") -> None:
    """Send a datagram with a forged source: with a header of our own, RFC 768, that has no checksum."""
    header = struct.pack("!HHHH", source[1], destination[1], 8 + len(message), 0)
    with if_permitted(), socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP) as raw:
        raw.bind((source[0], 0))
        raw.sendto(header + message, destination)


class TestStop:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_what_has_arrived_is_answered(self, number: int, start: Start) -> None:
        server = start("--udp=0", "--log-messages=1")
        with client_of(udp_port(server.log)) as client:
            server.pause()
            for n in range(100):
                client.send(b"%d" % n)
            server.process.send_signal(number)
            server.resume()
            for n in range(100):
                assert client.recv(100) == PREFIX + b"%d" % n
        assert server.process.wait(PATIENCE) == -number
        server.log.wait_for(rb"stopped: .* messages 100, bytes in 190, bytes out 1490\n")

    def test_a_flood_does_not_keep_it(self, start: Start) -> None:
        server = start("--udp=0", "--log-messages=0", "--udp-rate=1000000")
        flood = "import socket, sys\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\nwhile True:\n"
        flood += " s.sendto(b'', ('127.0.0.1', int(sys.argv[1])))\n"
        command = [sys.executable, "-c", flood, str(udp_port(server.log))]
        with subprocess.Popen(command) as flooding:
            try:
                wire.half_close_is_answered(server.dial())
                assert server.stop() == -signal.SIGTERM
            finally:
                flooding.kill()
