"""C{twistd echoreply --profile go-echo}: what the tests of Kong's ingress controller ask of its backend."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import pytest

from tests.end_to_end.conftest import Profile, SetOnly, Start, installed, listening
from tests.support.processes import Server
from tests.support.tls_peers import Authority, Session, client_context
from tests.support.udp_sockets import ask, client_of, udp_port
from tests.support.wire_contract import PATIENCE, Dial, Wire, exchange

EVERYTHING = {
    "SERVICE_ACCOUNT": "default",
    "POD_IP": "10.0.0.7",
    "POD_NAMESPACE": "echo",
    "POD_NAME": "go-echo-1",
    "NODE_NAME": "worker-2",
}
ALL_LINES = (
    b"Welcome, you are connected to node worker-2.\n"
    b"Running on Pod go-echo-1.\n"
    b"In namespace echo.\n"
    b"With IP address 10.0.0.7.\n"
    b"Service account default.\n"
)
ONLY_POD = b"Running on Pod go-echo-1.\n"
OVER_TLS = b"Through TLS connection.\n"

MANY = 100
"""Clients, one after the other."""


@pytest.fixture
def suffix(transport: str) -> bytes:
    """Give what greetings end with, by this transport."""
    return OVER_TLS if transport == "tls" else b""


class TestGreeting:
    def test_it_has_a_line_for_each_variable_that_is_set(
        self, profile: Profile, set_only: SetOnly, suffix: bytes
    ) -> None:
        set_only(EVERYTHING)
        exchange(profile("go-echo"), b"hello", ALL_LINES + suffix + b"hello")

    @pytest.mark.parametrize(("name", "line"), [*zip(reversed(EVERYTHING), ALL_LINES.splitlines(True), strict=True)])
    def test_each_variable_has_its_line(self, name: str, line: bytes, start_as_told: Start, set_only: SetOnly) -> None:
        set_only({name: EVERYTHING[name]})
        exchange(start_as_told("--profile=go-echo").dial(), b"", line)

    def test_a_variable_that_is_empty_has_none(self, profile: Profile, set_only: SetOnly, suffix: bytes) -> None:
        set_only({**dict.fromkeys(EVERYTHING, ""), "POD_NAME": "go-echo-1"})
        exchange(profile("go-echo"), b"", ONLY_POD + suffix)

    def test_without_variables_there_is_but_that_of_tls(
        self, profile: Profile, set_only: SetOnly, suffix: bytes
    ) -> None:
        set_only({})
        exchange(profile("go-echo"), b"hello", suffix + b"hello")

    def test_it_does_not_wait_for_the_client_to_speak(self, profile: Profile, set_only: SetOnly, suffix: bytes) -> None:
        set_only(EVERYTHING)
        with profile("go-echo")() as connection:
            connection.expect(ALL_LINES + suffix)

    def test_a_name_may_be_any_bytes(self, start: Start, monkeypatch: pytest.MonkeyPatch, set_only: SetOnly) -> None:
        set_only({"POD_NAME": os.fsdecode("中 {{ 1 }}".encode() + b"\xff")})
        exchange(start("--profile=go-echo").dial(), b"", "Running on Pod 中 {{ 1 }}".encode() + b"\xff.\n")


class TestEcho:
    def test_bytes_come_back_as_they_come(self, profile: Profile, set_only: SetOnly, suffix: bytes) -> None:
        set_only({})
        with profile("go-echo", "--pause=3600")() as connection:
            connection.expect(suffix)
            for sent in (b"exit\n", b"quit", b"\0", b"\xff\r\n\n", bytes(range(256)) * 8):
                connection.send(sent)
                connection.expect(sent)
            connection.finish()
            connection.expect_end()

    def test_a_megabyte_comes_back(self, profile: Profile, set_only: SetOnly, suffix: bytes) -> None:
        set_only(EVERYTHING)
        sent = os.urandom(1 << 20)
        exchange(profile("go-echo"), sent, ALL_LINES + suffix + sent)

    def test_nc_is_greeted_and_gets_its_bytes_back(self, start: Start, set_only: SetOnly) -> None:
        installed("nc")
        set_only(EVERYTHING)
        command = ["nc", "-N", "127.0.0.1", str(start("--profile=go-echo").port)]
        completed = subprocess.run(command, input=b"a\nb", capture_output=True, timeout=PATIENCE, check=True)
        assert completed.stdout == ALL_LINES + b"a\nb"


class TestDatagrams:
    @pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
    def test_each_gets_the_greeting_and_then_itself(self, host: str, start: Start, set_only: SetOnly) -> None:
        set_only(EVERYTHING)
        # TLS is for connections, so datagrams are not told of it.
        server = start("--profile=go-echo", "--udp=0", "--tls=0")
        with client_of(udp_port(server.log), host) as client:
            for sent in (b"testing udproute", b"", b"exit\n", b"\0\xff" * 500):
                assert ask(client, sent) == ALL_LINES
                assert client.recv(65536) == sent

    def test_without_a_greeting_they_get_themselves(self, start: Start, set_only: SetOnly) -> None:
        set_only({})
        with client_of(udp_port(start("--profile=go-echo", "--udp=0").log)) as client:
            for sent in (b"hello", b"", b"again"):
                assert ask(client, sent) == sent


class TestKongsClient:
    """
    One that sends a message of sixteen bytes without an LF at once, and takes the greeting and the echo in a read each.

    Each read has to give all of it: the first has room for the greeting only, the second for a byte more than the echo.
    """

    @pytest.fixture(autouse=True)
    def _pod(self, set_only: SetOnly) -> None:
        set_only({"POD_NAME": "go-echo-1"})

    @pytest.fixture
    def dial(self, profile: Profile) -> Dial:
        return profile("go-echo")

    @pytest.mark.parametrize("greeted", [False, True], ids=["sends at once", "waits for the greeting"])
    def test_greeting_and_echo_come_in_a_read_each(self, greeted: bool, start: Start) -> None:
        port = start("--profile=go-echo").port
        for _ in range(MANY):
            with Wire("127.0.0.1", port) as connection:
                if not greeted:
                    connection.send(b"testing tcproute")
                assert connection.socket.recv(len(ONLY_POD)) == ONLY_POD
                if greeted:
                    connection.send(b"testing tcproute")
                assert connection.socket.recv(17) == b"testing tcproute"

    def test_also_if_the_message_is_there_before_the_server_knows_of_the_client(self, start: Start) -> None:
        server = start("--profile=go-echo")
        server.pause()
        clients = [Wire("127.0.0.1", server.port) for _ in range(20)]
        for client in clients:
            client.send(b"testing tcproute")
        server.resume()
        for client in clients:
            with client:
                assert client.socket.recv(len(ONLY_POD)) == ONLY_POD
                assert client.socket.recv(17) == b"testing tcproute"

    @pytest.mark.parametrize("greeted", [False, True], ids=["sends at once", "waits for the greeting"])
    def test_over_tls_they_come_in_a_record_each(self, greeted: bool, start: Start) -> None:
        port = start("--profile=go-echo", "--tls=0").tls_port()
        for _ in range(MANY):
            with Records(port) as connection:
                # What ends the handshake, and a message in the same segment.
                connection.send(b"" if greeted else b"testing tlsroute")
                assert connection.receive() == ONLY_POD + OVER_TLS
                if greeted:
                    connection.send(b"testing tlsroute")
                assert connection.receive() == b"testing tlsroute"

    @pytest.mark.parametrize("network", ["tcp", "tls", "udp"])
    def test_one_in_go_is_content(self, network: str, go_client: str, start: Start, tmp_path: Path) -> None:
        authority = Authority(tmp_path, "authority")
        certificate, key = authority.sign("tls.example.com")
        server = start("--profile=go-echo", "--udp=0", "--tls=0", f"--cert={certificate}", f"--key={key}")
        ports = {"tcp": server.port, "tls": server.tls_port(), "udp": udp_port(server.log)}
        greeting = ONLY_POD + OVER_TLS if network == "tls" else ONLY_POD
        client = [go_client, "-network", network, "-address", f"127.0.0.1:{ports[network]}"]
        client += ["-ca", authority.path, "-name", "tls.example.com"]
        client += ["-greeting", greeting.decode(), "-times", str(MANY), "sized"]
        assert run(client) == ""

    def test_one_in_go_is_content_where_tls_ends_before_the_server(
        self, go_client: str, start: Start, tmp_path: Path
    ) -> None:
        authority = Authority(tmp_path, "authority")
        with terminating_tls(start("--profile=go-echo"), *authority.sign("tls.example.com")) as port:
            client = [go_client, "-network", "tls", "-address", f"127.0.0.1:{port}"]
            client += ["-ca", authority.path, "-name", "tls.example.com"]
            assert run([*client, "-greeting", ONLY_POD.decode(), "-times", "20", "sized"]) == ""

    def test_one_in_go_that_speaks_an_older_tls_is_content(self, go_client: str, start: Start, tmp_path: Path) -> None:
        authority = Authority(tmp_path, "authority")
        certificate, key = authority.sign("tls.example.com")
        server = start("--profile=go-echo", "--tls=0", f"--cert={certificate}", f"--key={key}")
        client = [go_client, "-network", "tls", "-address", f"127.0.0.1:{server.tls_port()}", "-older"]
        client += ["-ca", authority.path, "-name", "tls.example.com"]
        assert run([*client, "-greeting", (ONLY_POD + OVER_TLS).decode(), "-times", str(MANY), "sized"]) == ""


def run(command: list[str]) -> str:
    """Run a program; give what it says if it is not content."""
    completed = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert bool(completed.stderr) == bool(completed.returncode)
    return completed.stderr


@contextmanager
def terminating_tls(server: Server, certificate: str, key: str) -> Iterator[int]:
    """Run what ends TLS, and goes on to a server without it, as a gateway does; give its port."""
    here = f"OPENSSL-LISTEN:0,bind=127.0.0.1,fork,verify=0,cert={certificate},key={key}"
    said = rb"listening on AF=2 127\.0\.0\.1:(\d+)"
    with listening(said, "socat", "-dd", here, f"TCP4:127.0.0.1:{server.port},nodelay") as match:
        yield int(match[1])


class Records:
    """
    A connection over TLS 1.3, read a record at a time.

    What ends the handshake is sent with the first message.
    """

    def __init__(self, port: int) -> None:
        self._wire = Wire("127.0.0.1", port)
        self._session = Session(client_context())
        record = b""
        while not self._session.shake_hands(record):
            self._wire.send(self._session.take())
            record = self._next()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._wire.socket.close()

    def send(self, data: bytes) -> None:
        self._wire.send(self._session.send(data))

    def receive(self) -> bytes:
        """Give what the next record holds that is not TLS's own."""
        data = b""
        while not data:
            data = self._session.receive(self._next())
        return data

    def _next(self) -> bytes:
        header = self._wire.read(5)
        assert len(header) == 5, "the server closed"
        return header + self._wire.read(int.from_bytes(header[3:]))
