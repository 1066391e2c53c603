"""C{twistd echoreply --listen ssl:...}, on each engine."""

from __future__ import annotations

import re
import select
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Start, on_linux
from tests.support import wire_contract as wire
from tests.support.processes import LONG_PREFIX, Server, stop_while_it_answers, twistd
from tests.support.tls_peers import TLSWire, client_context, make_certificate
from tests.support.wire_contract import PATIENCE, Case, Dial

StartTLS = Callable[..., tuple[Server, Callable[..., TLSWire]]]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def serve(start: Start, certificate: tuple[str, str]) -> StartTLS:
    """Give a function that starts a server which speaks TLS, and gives it and what dials it."""

    def serve(*options: str) -> tuple[Server, Callable[..., TLSWire]]:
        server = start(*options, listen=f"ssl:0:certKey={certificate[0]}:privateKey={certificate[1]}")
        return server, partial(TLSWire, "127.0.0.1", server.port)

    return serve


def no_traceback(server: Server) -> bytes:
    assert server.stop() == -signal.SIGTERM
    log = server.log.all()
    assert b"Traceback" not in log
    assert b"Unhandled" not in log
    return log


def test_the_contract_holds(serve: StartTLS) -> None:
    server, dial = serve("--log-messages=10", f"--pause={wire.PAUSE}")
    for case in wire.CASES:
        run(case, dial)
    log = no_traceback(server)
    last = re.search(rb"stopped: accepted (\d+), open 0, ended (\d+) ", log)
    assert last
    assert int(last[1]) == int(last[2]) >= len(wire.CASES)


def run(case: Case, dial: Dial) -> None:
    try:
        case(dial)
    except Exception as error:
        error.add_note(f"in {case.__name__}")
        raise


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda v: v.name)
def test_pythons_client_is_served_and_told_goodbye(version: ssl.TLSVersion, serve: StartTLS) -> None:
    server, _ = serve()
    context = client_context()
    context.minimum_version = context.maximum_version = version
    # With this, an end without a close_notify is an error.
    with (
        socket.create_connection(("127.0.0.1", server.port), PATIENCE) as plain,
        context.wrap_socket(plain, suppress_ragged_eofs=False) as client,
    ):
        client.sendall(b"hello\nquit\nignored\n")
        received = b""
        while more := client.recv(100):
            received += more
        assert received == b"server reply:hello\n"
        client.unwrap()
    server.log.wait_for(rb" ended: close word received; messages 1")
    no_traceback(server)


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl")
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_s_client_is_served(version: str, serve: StartTLS) -> None:
    server, _ = serve()
    client = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-quiet", version],
        input=b"hello\nexit\n",
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert client.stdout == b"server reply:hello\n"
    server.log.wait_for(rb" ended: close word received; messages 1")


def test_what_has_arrived_is_answered_when_the_server_stops(serve: StartTLS) -> None:
    server, dial = serve("--log-messages=1", "--drain=60")
    stop_while_it_answers(server, dial)


def test_what_waits_in_the_kernel_has_arrived(serve: StartTLS) -> None:
    server, dial = serve("--drain=60")
    with dial() as connection:
        connection.send(b"a\n")
        connection.expect(b"server reply:a\n")
        server.pause()
        for sent in (b"b\n", b"c\n", b"hal"):
            connection.send(sent)
        server.process.send_signal(signal.SIGTERM)
        server.resume()
        connection.expect(b"server reply:b\nserver reply:c\n")
        connection.expect_end()
    assert server.process.wait(PATIENCE) == -signal.SIGTERM


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01\x02"], ids=["silent", "begun"])
def test_a_handshake_that_goes_nowhere_does_not_hold_up_the_end(sent: bytes, serve: StartTLS) -> None:
    server, dial = serve("--drain=600")
    with server.dial()() as connection, dial() as silent:
        server.log.wait_for(rb" connected\n", count=2)
        server.pause()
        connection.send(sent)
        server.process.send_signal(signal.SIGTERM)
        server.resume()
        silent.expect_end()
        connection.expect_end()
    assert server.process.wait(PATIENCE) == -signal.SIGTERM


