"""Listening endpoints beside TCP ports, the PROXY protocol, and access lists."""

from __future__ import annotations

import random
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Start, installed
from tests.support import wire_contract as wire
from tests.support.processes import (
    LONG_PREFIX,
    SYSTEMD_SOCKET,
    TWISTD,
    Server,
    passing,
    stop_and_count,
    stop_while_it_answers,
    twistd,
)
from tests.support.tls_peers import TLSWire
from tests.support.wire_contract import PATIENCE, Dial, Wire, exchange

V1 = b"PROXY TCP4 192.0.2.7 198.51.100.1 5555 80\r\n"
V2 = (
    b"\r\n\r\n\0\r\nQUIT\n\x21\x21\x00\x24"
    + socket.inet_pton(socket.AF_INET6, "2001:db8::7")
    + socket.inet_pton(socket.AF_INET6, "2001:db8::1")
    + struct.pack("!HH", 5555, 80)
)


class UNIXWire(Wire):
    """One connection to a UNIX socket."""

    def __init__(self, path: Path, receive_buffer: int | None = None) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(str(path))


class ProxiedWire(Wire):
    """One connection by a proxy."""

    def __init__(self, header: bytes, host: str, port: int, receive_buffer: int | None = None) -> None:
        super().__init__(host, port, receive_buffer)
        self.send(header)


def proxied(start: Start, header: bytes, *options: str) -> tuple[Server, Dial]:
    server = start(*options, listen="haproxy:tcp:0:interface=127.0.0.1")
    return server, partial(ProxiedWire, header, "127.0.0.1", server.port)


