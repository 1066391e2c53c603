"""The metrics of real servers, read by Prometheus's own programs."""

from __future__ import annotations

import os
import re
import signal
import socket
from collections import Counter
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from urllib.request import Request, urlopen

from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from tests.end_to_end.conftest import Start, on_linux
from tests.support.processes import Server, stop_and_count
from tests.support.prometheus_process import Prometheus, promtool
from tests.support.sample_metrics import OPENMETRICS, labels_of, served
from tests.support.tls_peers import TLSWire
from tests.support.web_clients import WEB, web_port
from tests.support.wire_contract import PATIENCE, PREFIX, Dial, Wire, exchange


def scrape(server: Server, accept: str = "") -> bytes:
    url = f"http://127.0.0.1:{web_port(server.log)}/metrics"
    with urlopen(Request(url, headers={"Accept": accept}), timeout=PATIENCE) as answer:
        assert answer.headers["Content-Type"].startswith(accept.split(";")[0] or "text/plain; version=0.0.4")
        text: bytes = answer.read()
        return text


def find_no_fault(server: Server) -> None:
    assert promtool("check", "metrics", given=scrape(server)) == (0, "")
    served_now = labels_of(parse_openmetrics(scrape(server, OPENMETRICS).decode()))
    assert served_now.keys() <= labels_of(served()).keys()


def visit(server: Server) -> None:
    """Send a message over TCP, and one over TLS."""
    exchange(server.dial(), b"hello\n", PREFIX + b"hello\n")
    exchange(partial(TLSWire, "127.0.0.1", server.tls_port()), b"hello\n", PREFIX + b"hello\n")


def test_promtool_finds_no_fault_with_one_process_and_every_way_in(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "a socket"
    listening = (f"--listen=unix:{path}", "--listen=haproxy:tcp:0", "--trust-proxy=127.0.0.0/8")
    server = start("--tls=0", "--udp=0", *listening, WEB)
    visit(server)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(b"hello\n")
        assert client.recv(100) == PREFIX + b"hello\n"
        find_no_fault(server)
    server.log.wait_for(rb"listening on \S+ for UDP\n")
    answered = re.findall(rb'echoreply_messages_answered_total\{.*transport="(\w+)"\} 1.0\n', scrape(server))
    assert sorted(answered) == [b"tcp", b"tls", b"unix"]


def test_promtool_finds_no_fault_with_workers(start: Start) -> None:
    server = start("--workers=2", "--tls=0", WEB)
    visit(server)
    find_no_fault(server)
    lag = re.findall(rb'echoreply_event_loop_lag_seconds_count\{worker="(\w+)"\}', scrape(server))
    assert lag == [b"supervisor", b"1", b"2"]


COUNTERS = {
    "connections": "echoreply_connections_accepted_total",
    "messages": "echoreply_messages_answered_total",
    "received": "echoreply_received_bytes_total",
    "sent": "echoreply_sent_bytes_total",
}


class Client:
    """Sends messages, and checks the replies."""

    def __init__(self, connection: Wire, counts: Counter[str]) -> None:
        self.connection = connection
        self._counts = counts
        counts["connections"] += 1

    def converse(self, messages: int) -> bool:
        """Send a number of messages; return whether they were answered. If not, the connection is lost."""
        lines = b"".join(b"%d\n" % (10**n) for n in range(messages))
        replies = b"".join(PREFIX + line for line in lines.splitlines(keepends=True))
        try:
            self.connection.send(lines)
            received = self.connection.read(len(replies))
        except OSError:
            received = b""
        if not received:
            return False
        assert received == replies
        self._counts.update(messages=messages, received=len(lines), sent=len(replies))
        return True


@on_linux
def test_the_sums_over_four_workers_that_prometheus_has_are_what_clients_have_sent(start_as_told: Start) -> None:
    server = start_as_told("--workers=4", "--tls=0", WEB)
    dials: dict[str, Dial] = {"tcp": server.dial(), "tls": partial(TLSWire, "127.0.0.1", server.tls_port())}
    counts: dict[str, Counter[str]] = {"tcp": Counter(), "tls": Counter()}

    with Prometheus(web_port(server.log)) as prometheus, ExitStack() as stack:

        def connect(transport: str) -> Client:
            return Client(stack.enter_context(dials[transport]()), counts[transport])

        def wait_for_sums() -> None:
            for what, name in COUNTERS.items():
                expected = {transport: count[what] for transport, count in counts.items()}
                prometheus.wait_for(f"sum by (transport) ({name})", expected)
            messages = sum(count["messages"] for count in counts.values())
            prometheus.wait_for("sum(echoreply_reply_service_seconds_count)", messages)
            prometheus.wait_for('sum(echoreply_reply_service_seconds_bucket{le="+Inf"})', messages)

        clients = [connect("tcp") for _ in range(40)] + [connect("tls") for _ in range(20)]
        for number, client in enumerate(clients):
            assert client.converse(1 + number)
        wait_for_sums()

        pid = int(server.log.wait_for(rb"worker 1 started, process (\d+)\n")[1])
        os.kill(pid, signal.SIGKILL)
        server.log.wait_for(rb"worker 1 was killed by SIGKILL, and is started again\n")
        left = [client for client in clients if client.converse(3)]
        lost = len(clients) - len(left)
        assert 0 < lost < len(clients)
        left += [connect("tcp") for _ in range(10)] + [connect("tls") for _ in range(10)]
        for client in left:
            assert client.converse(50)
        gone, stay = left[:20], left[20:]
        for client in gone:
            client.connection.finish()
            client.connection.expect_end()

        wait_for_sums()
        prometheus.wait_for("sum(echoreply_connections_open)", len(stay))
        expected = {"client": len(gone), "worker": lost}
        prometheus.wait_for("sum by (reason) (echoreply_connections_ended_total) > 0", expected)
        # Prometheus has seen none go down, though one of those who count was killed.
        for name in COUNTERS.values():
            prometheus.wait_for(f"sum(resets({name}[1h]))", 0)
        prometheus.wait_for("sum by (worker) (changes(process_start_time_seconds[1h])) > 0", {"1": 1})
        prometheus.wait_for('count by (alertname) (ALERTS{alertstate="firing"})', {"EchoreplyWorkerDied": 1})
    assert stop_and_count(server)["messages"] == sum(count["messages"] for count in counts.values())


@on_linux
def test_prometheus_takes_all_that_one_process_gives(start: Start) -> None:
    server = start("--tls=0", "--udp=0", WEB)
    visit(server)
    with Prometheus(web_port(server.log)) as prometheus:
        prometheus.wait_for("sum(up)", 1)
        given = {
            sample.name
            for metric in parse_openmetrics(scrape(server, OPENMETRICS).decode())
            for sample in metric.samples
        }
        assert given <= set(prometheus.ask("label/__name__/values"))
        prometheus.wait_for("sum(echoreply_messages_answered_total)", 2)
