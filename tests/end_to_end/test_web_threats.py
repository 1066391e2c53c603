"""Attacks on the monitoring site: hostile requests, floods and slow readers harm neither it nor the server."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from echoreply.net.file_limits import MAX_WEB_CONNECTIONS
from tests.end_to_end.conftest import Start, on_linux
from tests.support import wire_contract as wire
from tests.support.processes import LONG_PREFIX, Server, client_that_does_not_read, stop_and_count
from tests.support.web_clients import WEB, Viewer, get, look_and_read_nothing, viewer, web_port
from tests.support.wire_contract import PATIENCE, Wire

HOST = b"HTTP/1.1\r\nHost: a\r\n"
CHUNKED = b"POST / " + HOST + b"Transfer-Encoding: chunked\r\n\r\n"

REQUESTS = {
    "half a header": b"GET / HTTP/1.1\r\nHo",
    "an enormous header": b"GET / HTTP/1.1\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
    "headers without end": b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 100_000,
    "continued without end": b"GET / HTTP/1.1\r\nX: a\r\n" + b" b\r\n" * 100_000,
    "a line without end": b"x" * 1_000_000,
    "empty lines without end": b"\r\n" * 100_000,
    "chunks without end": CHUNKED + (b"ffff\r\n" + b"x" * 65535 + b"\r\n") * 30,
    "a chunk of no length": CHUNKED + b"zz\r\n",
    "a chunk's extension without end": CHUNKED + b"1;" + b"x" * 200_000,
    "trailers without end": CHUNKED + b"0\r\n" + b"X: y\r\n" * 100_000,
    "two ways to tell a length": CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
    "a length below 0": b"POST / " + HOST + b"Content-Length: -5\r\n\r\n",
    "a length of many digits": b"GET / " + HOST + b"Content-Length: " + b"9" * 10_000 + b"\r\n\r\n",
    "a length of many digits, and more": b"GET / " + HOST + b"Content-Length: " + b"9" * 10_000 + b"\r\nX: y\r\n\r\n",
    "an enormous body": b"GET / " + HOST + b"Content-Length: 999999999999\r\n\r\n" + b"x" * 1_000_000,
    "a form that is none": b"POST / " + HOST + b"Content-Type: multipart/form-data\r\nContent-Length: 1\r\n\r\nx",
    "pipelined": (b"GET /metrics " + HOST + b"\r\n") * 3000,
    "HTTP/0.9": b"GET /healthz\r\n\r\n",
    "HTTP/2's preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
    "another version": b"GET /healthz HTTP/9.9\r\n\r\n",
    "a ClientHello": bytes.fromhex("16030100f1010000ed0303") + bytes(range(234)),
    "noise": bytes(range(256)) * 20,
    "noise, in a request": b"\xff\xfe /\xff%ff%zz?%ff=;&& HTTP/1.1\r\n\r\n",
    "a path that is no text": b"GET /%ff%00%zz " + HOST + b"\r\n",
    "no path": b"GET  HTTP/1.1\r\n\r\n",
    "a header that is none": b"GET / HTTP/1.1\r\nX\0 y\r\n\r\n",
}
"""Requests that cannot be answered."""

ANSWERED = {
    b"GET /healthz HTTP/1.0\r\n\r\n": 200,
    b"GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n": 200,
    b"GET / " + HOST + b"Range: bytes=0-1,5-2,-7\r\n\r\n": 200,
    b"GET / " + HOST + b"If-Modified-Since: \xff\r\nCookie: ;;=\xff; =b\r\nAuthorization: Basic \xff\r\n\r\n": 200,
    b"GET / " + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n": 200,
    b"GET /?" + b"a=b&" * 3000 + b" " + HOST + b"\r\n": 200,
    b"GET // " + HOST + b"\r\n": 404,
    b"GET //somewhere/else " + HOST + b"\r\n": 404,
    b"GET /healthz/ " + HOST + b"\r\n": 404,
    b"GET /%2e%2e/%2e%2e/etc/passwd " + HOST + b"\r\n": 404,
    b"GET /../../etc/passwd " + HOST + b"\r\n": 404,
    b"GET http://somewhere/else " + HOST + b"\r\n": 404,
    b"GET /<script>alert(1)</script> " + HOST + b"\r\n": 404,
    b"CONNECT somewhere:80 " + HOST + b"\r\n": 405,
    b"OPTIONS * " + HOST + b"\r\n": 405,
    **{
        b"GET /metrics " + HOST + b"Accept: " + accept + b"\r\n\r\n": 200
        for accept in (
            b"\xff\xfe",
            b"application/openmetrics-text;version=9.9.9;escaping=\xc3\xa4",
            b"application/openmetrics-text;q=x," * 400,
            b";;,,q=\0".replace(b"\0", b""),
        )
    },
}
"""Unusual requests that are answered, with the status of the response."""


def dial(server: Server) -> Wire:
    """Connect to a server's site."""
    return Wire("127.0.0.1", web_port(server.log))


def is_answered(server: Server) -> None:
    """Check that the server answers a message."""
    wire.exchange(server.dial(), b"hello\n", b"server reply:hello\n")