class TestPorts:
    """Several endpoints at once, and descriptions that are wrong."""

    def test_every_endpoint_is_listened_on(self, start: Start, tmp_path: Path) -> None:
        path = tmp_path / "socket"
        server = start(
            "--tls=0", f"--listen=unix:{path}", "--listen=tcp6:0:interface=\\:\\:1", "--listen=haproxy:tcp:0"
        )
        for dial in (server.dial(), server.dial("::1"), partial(UNIXWire, path)):
            exchange(dial, b"hello\n", b"server reply:hello\n")
        six = int(server.log.wait_for(rb"listening on \[::1\]:(\d+)\n")[1])
        exchange(partial(Wire, "::1", six), b"hello\n", b"server reply:hello\n")
        behind = int(server.log.wait_for(rb"listening on 0\.0\.0\.0:(\d+) for PROXY\n")[1])
        exchange(partial(ProxiedWire, V1, "127.0.0.1", behind), b"hello\n", b"server reply:hello\n")
        server.log.wait_for(rb"listening on \[::\]:(\d+) for TLS\n")
        assert stop_and_count(server)["messages"] == 5
        assert not path.exists()

    def test_the_contract_holds_on_tcp6(self, start: Start) -> None:
        server = start(f"--pause={wire.PAUSE}", listen="tcp6:0:interface=\\:\\:1")
        for case in wire.CASES:
            case(server.dial("::1"))

    def test_limits_are_those_of_all_bindings_together(self, start: Start, tmp_path: Path) -> None:
        path = tmp_path / "socket"
        server = start("--max-connections=2", f"--listen=unix:{path}")
        with server.dial()() as first, UNIXWire(path) as second:
            for client in (first, second):
                client.send(b"hello\n")
                client.expect(b"server reply:hello\n")
            for dial in (server.dial(), partial(UNIXWire, path)):
                with dial() as third:
                    assert third.read_all() == b"server error: too many connections\n"
        counts = stop_and_count(server)
        assert (counts["accepted"], counts["refused"]) == (2, 2)

    def test_one_that_can_not_be_listened_on_ends_it_with_a_line_that_names_it(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            listen = ["--listen=tcp:0:interface=127.0.0.1", f"--listen=tcp:{port}:interface=127.0.0.1"]
            result = twistd(tmp_path, "-n", "--pidfile=", "echoreply", *listen)
        assert result.returncode == 1
        said = f"cannot listen on tcp:{port}:interface=127.0.0.1: Address already in use"
        assert (result.stdout + result.stderr).splitlines()[-1].endswith(said)

    @pytest.mark.parametrize(
        ("listen", "why"),
        [
            ("unix:" + "x" * 200, "AF_UNIX path too long"),
            ("haproxy:haproxy:tcp:0", "haproxy takes an endpoint without it"),
            ("stdio:", "this kind of endpoint returns no port, or not at once"),
        ],
    )
    def test_a_wrong_endpoint_ends_it_with_a_line_that_says_why(self, listen: str, why: str, tmp_path: Path) -> None:
        result = twistd(tmp_path, "-n", "--pidfile=", "echoreply", f"--listen={listen}")
        assert result.returncode == 1
        output = result.stdout + result.stderr
        assert "Traceback" not in output
        assert output.splitlines()[-1].endswith(f"cannot listen on {listen}: {why}")

    @pytest.mark.parametrize("option", ["--tls", "--udp", "--listen"])
    def test_the_default_port_is_listened_on_only_if_none_is_named(self, option: str, start_as_told: Start) -> None:
        server = start_as_told(f"{option}=0" if option != "--listen" else "--listen=tcp:0", listen="tcp:0")
        assert b":8088" not in server.log.so_far()


@pytest.fixture(params=["unix", "v1", "v2", "tls"])
def binding(request: pytest.FixtureRequest, start: Start, tmp_path: Path) -> Callable[..., tuple[Server, Dial]]:
    """Return a function that starts a server with some options, and returns it and what dials one of its endpoints."""

    def serve(*options: str) -> tuple[Server, Dial]:
        if request.param == "unix":
            path = tmp_path / "socket"
            return start(*options, f"--listen=unix:{path}"), partial(UNIXWire, path)
        if request.param == "tls":
            server = start(*options, "--tls=0")
            return server, partial(TLSWire, "127.0.0.1", server.tls_port())
        return proxied(start, V1 if request.param == "v1" else V2, *options)

    return serve


class TestEveryBinding:
    """Promises besides the wire contract that hold on all endpoints."""

    def test_an_idle_client_is_disconnected(self, binding: Callable[..., tuple[Server, Dial]]) -> None:
        server, dial = binding("--idle-timeout=0.3")
        with dial() as client:
            client.send(b"hello\n")
            client.expect(b"server reply:hello\n")
            assert client.read_all() == b""
        server.log.wait_for(rb"ended: idle for 0\.3 s; messages 1, bytes in 6, bytes out 19\n")

    def test_a_message_too_long_is_told_after_the_replies_before_it(
        self, binding: Callable[..., tuple[Server, Dial]]
    ) -> None:
        _, dial = binding("--max-message=5")
        with dial() as client:
            client.send(b"short\nlonger\n")
            assert client.read_all() == b"server reply:short\nserver error: message longer than 5 bytes\n"

    def test_a_client_that_does_not_read_is_not_read_from_and_is_aborted_after_the_drain(
        self, binding: Callable[..., tuple[Server, Dial]]
    ) -> None:
        server, dial = binding(LONG_PREFIX, "--drain=0.2")
        with dial(receive_buffer=4096) as client:
            client.send(b"x\n" * 1000)
            client.expect(b"p")
            assert stop_and_count(server)["messages"] < 1000

    def test_what_has_arrived_is_answered_when_the_server_stops(
        self, binding: Callable[..., tuple[Server, Dial]]
    ) -> None:
        server, dial = binding("--log-messages=1", "--drain=60")
        stop_while_it_answers(server, dial)


class TestUNIX:
    """UNIX sockets."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "socket"

    def test_the_contract_holds(self, start: Start, path: Path) -> None:
        start(f"--pause={wire.PAUSE}", f"--listen=unix:{path}")
        for case in wire.CASES:
            case(partial(UNIXWire, path))

    def test_its_file_has_the_mode_that_was_told(self, start: Start, path: Path) -> None:
        start(f"--listen=unix:{path}:mode=600")
        assert path.stat().st_mode & 0o777 == 0o600

    def test_a_file_that_somebody_left_is_replaced(self, start: Start, path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(path))
        start(f"--listen=unix:{path}")
        exchange(partial(UNIXWire, path), b"hello\n", b"server reply:hello\n")

    def test_a_server_that_was_killed_is_followed_by_another(self, start: Start, path: Path) -> None:
        first = start(f"--listen=unix:{path}")
        assert first.stop(signal.SIGKILL) == -signal.SIGKILL
        assert path.exists()
        start(f"--listen=unix:{path}")
        exchange(partial(UNIXWire, path), b"hello\n", b"server reply:hello\n")

    def test_a_socket_that_somebody_listens_on_is_an_error_and_stays(self, path: Path, tmp_path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as live:
            live.bind(str(path))
            live.listen(8)
            result = twistd(tmp_path, "-n", "--pidfile=", "echoreply", f"--listen=unix:{path}")
            assert result.returncode == 1
            said = f"cannot listen on unix:{path}: Address already in use"
            assert (result.stdout + result.stderr).splitlines()[-1].endswith(said)
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))

    def test_a_file_that_is_no_socket_is_an_error_and_stays(self, path: Path, tmp_path: Path) -> None:
        path.write_text("precious")
        result = twistd(tmp_path, "-n", "--pidfile=", "echoreply", f"--listen=unix:{path}")
        assert result.returncode == 1
        assert "Address already in use" in result.stdout + result.stderr
        assert path.read_text() == "precious"

    def test_it_stops_also_when_its_file_is_gone(self, start: Start, path: Path) -> None:
        server = start(f"--listen=unix:{path}")
        path.unlink()
        assert stop_and_count(server)["accepted"] == 0

    @pytest.mark.skipif(not sys.platform.startswith("linux"), reason="passes sockets as systemd does")
    def test_systemd_may_pass_it(self, path: Path, tmp_path: Path, engine: str) -> None:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen()
            path.chmod(0o600)
            command = [*passing(listener), TWISTD, "-n", "--pidfile=", "echoreply", engine]
            command += [SYSTEMD_SOCKET.replace("INET", "UNIX")]
            with subprocess.Popen(command, cwd=tmp_path, pass_fds=[listener.fileno()]) as server:
                exchange(partial(UNIXWire, path), b"hello\n", b"server reply:hello\n")
                assert path.stat().st_mode & 0o777 == 0o600
                server.terminate()
                assert server.wait(PATIENCE) == -signal.SIGTERM
            # It stays with the service manager, open and with its file.
            UNIXWire(path).socket.close()

    @pytest.mark.parametrize("command", [["nc", "-N", "-U", "{path}"], ["socat", "-t60", "-", "UNIX-CONNECT:{path}"]])
    def test_other_peoples_clients_are_answered(self, command: list[str], start: Start, path: Path) -> None:
        installed(command[0])
        start(f"--listen=unix:{path}")
        command = [word.format(path=path) for word in command]
        done = subprocess.run(command, input=b"a\nb\n", capture_output=True, timeout=PATIENCE, check=True)
        assert done.stdout == b"server reply:a\nserver reply:b\n"


@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
class TestPROXY:
    """Clients behind a proxy."""

    def test_the_contract_holds(self, header: bytes, start: Start) -> None:
        _, dial = proxied(start, header, f"--pause={wire.PAUSE}")
        for case in wire.CASES:
            case(dial)

    def test_the_log_shows_the_client(self, header: bytes, start: Start) -> None:
        server, dial = proxied(start, header)
        exchange(dial, b"hello\n", b"server reply:hello\n")
        client = rb"192\.0\.2\.7:5555" if header == V1 else rb"\[2001:db8::7\]:5555"
        for said in (rb"connected\n", rb'sent "hello"\n', rb"ended: "):
            server.log.wait_for(client + b" " + said)
        assert b"127.0.0.1:" not in server.log.so_far().split(b"listening on")[1][20:]

    def test_a_limit_for_each_host_is_one_for_each_client(self, header: bytes, start: Start) -> None:
        server, dial = proxied(start, header, "--max-per-host=1")
        other = partial(ProxiedWire, V1.replace(b"192.0.2.7", b"192.0.2.8"), "127.0.0.1", server.port)
        with dial() as first, other() as second, dial() as third:
            for client in (first, second):
                client.send(b"hello\n")
                client.expect(b"server reply:hello\n")
            assert third.read_all() == b"server error: too many connections\n"

    def test_a_message_that_came_before_its_connection_was_accepted_is_answered(
        self, header: bytes, start: Start
    ) -> None:
        server, dial = proxied(start, header, "--drain=60")
        server.pause()
        clients = [dial() for _ in range(20)]
        for client in clients:
            client.send(b"hello\n")
        server.process.send_signal(signal.SIGTERM)
        server.resume()
        for client in clients:
            assert client.read_all() == b"server reply:hello\n"
            client.socket.close()
        assert server.process.wait(PATIENCE) == -signal.SIGTERM

    def test_lists_judge_the_client_that_the_header_names(self, header: bytes, start: Start) -> None:
        network = "192.0.2.0/24" if header == V1 else "2001:db8::/32"
        server, dial = proxied(start, header, f"--deny={network}")
        with dial() as client:
            assert client.read_all() == b""
        server.log.wait_for(rb"5555 refused: denied by address\n")
        other = partial(ProxiedWire, V1.replace(b"192.0.2.7", b"198.51.100.9"), "127.0.0.1", server.port)
        exchange(other, b"hello\n", b"server reply:hello\n")
        assert stop_and_count(server)["denied by address"] == 1

    def test_a_proxy_that_is_not_trusted_is_not_listened_to(self, header: bytes, start: Start) -> None:
        server, dial = proxied(start, header, "--trust-proxy=192.0.2.0/24")
        # It is closed before or after we have sent.
        with suppress(ConnectionError), dial() as client:
            client.send(b"hello\n")
            assert client.read_all() == b""
        server.log.wait_for(rb"127\.0\.0\.1:\d+ refused: not a trusted proxy\n")
        counts = stop_and_count(server)
        assert (counts["accepted"], counts["not a trusted proxy"]) == (0, 1)


def test_curl_is_served_with_its_header(start: Start) -> None:
    installed("curl")
    server, _ = proxied(start, V1)
    command = ["curl", "-sN", "--haproxy-protocol", f"telnet://127.0.0.1:{server.port}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as curl:
        assert curl.stdin
        assert curl.stdout
        curl.stdin.write(b"hello\n")
        curl.stdin.flush()
        assert curl.stdout.readline() == b"server reply:hello\n"
        curl.terminate()
    server.log.wait_for(rb'127\.0\.0\.1:\d+ sent "hello"\n')


def hostile_headers(chance: random.Random, count: int) -> list[bytes]:
    """Return headers that are wrong, most of them nearly right."""

    def with_byte(header: bytes, place: int, byte: int) -> bytes:
        return header[:place] + bytes([byte]) + header[place + 1 :]

    def noise() -> bytes:
        return b"x" + chance.randbytes(chance.randrange(200))

    def cut() -> bytes:
        header = chance.choice([V1, V2])
        return header[: chance.randrange(1, len(header))]

    def changed() -> bytes:
        # In these bytes nothing else would be right, and a line that never ends is not.
        header, places = chance.choice([(V1, range(5)), (V1, range(6, 9)), (V2, range(12))])
        place = chance.choice(places)
        return with_byte(header, place, header[place] ^ chance.randrange(1, 256)) + b"hello\n"

    def other_version() -> bytes:
        return with_byte(V2, 12, chance.choice([n for n in range(256) if n not in (0x20, 0x21)])) + b"hello\n"

    def too_short() -> bytes:
        return V2[:14] + struct.pack("!H", chance.randrange(36)) + V2[16:] + b"hello\n"

    def other_words() -> bytes:
        words = V1[:-2].split(b" ")
        words[chance.randrange(2, 6)] = chance.choice([b"", b"-1", b"65536", b"1.2.3", b"::g", b"\xff", b"9" * 50])
        return b" ".join(words) + b"\r\nhello\n"

    makers = [noise, cut, changed, other_version, too_short, other_words]
    return [chance.choice(makers)() for _ in range(count)]


def test_ten_thousand_hostile_headers_are_each_closed_without_a_reply(start: Start) -> None:
    seed = random.randrange(1 << 32)
    server, dial = proxied(start, V1)

    def send(header: bytes) -> None:
        with Wire("127.0.0.1", server.port) as client:
            client.send(header)
            client.finish()
            with suppress(ConnectionResetError):
                assert client.read_all() == b"", f"{header!r} of seed {seed} has a reply"

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, hostile_headers(random.Random(seed), 10_000)))
    exchange(dial, b"hello\n", b"server reply:hello\n")
    server.log.wait_for(rb"failures not logged: \d+\n")
    assert stop_and_count(server)["accepted"] == 1


class TestLists:
    """Access lists."""

    @pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems have one address of loopback")
    @pytest.mark.parametrize(
        ("options", "served", "denied"),
        [
            (["--deny=127.0.0.2"], "127.0.0.1", "127.0.0.2"),
            (["--deny=::ffff:127.0.0.2"], "127.0.0.1", "127.0.0.2"),
            (["--allow=127.0.0.2"], "127.0.0.2", "127.0.0.1"),
            (["--allow=127.0.0.0/8", "--deny=127.0.0.1"], "127.0.0.2", "127.0.0.1"),
            (["--allow=::1"], "::1", "127.0.0.1"),
            (["--deny=::/0"], "127.0.0.1", "::1"),
        ],
    )
    def test_a_denied_client_is_closed_at_once(
        self, options: list[str], served: str, denied: str, start: Start
    ) -> None:
        server = start(*options)

        def connect(source: str) -> socket.socket:
            host = "::1" if ":" in source else "127.0.0.1"
            return socket.create_connection((host, server.port), PATIENCE, (source, 0))

        with connect(denied) as client:
            assert client.recv(100) == b""
        with connect(served) as client:
            client.sendall(b"hello\nexit\n")
            assert client.recv(100) == b"server reply:hello\n"
        server.log.wait_for(rb"refused: denied by address\n")
        counts = stop_and_count(server)
        assert (counts["accepted"], counts["refused"], counts["denied by address"]) == (1, 1, 1)

    def test_they_hold_before_a_handshake(self, start: Start) -> None:
        server = start("--tls=0", "--deny=127.0.0.1")
        with Wire("127.0.0.1", server.tls_port()) as client:
            assert client.read_all() == b""
        server.log.wait_for(rb"refused: denied by address\n")

    @pytest.mark.parametrize("option", ["--allow", "--deny", "--trust-proxy"])
    @pytest.mark.parametrize(
        ("value", "why"),
        [
            ("10.0.0.0/33", "'10.0.0.0/33' does not appear to be an IPv4 or IPv6 network"),
            ("localhost", "'localhost' does not appear to be an IPv4 or IPv6 network"),
            ("10.0.0.1/8", "10.0.0.1/8 has bits beyond its prefix; its network is 10.0.0.0/8"),
        ],
    )
    def test_what_is_no_network_ends_it_with_a_line(self, option: str, value: str, why: str, tmp_path: Path) -> None:
        result = twistd(tmp_path, "-n", "echoreply", f"{option}={value}")
        assert result.returncode == 1
        said = f"{option} takes a network such as 192.0.2.0/24 or 2001:db8::/32, but {why}"
        assert (result.stdout, result.stderr) == ("", f"twistd echoreply: {said}\n")