def test_one_too_many_is_told_so(serve: StartTLS) -> None:
    server, dial = serve("--max-connections=1")
    with dial() as first:
        first.send(b"hello\n")
        first.expect(b"server reply:hello\n")
        with dial() as second:
            assert second.read_all() == b"server error: too many connections\n"
        first.send(b"again\n")
        first.expect(b"server reply:again\n")
    server.log.wait_for(rb"refused: too many connections\n")


def test_one_too_many_that_never_shakes_hands_is_let_go(serve: StartTLS) -> None:
    server, dial = serve("--max-connections=1")
    with dial() as first:
        first.send(b"hello\n")
        first.expect(b"server reply:hello\n")
        with server.dial()() as silent, pytest.raises(ConnectionResetError):
            silent.read_all()


@pytest.mark.parametrize(
    ("sent", "why"),
    [(b"GET / HTTP/1.0\r\n\r\n", b"http request"), (b"hello\nhello\n", b"wrong version number")],
    ids=["http", "garbage"],
)
def test_who_speaks_no_tls_is_report_start_errors_and_harms_nobody(sent: bytes, why: bytes, serve: StartTLS) -> None:
    server, dial = serve()
    with dial() as other:
        with server.dial()() as connection:
            connection.send(sent)
            connection.read_all()
        server.log.wait_for(rb"127\.0\.0\.1:\d+ TLS failed: " + why + rb"\n")
        server.log.wait_for(rb" ended: connection reset or lost; messages 0")
        other.send(b"hello\n")
        other.expect(b"server reply:hello\n")
    no_traceback(server)


def test_a_bad_record_ends_its_connection_only(serve: StartTLS) -> None:
    server, dial = serve()
    with dial() as other, dial() as connection:
        connection.send(b"hello\n")
        connection.expect(b"server reply:hello\n")
        connection.socket.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
        with pytest.raises(ssl.SSLError):
            connection.read_all()
        server.log.wait_for(rb" TLS failed: decryption failed or bad record mac\n")
        other.send(b"hello\n")
        other.expect(b"server reply:hello\n")
    no_traceback(server)


def test_a_flood_of_failures_is_counted(serve: StartTLS) -> None:
    server, _ = serve()
    for _ in range(30):
        with server.dial()() as connection:
            connection.send(b"hello\n")
            connection.read_all()
    server.log.wait_for(rb"failures not logged: \d+\n")


def test_an_end_without_a_goodbye_is_told(serve: StartTLS) -> None:
    server, dial = serve()
    with dial() as connection:
        connection.send(b"hello\nunfinished")
        connection.expect(b"server reply:hello\n")
        connection.socket.shutdown(socket.SHUT_WR)
        while connection.socket.recv(100):
            pass
    server.log.wait_for(rb" TLS failed: closed without a close_notify\n")
    server.log.wait_for(rb" ended: connection reset or lost; messages 1,")


def test_who_only_looks_whether_somebody_listens_is_no_failure(serve: StartTLS) -> None:
    server, _ = serve()
    server.dial()().socket.close()
    server.log.wait_for(rb" ended: closed by the client; messages 0")
    assert b"TLS failed" not in no_traceback(server)


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01\x02"], ids=["silent", "begun"])
def test_who_does_not_finish_the_handshake_is_idle(sent: bytes, serve: StartTLS) -> None:
    server, _ = serve("--idle-timeout=0.5")
    with server.dial()() as connection:
        connection.send(sent)
        assert connection.read_all() == b""
    server.log.wait_for(rb" ended: idle for 0\.5 s; messages 0")