@contextmanager
def watched(server: Server, count: int = 10) -> Iterator[list[Viewer]]:
    """Yield a number of viewers."""
    with ExitStack() as stack:
        yield [stack.enter_context(viewer(server)) for _ in range(count)]


class TestRequests:
    @pytest.mark.parametrize("workers", [1, 2])
    def test_nothing_that_is_sent_is_a_fault(self, start: Start, workers: int) -> None:
        server = start(WEB, f"--workers={workers}")
        for request in REQUESTS.values():
            with dial(server) as client, suppress(OSError):
                client.send(request)
                client.finish()
                assert re.match(rb"HTTP/1\.1 (200|400|404|405) |$", client.read_all())
            with dial(server) as client, suppress(OSError):
                client.send(request)
                client.reset()
        is_answered(server)
        assert get(server, "/healthz")[0].status == 200
        stop_and_count(server)

    def test_what_can_be_answered_is_and_there_the_connection_ends(self, start: Start) -> None:
        server = start(WEB)
        for request, status in ANSWERED.items():
            with dial(server) as client:
                client.send(request)
                client.finish()
                answer = client.read_all()
                assert int(answer[9:12]) == status, request
                assert b"\r\nContent-Security-Policy: default-src 'none'; " in answer
        stop_and_count(server)

    def test_metrics_are_never_older_than_what_a_client_knows(self, start: Start) -> None:
        server = start(WEB)
        with server.dial()() as client:
            for count in range(1, 301):
                client.send(b"a\n")
                client.expect(b"server reply:a\n")
                assert re.search(
                    rb"\nechoreply_messages_answered_total{[^}]+} %d\.0\n" % count, get(server, "/metrics")[1]
                )


class TestViewers:
    @on_linux
    def test_hundreds_who_come_and_go_leave_nothing_behind(self, start: Start) -> None:
        server = start(WEB)
        port = web_port(server.log)
        with viewer(server) as page:
            before = len(os.listdir(f"/proc/{server.process.pid}/fd"))
            for leave in (Wire.finish, Wire.reset, lambda _: None):
                for _ in range(3):
                    with ExitStack() as stack:
                        for _ in range(MAX_WEB_CONNECTIONS):
                            client = stack.enter_context(Wire("127.0.0.1", port))
                            with suppress(OSError):
                                client.send(b"GET /events HTTP/1.1\r\n\r\n" + b"GET / HTTP/1.1\r\n\r\n" * 1000)
                                leave(client)
            page.wait_until(lambda _: len(os.listdir(f"/proc/{server.process.pid}/fd")) <= before)
            is_answered(server)
        stop_and_count(server)

    @on_linux
    def test_a_viewer_that_vanishes_will_be_noticed(self, start: Start) -> None:
        server = start(WEB)
        with dial(server) as client:
            ports = web_port(server.log), client.socket.getsockname()[1]
            row = rf":{ports[0]:04X} \S+:{ports[1]:04X} 01 \S+ (\d\d):"
            found = re.search(row, Path("/proc/net/tcp").read_text())
            # 2 is the timer for keep-alive.
            assert found
            assert found[1] == "02"

    @on_linux
    @pytest.mark.usefixtures("many_descriptors")
    def test_those_who_look_take_no_descriptor_from_clients_nor_clients_from_them(self, start: Start) -> None:
        server = start(
            WEB, "--log-messages=0", inside=["bash", "-c", 'ulimit -Sn 500 && ulimit -Hn 500 && exec "$@"', "-"]
        )
        allowed = int(server.log.wait_for(rb"connections allowed: (\d+)")[1])
        with ExitStack() as stack:
            idle = [stack.enter_context(dial(server)) for _ in range(600)]
            clients = [stack.enter_context(server.dial()()) for _ in range(allowed)]
            for client in clients:
                client.send(b"hello\n")
            for client in clients:
                client.expect(b"server reply:hello\n")
            for client in idle:
                client.socket.close()
            stack.enter_context(viewer(server)).wait_until(lambda page: len(page.rows) == allowed)
            assert get(server, "/readyz")[1] == b"full\n"
        stop_and_count(server)


