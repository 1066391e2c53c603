"""The monitoring site of a real server: its responses, health checks and feed."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from echoreply.web.event_stream import MAX_STREAMS
from echoreply.web.http import HEADERS
from tests.end_to_end.conftest import Start, installed, on_linux
from tests.support import wire_contract as wire
from tests.support.processes import Server, free_port, serve_as_daemon, stop_and_count, twistd
from tests.support.tls_peers import TLSWire
from tests.support.web_clients import WEB, Viewer, get, look_and_read_nothing, viewer, web_port
from tests.support.wire_contract import PATIENCE, Wire

PATHS = ["/", "/page.css", "/page.js", "/feed.js", "/uplot.css", "/uplot.js", "/metrics", "/healthz", "/readyz"]


def stays_deaf(server: Server) -> Wire:
    """Connect, read nothing, and send until the server owes more than the kernel buffers."""
    deaf = server.dial()()
    deaf.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.socket.setblocking(False)
    try:
        while True:
            deaf.socket.send(b"x" * 60_000 + b"\n")
    except BlockingIOError:
        deaf.socket.settimeout(PATIENCE)
    return deaf


def counts_of(row: dict[str, Any]) -> tuple[int, int, int]:
    return row["messages"], row["received"], row["sent"]


class TestSite:
    def test_every_answer_forbids_what_could_make_markup_of_data(self, start: Start) -> None:
        server = start(WEB)
        for path in [*PATHS, "/events", "/nothing"]:
            for method in ("GET", "HEAD") if path != "/events" else ("HEAD",):
                response, body = get(server, path, method)
                assert response.status == (404 if path == "/nothing" else 200), path
                assert {name: response.headers[name] for name in HEADERS} == HEADERS
                assert (body == b"") == (method == "HEAD")

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "SPAM"])
    def test_it_can_only_be_looked_at(self, start_as_told: Start, method: str) -> None:
        server = start_as_told(WEB)
        for path in ("/", "/events", "/healthz", "/nothing"):
            response, body = get(server, path, method, b"x" * 300_000)
            assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD")
            assert body == b"GET and HEAD only\n"
        assert get(server, "/healthz")[0].status == 200

    def test_visits_are_not_logged(self, start_as_told: Start) -> None:
        server = start_as_told(WEB)
        get(server, "/healthz")
        stop_and_count(server)
        assert b"healthz" not in server.log.all()

    def test_it_is_served_on_a_unix_socket_too(self, start_as_told: Start, tmp_path: Path) -> None:
        path = tmp_path / "web.sock"
        server = start_as_told(f"--web=unix:{path}")
        server.log.wait_for(rb"page at unix:")
        curl = [installed("curl"), "-s", "--max-time", str(PATIENCE), "--unix-socket", str(path)]
        done = subprocess.run([*curl, "http://localhost/healthz"], capture_output=True, check=True)
        assert done.stdout == b"accepting\n"
        stop_and_count(server)
        assert not path.exists()

    def test_as_a_daemon_too(self, tmp_path: Path) -> None:
        port = free_port()

        def look() -> None:
            with Wire("127.0.0.1", port) as client:
                client.send(b"GET /healthz HTTP/1.0\r\n\r\n")
                assert client.read_all().endswith(b"\r\n\r\naccepting\n")

        serve_as_daemon(tmp_path, f"--web=tcp:{port}:interface=127.0.0.1", meanwhile=look)


class TestMistakes:
    @pytest.mark.parametrize(
        ("endpoint", "said"),
        [
            ("9101x", r"--web takes a port or a Twisted server endpoint, such as tcp:9101:.*, not '9101x'"),
            ("tcp:x", r"cannot listen on tcp:x: .+"),
            pytest.param(
                "ssl:0",
                r"cannot listen on ssl:0: ssl needs pyOpenSSL, which is not installed$",
                marks=pytest.mark.skipif(find_spec("OpenSSL") is not None, reason="pyOpenSSL is installed"),
            ),
            ("", r"--web takes a port or a Twisted server endpoint, such as tcp:9101:interface=127\.0\.0\.1, not ''"),
        ],
    )
    def test_one_line_says_what_is_wrong(self, tmp_path: Path, endpoint: str, said: str) -> None:
        done = twistd(tmp_path, "-n", "--pidfile=", "echoreply", "--port=0", f"--web={endpoint}")
        assert done.returncode == 1
        assert "Traceback" not in done.stdout + done.stderr
        assert re.search(said, (done.stdout + done.stderr).splitlines()[-1])

    @pytest.mark.parametrize("workers", [1, 2])
    def test_a_port_in_use_ends_it_with_a_line(self, tmp_path: Path, workers: int) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            web = f"tcp:{other.getsockname()[1]}:interface=127.0.0.1"
            options = ["--port=0", f"--web={web}", f"--workers={workers}"]
            done = twistd(tmp_path, "-n", "--pidfile=", "echoreply", *options)
        assert done.returncode == 1
        said = done.stdout + done.stderr
        assert said.splitlines()[-1].endswith(f"cannot listen on {web}: Address already in use")
        assert "Traceback" not in said


class TestHealth:
    @pytest.mark.parametrize("workers", [1, 2])
    def test_it_is_healthy_until_it_drains(self, start: Start, workers: int) -> None:
        server = start(WEB, "--drain=60", f"--workers={workers}")
        with stays_deaf(server) as deaf:
            assert [get(server, path)[0].status for path in ("/healthz", "/readyz")] == [200, 200]
            with viewer(server) as page:
                server.process.send_signal(signal.SIGTERM)
                page.wait_until(lambda page: page.last["server_state"] == "draining")
                for path in ("/healthz", "/readyz"):
                    response, body = get(server, path)
                    assert (response.status, body) == (503, b"draining\n")
                deaf.socket.close()
                assert page.has_ended()
        assert server.process.wait(PATIENCE) == -signal.SIGTERM

    @pytest.mark.parametrize("workers", [1, 2])
    def test_who_has_no_room_is_healthy_but_not_ready(self, start: Start, workers: int) -> None:
        server = start(WEB, "--max-connections=1", f"--workers={workers}")
        with server.dial()() as only:
            only.send(b"a\n")
            only.expect(b"server reply:a\n")
            assert [get(server, path)[0].status for path in ("/healthz", "/readyz")] == [200, 503]
            assert get(server, "/readyz")[1] == b"full\n"


class TestFeed:
    @pytest.mark.parametrize("workers", [1, 2])
    def test_it_tells_of_connections_while_they_are_there(self, start: Start, workers: int) -> None:
        server = start(WEB, "--tls=0", f"--workers={workers}")
        with viewer(server) as page:
            assert page.state["server"]["workers"] == workers
            with server.dial()() as plain, TLSWire("127.0.0.1", server.tls_port()) as secure:
                for client in (plain, secure):
                    client.send(b"a\nb\n")
                    client.expect(b"server reply:a\nserver reply:b\n")
                page.wait_until(lambda page: [counts_of(row) for row in page.rows.values()] == [(2, 4, 30)] * 2)
                rows = {row["transport"]: row for row in page.rows.values()}
                assert rows["tcp"]["client"] == f"127.0.0.1:{plain.socket.getsockname()[1]}"
                assert rows["tcp"]["server"] == f"127.0.0.1:{server.port}"
                assert re.fullmatch(r"TLSv1\.3 TLS_\w+", rows["tls"]["tls"])
                plain.send(b"c\n")
                page.wait_until(lambda page: page.rows[rows["tcp"]["id"]]["messages"] == 3)
            page.wait_until(lambda page: not page.rows)
            page.wait_until(lambda page: page.last["totals"]["ended"] == 2)
            totals = page.last["totals"]
            assert (totals["accepted"], totals["messages"], totals["received"], totals["sent"]) == (2, 5, 10, 75)
        stop_and_count(server)

    @on_linux
    def test_the_rows_of_a_worker_that_dies_go_with_it(self, start_as_told: Start) -> None:
        server = start_as_told(WEB, "--workers=2")
        with viewer(server) as page, ExitStack() as stack:
            for _ in range(20):
                stack.enter_context(server.dial()())
            page.wait_until(lambda page: len(page.rows) == 20)
            pids = [int(server.log.wait_for(rb"worker \d started, process (\d+)", n)[1]) for n in (1, 2)]
            first = sum(name.startswith("1.") for name in page.rows)
            os.kill(pids[0], signal.SIGKILL)
            page.wait_until(lambda page: page.last["totals"]["ended"] == first)
            page.wait_until(lambda page: len(page.rows) == 20 - first)
            assert page.last["endings"] == ({"worker": first} if first else {})

    def test_who_does_not_read_harms_nobody(self, start: Start) -> None:
        server = start(WEB)
        with ExitStack() as stack:
            deaf = [stack.enter_context(look_and_read_nothing(web_port(server.log))) for _ in range(20)]
            for connection in [server.dial()() for _ in range(300)]:
                stack.enter_context(connection)
            page = stack.enter_context(viewer(server))
            page.wait_until(lambda page: len(page.rows) == 300)
            for _ in range(3):
                page.follow()
            wire.exchange(server.dial(), b"a\n", b"server reply:a\n")
            assert all(connection.recv(1) for connection in deaf)
        stop_and_count(server)

    def test_too_many_viewers_are_told_so(self, start_as_told: Start) -> None:
        server = start_as_told(WEB)
        port = web_port(server.log)
        with ExitStack() as stack:
            for _ in range(MAX_STREAMS):
                stack.callback(Viewer(port).close)
            response, body = get(server, "/events")
            assert (response.status, body) == (503, b"too many viewers\n")

    def test_ten_viewers_are_told_the_same(self, start_as_told: Start) -> None:
        server = start_as_told(WEB)
        port = web_port(server.log)
        with ExitStack() as stack, ThreadPoolExecutor(10) as pool:
            pages = [Viewer(port) for _ in range(10)]
            for page in pages:
                stack.callback(page.close)
            connections = [stack.enter_context(server.dial()()) for _ in range(50)]
            for connection in connections:
                connection.send(b"a\n")
            done = partial(Viewer.wait_until, condition=lambda page: page.last["totals"]["messages"] == 50)
            list(pool.map(done, pages))
            assert all(len(page.rows) == 50 for page in pages)
