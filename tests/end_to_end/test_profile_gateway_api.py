"""C{twistd echoreply --profile gateway-api}: what the Gateway API's conformance tests ask of their backend."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.conftest import Profile, SetOnly, Start, installed
from tests.support.processes import Server, free_port
from tests.support.tls_peers import Authority, TLSWire, client_context
from tests.support.udp_sockets import ask, client_of, udp_port
from tests.support.wire_contract import PATIENCE, Dial, Wire, exchange

WELCOME = b"Gateway API Test TCP Server\n"

VARIABLES = {
    "NAMESPACE": "test-ns",
    "INGRESS_NAME": "test-ingress",
    "SERVICE_NAME": "test-service",
    "POD_NAME": "test-service-1",
}
POD = {"namespace": "test-ns", "ingress": "test-ingress", "service": "test-service", "pod": "test-service-1"}

NAME = "test.example.com"

Ask = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def _pod(set_only: SetOnly) -> None:
    set_only(VARIABLES)


@pytest.fixture
def is_tls(transport: str) -> bytes:
    return b"true\n" if transport == "tls" else b"false\n"


def told(connection: Wire) -> dict[str, Any]:
    """Ask for C{TEST}; give what comes."""
    connection.send(b"TEST\n")
    answer: dict[str, Any] = json.loads(connection.read_line())
    return answer


class TestLines:
    @pytest.fixture
    def dial(self, profile: Profile) -> Dial:
        return profile("gateway-api", "--pause=0.01")

    def test_each_request_gets_a_line(self, dial: Dial, is_tls: bytes) -> None:
        with dial() as connection:
            connection.expect(WELCOME)
            for request, answer in ((b"PING", b"PONG\n"), (b"IS_TLS", is_tls), (b"PING", b"PONG\n")):
                connection.send(request + b"\n")
                connection.expect(answer)
            assert told(connection)["namespace"] == "test-ns"

    def test_they_may_come_at_once_or_cut_anywhere(self, dial: Dial, is_tls: bytes) -> None:
        exchange(dial, b"PING\nIS_TLS\nPING\n", WELCOME + b"PONG\n" + is_tls + b"PONG\n")
        with dial() as connection:
            for byte in b"PING\nIS_TLS\n":
                connection.send(bytes([byte]))
            connection.expect(WELCOME + b"PONG\n" + is_tls)

    def test_no_silence_ends_a_line(self, dial: Dial) -> None:
        with dial() as connection:
            connection.expect(WELCOME)
            connection.send(b"PI")
            time.sleep(0.1)  # The pause passes; that it is too short could only let a wrong server pass.
            connection.send(b"NG\n")
            connection.expect(b"PONG\n")

    def test_a_line_may_end_with_cr_lf_or_with_the_connection(self, dial: Dial, is_tls: bytes) -> None:
        exchange(dial, b"PING\r\nIS_TLS", WELCOME + b"PONG\n" + is_tls)

    def test_other_lines_get_nothing(self, dial: Dial) -> None:
        others = [
            b"",
            b"ping",
            b"PING ",
            b" PING",
            b"PINGPING",
            b"PONG",
            b"TEST\0",
            b"\xff",
            b"exit",
            b"quit",
            b"x" * 60_000,
        ]
        for other in others:
            exchange(dial, other + b"\nPING\n", WELCOME + b"PONG\n")

    def test_who_asks_nothing_is_welcomed(self, dial: Dial) -> None:
        exchange(dial, b"", WELCOME)

    def test_nc_gets_its_answers(self, start: Start) -> None:
        installed("nc")
        command = ["nc", "-N", "127.0.0.1", str(start("--profile=gateway-api").port)]
        completed = subprocess.run(command, input=b"PING\nIS_TLS\n", capture_output=True, timeout=PATIENCE, check=True)
        assert completed.stdout == WELCOME + b"PONG\nfalse\n"


class TestTelling:
    """C{TEST}."""

    def test_it_tells_where_the_server_runs(self, start: Start) -> None:
        server = start("--profile=gateway-api")
        with server.dial()() as connection:
            connection.expect(WELCOME)
            assert told(connection) == {**POD, "tcpport": str(server.port), "isTLS": False}

    def test_what_is_not_known_is_empty(self, start: Start, set_only: SetOnly) -> None:
        set_only({})
        server = start("--profile=gateway-api")
        with server.dial()() as connection:
            connection.expect(WELCOME)
            assert told(connection) == {**dict.fromkeys(POD, ""), "tcpport": str(server.port), "isTLS": False}

    def test_names_may_be_any_text(self, start: Start, set_only: SetOnly) -> None:
        name = 'a "b" \\ <c> {{ 1 }} 中\n'
        set_only({"POD_NAME": name})
        with start("--profile=gateway-api").dial()() as connection:
            connection.expect(WELCOME)
            assert told(connection)["pod"] == name

    def test_it_tells_of_the_port_for_tls_by_any_connection(self, start: Start) -> None:
        server = start("--profile=gateway-api", "--tls=0")
        ports = {"tcpport": str(server.port), "tlsport": str(server.tls_port())}
        with server.dial()() as connection:
            connection.expect(WELCOME)
            assert told(connection) == {**POD, **ports, "isTLS": False}
        with TLSWire("127.0.0.1", server.tls_port()) as connection:
            connection.expect(WELCOME)
            answer = told(connection)
            assert answer.pop("tls")
            assert answer == {**POD, **ports, "isTLS": True}

    def test_every_worker_knows_the_ports(self, start: Start) -> None:
        server = start("--profile=gateway-api", "--tls=0", "--workers=2")
        ports = {"tcpport": str(server.port), "tlsport": str(server.tls_port())}
        for _ in range(20):  # They take turns as they like.
            with server.dial()() as connection:
                connection.expect(WELCOME)
                assert told(connection) == {**POD, **ports, "isTLS": False}

    def test_it_is_in_the_order_of_the_original(self, start: Start) -> None:
        server = start("--profile=gateway-api", "--tls=0", "--alpn=echo")
        context = client_context()
        context.set_alpn_protocols(["echo"])
        with TLSWire("127.0.0.1", server.tls_port(), context=context) as connection:
            connection.expect(WELCOME)
            answer = told(connection)
        assert list(answer) == ["namespace", "ingress", "service", "pod", "tcpport", "tlsport", "isTLS", "tls"]
        assert list(answer["tls"]) == ["version", "serverName", "negotiatedProtocol", "cipherSuite"]


class TestTLS:
    """What is told of it, to clients that look at whom they speak to."""

    @pytest.fixture
    def authority(self, tmp_path: Path) -> Authority:
        return Authority(tmp_path, "authority")

    @pytest.fixture
    def server(self, authority: Authority, start: Start) -> Server:
        certificate, key = authority.sign(NAME)
        return start("--profile=gateway-api", "--tls=0", f"--cert={certificate}", f"--key={key}", "--alpn=echo")

    @pytest.fixture
    def ask_in_go(self, server: Server, authority: Authority, go_client: str) -> Ask:
        """Give a function that has the client in Go ask for all there is, and gives what it tells."""

        def ask_in_go(*flags: str, network: str = "tls") -> dict[str, Any]:
            port = server.tls_port() if network == "tls" else server.port
            client = [go_client, "-network", network, "-address", f"127.0.0.1:{port}", "-ca", authority.path]
            client += ["-name", NAME, *flags, "lines", "PING", "IS_TLS", "TEST"]
            completed = subprocess.run(client, capture_output=True, text=True, timeout=PATIENCE, check=False)
            assert completed.stderr == ""
            answer: dict[str, Any] = json.loads(completed.stdout)
            return answer

        return ask_in_go

    def test_a_client_in_go_is_told_what_it_knows(self, ask_in_go: Ask, server: Server) -> None:
        known = ask_in_go("-alpn", "echo")
        *lines, last = known["lines"]
        assert lines == [WELCOME.decode(), "PONG\n", "true\n"]
        answer = json.loads(last)
        assert answer.pop("tls") == {
            "version": "TLS 1.3",
            "serverName": NAME,
            "negotiatedProtocol": "echo",
            "cipherSuite": "TLS_AES_128_GCM_SHA256",
        }
        ports = {"tcpport": str(server.port), "tlsport": str(server.tls_port())}
        assert answer == {**POD, **ports, "isTLS": True}
        assert (known["version"], known["suite"], known["protocol"]) == (0x304, "TLS_AES_128_GCM_SHA256", "echo")

    def test_a_client_in_go_without_tls_is_told_so(self, ask_in_go: Ask) -> None:
        *lines, last = ask_in_go(network="tcp")["lines"]
        assert lines == [WELCOME.decode(), "PONG\n", "false\n"]
        answer = json.loads(last)
        assert "tls" not in answer
        assert answer["isTLS"] is False
        assert answer["pod"].startswith("test-service-")

    def test_older_suites_have_their_names_in_go_too(self, ask_in_go: Ask) -> None:
        known = ask_in_go("-older")
        details = json.loads(known["lines"][-1])["tls"]
        assert details == {"version": "TLS 1.2", "serverName": NAME, "cipherSuite": known["suite"]}
        assert known["version"] == 0x303

    @pytest.mark.parametrize(
        "suite", ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"]
    )
    def test_s_client_is_told_the_suite_that_it_has_chosen(self, suite: str, server: Server) -> None:
        installed("openssl")
        command = ["openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{server.tls_port()}"]
        command += ["-servername", NAME, "-ciphersuites", suite]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as client:
            assert client.stdin
            assert client.stdout
            client.stdin.write(b"IS_TLS\nTEST\n")
            client.stdin.flush()
            lines = [client.stdout.readline() for _ in range(3)]
            client.kill()
        assert lines[:2] == [WELCOME, b"true\n"]
        details = json.loads(lines[2])["tls"]
        assert details == {"version": "TLS 1.3", "serverName": NAME, "cipherSuite": suite}

    def test_pythons_client_is_told_what_it_knows(self, server: Server, authority: Authority) -> None:
        context = ssl.create_default_context(cafile=authority.path)
        with (
            socket.create_connection(("127.0.0.1", server.tls_port()), PATIENCE) as plain,
            context.wrap_socket(plain, server_hostname=NAME) as client,
            client.makefile("rb") as answers,
        ):
            assert answers.readline() == WELCOME
            client.sendall(b"TEST\n")
            details = json.loads(answers.readline())["tls"]
            cipher = client.cipher()
            assert cipher
            assert details == {"version": "TLS 1.3", "serverName": NAME, "cipherSuite": cipher[0]}

    def test_who_names_no_server_is_told_of_none(self, server: Server) -> None:
        with TLSWire("127.0.0.1", server.tls_port()) as connection:
            connection.expect(WELCOME)
            assert told(connection)["tls"]["serverName"] == ""

    def test_without_a_port_for_it_nobody_is_served_there(self, start: Start) -> None:
        server = start("--profile=gateway-api")
        server.stop()
        assert b"for TLS" not in server.log.all()


class TestDatagrams:
    """UDP, and the first line by TCP on the same port."""

    @pytest.fixture
    def both(self, start: Start) -> tuple[int, Dial]:
        """Give a port that is UDP's and TCP's, and what dials it, beside one that is TCP's only."""
        port = free_port()
        start("--profile=gateway-api", f"--udp={port}", f"--listen=tcp:{port}:interface=127.0.0.1")
        return port, lambda: Wire("127.0.0.1", port)

    @pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
    def test_each_gets_json_with_what_it_was(self, host: str, start: Start) -> None:
        server = start("--profile=gateway-api", "--udp=0")
        with client_of(udp_port(server.log), host) as client:
            for sent in (
                b"gateway-api-conformance-udp-echo",
                b"",
                b"PING\n",
                b"TEST",
                b"exit",
                b'"\\\0\n',
                "中".encode(),
            ):
                assert json.loads(ask(client, sent)) == {"request": sent.decode(), **POD}

    def test_what_is_no_text_is_told_as_json_can(self, start: Start) -> None:
        server = start("--profile=gateway-api", "--udp=0")
        with client_of(udp_port(server.log)) as client:
            reply = ask(client, b"a\xff\xfe")
            assert reply.isascii()
            assert os.fsencode(json.loads(reply)["request"]) == b"a\xff\xfe"

    def test_it_is_in_the_order_of_the_original(self, start: Start) -> None:
        with client_of(udp_port(start("--profile=gateway-api", "--udp=0").log)) as client:
            assert list(json.loads(ask(client, b"hello"))) == ["request", *POD]

    def test_the_first_line_by_tcp_on_that_port_gets_the_same(self, both: tuple[int, Dial]) -> None:
        port, dial = both
        with dial() as connection:
            connection.send(b"hello\nPING\n")
            assert json.loads(connection.read_all()) == {"request": "hello\n", **POD}
        with client_of(port) as client:
            assert json.loads(ask(client, b"hello\n")) == {"request": "hello\n", **POD}

    def test_by_tcp_the_end_of_the_connection_ends_a_line_too(self, both: tuple[int, Dial]) -> None:
        _, dial = both
        for sent in (b"hello", b"PING\r\n", b"\n", b"exit"):
            with dial() as connection:
                connection.send(sent)
                connection.finish()
                assert json.loads(connection.read_all()) == {"request": sent.decode(), **POD}

    def test_who_says_nothing_by_tcp_gets_nothing(self, both: tuple[int, Dial]) -> None:
        _, dial = both
        exchange(dial, b"", b"")

    def test_other_ports_are_not_changed_by_it(self, start: Start) -> None:
        port = free_port()
        server = start("--profile=gateway-api", f"--udp={port}", f"--listen=tcp:{port}", "--tls=0")
        for dial in (server.dial(), lambda: TLSWire("127.0.0.1", server.tls_port())):
            exchange(dial, b"PING\n", WELCOME + b"PONG\n")