class TestRaces:
    @pytest.mark.parametrize("workers", [1, 2])
    def test_thousands_that_come_and_go_are_told_rightly_whenever_one_begins_to_look(
        self, start: Start, workers: int
    ) -> None:
        server = start(WEB, "--log-messages=0", "--tls=0", f"--workers={workers}")
        enough = threading.Event()

        def come_and_go() -> int:
            count = 0
            while not enough.is_set():
                with ExitStack() as stack:
                    for _ in range(20):
                        client = stack.enter_context(server.dial()())
                        client.send(b"a\n")
                        client.expect(b"server reply:a\n")
                        count += 1
            return count

        def look() -> None:
            for _ in range(4):
                with viewer(server) as page:
                    for _ in range(2):
                        page.follow()

        with viewer(server) as page, ThreadPoolExecutor() as pool:
            clients = [pool.submit(come_and_go) for _ in range(2)]
            looking = [pool.submit(look) for _ in range(3)]
            try:
                for each in looking:
                    each.result(PATIENCE)
            finally:
                enough.set()
            count = sum(client.result(PATIENCE) for client in clients)
            page.wait_until(lambda page: page.last["totals"]["ended"] == count)
            page.wait_until(lambda page: not page.rows)
            assert page.last["listed"] == page.last["totals"]["open"] == 0
        assert stop_and_count(server)["accepted"] == count

    def test_a_server_that_is_full_and_then_is_not_is_told(self, start: Start) -> None:
        server = start(WEB, "--max-connections=3")
        with watched(server) as pages:
            for times in (1, 2):
                with ExitStack() as stack:
                    for client in [stack.enter_context(server.dial()()) for _ in range(3)]:
                        client.send(b"a\n")
                        client.expect(b"server reply:a\n")
                    with server.dial()() as late:
                        assert late.read_all() == b"server error: too many connections\n"
                    for page in pages:
                        page.wait_until(lambda page: page.last["server_state"] == "full" and len(page.rows) == 3)
                        page.wait_until(lambda page: page.last["refusals"] == {"too_many": times})  # noqa: B023
                for page in pages:
                    page.wait_until(lambda page: page.last["server_state"] == "accepting" and not page.rows)
        stop_and_count(server)

    @on_linux
    def test_ten_see_a_worker_die(self, start: Start) -> None:
        server = start(WEB, "--workers=2")
        with watched(server) as pages, ExitStack() as stack, ThreadPoolExecutor(10) as pool:
            for _ in range(20):
                stack.enter_context(server.dial()())
            pages[0].wait_until(lambda page: len(page.rows) == 20)
            first = sum(name.startswith("1.") for name in pages[0].rows)
            os.kill(int(server.log.wait_for(rb"worker 1 started, process (\d+)")[1]), signal.SIGKILL)

            def is_right(page: Viewer) -> bool:
                return page.last["totals"]["ended"] == first and len(page.rows) == 20 - first

            list(pool.map(partial(Viewer.wait_until, condition=is_right), pages))
        stop_and_count(server)


class TestStop:
    @pytest.mark.parametrize("workers", [1, 2])
    def test_nobody_who_looks_is_waited_for(self, start: Start, workers: int) -> None:
        server = start(WEB, "--drain=600", f"--workers={workers}")
        with watched(server) as pages, ExitStack() as stack:
            deaf = [stack.enter_context(look_and_read_nothing(web_port(server.log))) for _ in range(3)]
            stack.enter_context(dial(server)).send(b"GET / HTTP/1.1\r\nX:")
            assert all(client.recv(1) for client in deaf)
            server.process.send_signal(signal.SIGTERM)
            assert all(page.has_ended() for page in pages)
            assert server.process.wait(PATIENCE) == -signal.SIGTERM
        assert b"Traceback" not in server.log.all()

    @pytest.mark.parametrize("workers", [1, 2])
    def test_a_second_signal_ends_it_while_ten_look(self, start: Start, workers: int) -> None:
        server = start(WEB, "--drain=600", LONG_PREFIX, f"--workers={workers}")
        with watched(server) as pages, client_that_does_not_read(server):
            server.process.send_signal(signal.SIGTERM)
            for page in pages:
                page.wait_until(lambda page: page.last["server_state"] == "draining")
            server.process.send_signal(signal.SIGTERM)
            assert all(page.has_ended() for page in pages)
            assert server.process.wait(PATIENCE) == -signal.SIGTERM
        assert b"Traceback" not in server.log.all()


class TestPlaces:
    @pytest.mark.parametrize("kind", ["INET", "UNIX"])
    def test_it_takes_a_socket_of_its_own_that_systemd_passes(self, start: Start, kind: str, tmp_path: Path) -> None:
        path = tmp_path / "web.sock"
        with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as stack:
            if kind == "UNIX":
                web = stack.enter_context(socket.socket(socket.AF_UNIX))
                web.bind(str(path))
                web.listen()
            else:
                web = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            server = start(f"--web=systemd:domain={kind}:index=1", listener=listener, web=web)
            is_answered(server)
            server.log.wait_for(b"page at ")
            with socket.socket(web.family) as client:
                client.settimeout(PATIENCE)
                client.connect(web.getsockname())
                client.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
                assert client.makefile("rb").read().endswith(b"\r\n\r\naccepting\n")
            stop_and_count(server)
            # It is systemd's, for whoever is started next.
            assert path.exists() == (kind == "UNIX")

    @on_linux
    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
    def test_as_root_it_has_a_unix_socket_and_becomes_somebody_else(self, start: Start, tmp_path: Path) -> None:
        path = tmp_path / "web.sock"
        become = ("--uid=65534", "--gid=65534")
        server = start(f"--web=unix:{path}:mode=600", twistd_options=become)
        server.log.wait_for(b"page at ")
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PATIENCE)
            client.connect(str(path))
            client.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            assert client.makefile("rb").read().endswith(b"\r\n\r\naccepting\n")
        stop_and_count(server)