def test_who_does_not_take_its_replies_is_aborted(serve: StartTLS) -> None:
    server, dial = serve("--idle-timeout=0.5", LONG_PREFIX)
    with dial(receive_buffer=4096) as connection:
        connection.send(b"x\n" * 1000)
        connection.expect(b"p")
        server.log.wait_for(rb"ended: idle for 0\.5 s; ")
        with pytest.raises(ConnectionResetError):
            connection.read_all()


def test_a_client_that_does_not_read_is_aborted_in_the_end(serve: StartTLS) -> None:
    server, dial = serve("--drain=0.1", LONG_PREFIX)
    with dial(receive_buffer=4096) as connection:
        connection.send(b"x\n" * 1000)
        connection.expect(b"p")
        assert server.stop() == -signal.SIGTERM
        server.log.wait_for(b"ended: aborted: drain timeout")


@on_linux
@pytest.mark.usefixtures("many_descriptors")
@pytest.mark.parametrize("message", [b"\n", b"x" * 65536 + b"\n"], ids=["empty", "longest"])
def test_a_thousand_clients_that_never_read_cost_little_and_hold_up_nobody(message: bytes, serve: StartTLS) -> None:
    server, dial = serve("--log-messages=0")
    wire.half_close_is_answered(dial)
    before = server.resident()
    data = message * (100_000 // len(message) + 1)
    with ExitStack() as stack:
        poll = stack.enter_context(select.epoll())
        clients = {}
        context = client_context()
        for _ in range(1000):
            client = dial(context=context)
            stack.enter_context(client)
            client.socket.setblocking(False)
            clients[client.socket.fileno()] = client, client.session.send(data)
            poll.register(client.socket, select.EPOLLOUT)
        while events := poll.poll(0.5):
            for descriptor, _ in events:
                client, encrypted = clients[descriptor]
                sent = client.socket.send(encrypted)
                clients[descriptor] = client, encrypted[sent:] or client.session.send(data)
        wire.half_close_is_answered(dial)
        cost = server.resident() - before
        assert cost < 150_000


class TestMistakes:
    @pytest.mark.parametrize(
        ("description", "why"),
        [
            ("ssl:0:privateKey={key}:certKey=/none.pem", "/none.pem: No such file or directory"),
            (
                "ssl:0:privateKey={other}:certKey={certificate}",
                "{other} is not the key of the certificate in {certificate}",
            ),
            (
                "ssl:0:privateKey={certificate}:certKey={key}",
                "{key} and {certificate} hold no certificate and its key in PEM",
            ),
            ("ssl:http:privateKey={key}:certKey={certificate}", "ssl takes one port, 0 to 65535, not 'http'"),
            ("ssl:0:1:privateKey={key}:certKey={certificate}", "ssl takes one port, 0 to 65535, not '0:1'"),
            ("ssl:0:privateKey={key}:certKey={certificate}:interface=lo", "lo is no IP address"),
            (
                "ssl:0:privateKey={key}:certKey={certificate}:cert=x",
                "ssl takes no cert, but privateKey, certKey, extraCertChain and interface",
            ),
        ],
    )  # fmt: skip
    def test_they_get_a_line(self, description: str, why: str, certificate: tuple[str, str], tmp_path: Path) -> None:
        names = {"certificate": certificate[0], "key": certificate[1], "other": make_certificate(tmp_path)[1]}
        where = description.format(**names)
        result = twistd(tmp_path, "-n", "echoreply", "--listen", where)
        said = result.stdout + result.stderr
        assert result.returncode == 1
        assert f"cannot listen on {where}: {why.format(**names)}\n" in said
        assert "Traceback" not in said


def test_a_chain_is_sent_with_the_certificate(start: Start, certificate: tuple[str, str], tmp_path: Path) -> None:
    chain = make_certificate(tmp_path, "chain")[0]
    server = start(listen=f"ssl:0:certKey={certificate[0]}:privateKey={certificate[1]}:extraCertChain={chain}")
    shown = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-showcerts"],
        input=b"",
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert shown.stdout.count(b"BEGIN CERTIFICATE") >= 2
