"""HAProxy in front of several servers, with the configuration that is shipped."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Start, installed, on_linux
from tests.support import wire_contract as wire
from tests.support.crowd import Crowd, Talk
from tests.support.haproxy_process import SHIPPED, SHIPPED_ADDRESSES, HAProxy
from tests.support.namespaces import Namespaces, Network, network
from tests.support.processes import Server, free_port, stop_and_count
from tests.support.tls_peers import TLSWire, make_certificate
from tests.support.wire_contract import PATIENCE, Dial, Wire

pytestmark = on_linux

NODES = {"n1": "auto", "n2": "twisted", "n3": "auto"}
"""Each node's engine."""

CHECK_INTERVAL = 2.0
CHECK, CHECK_SENT = b"check\n", b"check\nexit\n"

CASES_OF_VERSIONS: dict[str, list[wire.Case]] = {
    # Once the header is read, there is no difference: all cases for one version will do.
    "send-proxy": [wire.half_close_is_answered, wire.a_hundred_clients_get_their_own_replies],
    "send-proxy-v2": wire.CASES,
}


@pytest.fixture(autouse=True)
def _haproxy_is_installed() -> None:
    installed("haproxy")


class Cluster:
    """
    A client, HAProxy and three nodes, each a machine with an address of its own where that can be.

    The replies of a node begin with its name, and what follows is what HAProxy's check expects.
    """

    def __init__(self, machines: Network, directory: Path, stack: ExitStack) -> None:
        self.machines = machines
        self._directory = directory
        self._stack = stack
        self.nodes = {name: self.start(name) for name in NODES}
        changes = {} if isinstance(machines, Namespaces) else self._on_loopback()
        self.haproxy = stack.enter_context(HAProxy(changes, machines.inside("haproxy")))
        self.haproxy.wait_for("UP")

    def _on_loopback(self) -> dict[str, str]:
        machines = self.machines
        servers = {
            f"{address}:8088": f"{machines.addresses[name]}:{machines.port}"
            for name, address in SHIPPED_ADDRESSES.items()
        }
        return {"bind :8088": f"bind {machines.addresses['haproxy']}:{machines.port}", **servers}

    def start(self, machine: str, name: str = "") -> Server:
        """Start a server on a machine, in place of another if there was one."""
        addresses = self.machines.addresses
        return self._stack.enter_context(
            Server(
                self._directory,
                f"--engine={NODES[machine]}",
                f"--prefix={name or machine} server reply:",
                f"--trust-proxy={addresses['haproxy']}/32",
                f"--pause={wire.PAUSE}",
                listen=f"haproxy:tcp:{self.machines.port}:interface={addresses[machine]}",
                inside=self.machines.inside(machine),
            )
        )

    def dial(self, receive_buffer: int | None = None) -> Wire:
        """Connect the client to HAProxy."""
        return self.machines.dial("client", "haproxy", receive_buffer)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    addresses = {"haproxy": "10.0.0.10", "client": "10.0.0.20", **SHIPPED_ADDRESSES}
    with network(addresses) as machines, ExitStack() as stack:
        yield Cluster(machines, tmp_path, stack)


def ask(connection: Wire) -> str:
    """Send a message, check its reply, and return the name of the node that replies."""
    connection.send(b"hello\n")
    reply = connection.read(len(b"n1 server reply:hello\n"))
    assert reply[2:] == b" server reply:hello\n"
    return reply[:2].decode()


def connect_to(node: str, cluster: Cluster, stack: ExitStack, count: int) -> list[Wire]:
    """Connect until there are so many connections to a node."""
    found: list[Wire] = []
    for _ in range(20 * count):
        connection = stack.enter_context(cluster.dial())
        if ask(connection) == node:
            found.append(connection)
        if len(found) == count:
            return found
    raise AssertionError(f"only {len(found)} are {node}'s")


def received(server: Server) -> list[int]:
    """Return the unread bytes of each connection to a node: /proc/net/tcp, in proc(5)."""
    lines = Path(f"/proc/{server.process.pid}/net/tcp").read_text().splitlines()[1:]
    fields = [line.split() for line in lines]
    return [int(field[4].split(":")[1], 16) for field in fields if field[1].endswith(f":{server.port:04X}")]


def wait_until(so: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not so():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.01)


def checks_among(counts: dict[str, int], name: str, talks: list[Talk]) -> int:
    """
    Check that all replies that a node has made have reached their clients; give how many were to HAProxy's checks.

    What clients have not got is so many replies more, each as long as a check's; theirs are all longer.
    """
    checks = counts["messages"] - sum(talk.replies for talk in talks)
    assert checks >= 0
    reply = f"{name} server reply:".encode() + CHECK
    assert counts["bytes out"] - sum(talk.bytes_out for talk in talks) == checks * len(reply)
    return checks


def test_the_configuration_is_right_as_it_is() -> None:
    checked = subprocess.run(
        ["haproxy", "-c", "-f", SHIPPED], capture_output=True, timeout=PATIENCE, text=True, check=False
    )
    # Not even a warning.
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "Configuration file is valid\n", "")


class TestThreeNodes:
    def test_they_know_the_client_that_haproxy_connects_for(self, cluster: Cluster) -> None:
        client = cluster.machines.addresses["client"]
        with ExitStack() as stack:
            for name, server in cluster.nodes.items():
                (connection,) = connect_to(name, cluster, stack, 1)
                port = connection.socket.getsockname()[1]
                server.log.wait_for(b'%s:%d sent "hello"' % (client.encode(), port))
        haproxy = cluster.machines.addresses["haproxy"].encode()
        for server in cluster.nodes.values():
            # A check is a client that is content, and HAProxy says that it is its own.
            server.log.wait_for(haproxy + rb":\d+ ended: close word received; messages 1, ")
            assert set(re.findall(haproxy + rb":\d+ sent (.*)\n", server.log.so_far())) == {b'"check"'}

    @pytest.mark.parametrize("node", ["n1", "n2"])
    def test_sigterm_loses_nothing_that_has_reached_the_node(self, node: str, cluster: Cluster) -> None:
        server = cluster.nodes[node]
        messages = b"".join(b"%d, sent before the signal\n" % number for number in range(50))
        replies = b"".join(node.encode() + b" server reply:" + line for line in messages.splitlines(keepends=True))
        with ExitStack() as stack:
            connections = connect_to(node, cluster, stack, 5)
            # It can't read now, so that what reaches it waits in its kernel.
            server.pause()
            for connection in connections:
                connection.send(messages)
            wait_until(
                lambda: received(server).count(len(messages)) == len(connections),
                "the messages do not reach it",
            )
            server.process.send_signal(signal.SIGTERM)
            server.resume()
            for connection in connections:
                assert connection.read_all() == replies
        assert server.process.wait(PATIENCE) == -signal.SIGTERM

    def test_a_node_that_is_drained_keeps_its_connections_and_gets_no_new_ones(self, cluster: Cluster) -> None:
        with ExitStack() as stack:
            (old,) = connect_to("n1", cluster, stack, 1)
            assert cluster.haproxy.command("set server nodes/n1 state drain").strip() == ""
            cluster.haproxy.wait_for("DRAIN", "n1")
            new = [stack.enter_context(cluster.dial()) for _ in range(8)]
            assert {ask(connection) for connection in new} == {"n2", "n3"}
            assert ask(old) == "n1"
            cluster.haproxy.command("set server nodes/n1 state ready")
            cluster.haproxy.wait_for("UP", "n1")
            connect_to("n1", cluster, stack, 1)

    def test_clients_do_not_notice_that_a_node_has_vanished_before_they_came(self, cluster: Cluster) -> None:
        if not isinstance(cluster.machines, Namespaces):
            pytest.skip("there are no network namespaces, so nothing to unplug")
        cluster.machines.unplug("n1")
        with ExitStack() as stack:
            # HAProxy can't know yet. Whom it sends there it sends elsewhere after a while.
            connections = [stack.enter_context(cluster.dial()) for _ in range(6)]
            assert {ask(connection) for connection in connections} == {"n2", "n3"}
        cluster.haproxy.wait_for("DOWN", "n1")

    def test_under_load_a_node_that_stops_loses_nothing_and_one_that_is_killed_only_its_own(
        self, cluster: Cluster
    ) -> None:
        haproxy, nodes = cluster.haproxy, cluster.nodes
        counts: dict[str, dict[str, int]] = {}
        with Crowd(cluster.dial) as crowd:

            def wait_for_load(*names: str) -> None:
                """Wait until nodes have answered on some connections that are new."""
                now = time.monotonic()
                crowd.wait_for(lambda: all(sum(talk.began > now for talk in crowd.by(name)) >= 3 for name in names))

            def wait_until_left(name: str) -> None:
                held = crowd.by(name)
                crowd.wait_for(lambda: all(talk.ended for talk in held))

            wait_for_load(*NODES)

            sent_before = {talk: talk.sent for talk in crowd.by("n1")}
            signalled = time.monotonic()
            counts["n1"] = stop_and_count(nodes["n1"])
            wait_until_left("n1")
            haproxy.wait_for("DOWN", "n1")
            wait_for_load("n2", "n3")
            # All that it has answered has come, and its connections have ended gently, after a whole reply each. Nobody
            # else has noticed, but who came at the very moment at which it closed.
            checks = checks_among(counts["n1"], "n1", crowd.by("n1"))
            answered = sum(talk.bytes_in for talk in crowd.by("n1")) + checks * len(CHECK_SENT)
            too_late = counts["n1"]["bytes in"] - answered
            assert too_late >= 0
            assert {talk.ended for talk in crowd.by("n1")} <= {"finished", "closed"}
            failed = crowd.failed()
            assert all(talk.node == "n1" or (not talk.node and talk.began > signalled) for talk in failed)

            nodes["n2"].stop(signal.SIGKILL)
            killed = time.monotonic()
            wait_until_left("n2")
            haproxy.wait_for("DOWN", "n2")
            wait_for_load("n3")
            # It takes with it what it held, and nobody who comes later.
            lost = [talk for talk in crowd.failed() if talk not in failed]
            assert all(talk.node in ("n2", "") and talk.began < killed for talk in lost)
            later = [talk for talk in crowd.talks if talk.began > killed and talk.node]
            slowest = max(talk.answered - talk.began for talk in later)
            assert slowest < 2 * CHECK_INTERVAL

            back = {name: cluster.start(name, f"{name}-again") for name in ("n1", "n2")}
            haproxy.wait_for("UP")
            wait_for_load("n1-again", "n2-again", "n3")
            crowd.stop()
            assert {*crowd.failed()} == {*failed, *lost}

        haproxy.process.terminate()
        haproxy.process.wait(PATIENCE)
        for name, server in {"n3": nodes["n3"], **{f"{name}-again": server for name, server in back.items()}}.items():
            counts[name] = stop_and_count(server)
            # Nobody was talking to them in the end: all that has reached them is answered, and has come.
            talks = crowd.by(name)
            checks = checks_among(counts[name], name, talks)
            assert counts[name]["bytes in"] == sum(talk.bytes_in for talk in talks) + checks * len(CHECK_SENT)
        for name in ("n1", "n2", "n3", "n1-again", "n2-again"):
            talks = crowd.by(name)
            print(
                f"{name}: connections {len(talks)}, replies {sum(talk.replies for talk in talks)}, "
                f"ended by the node {sum(talk in crowd.failed() for talk in talks)}, "
                f"its own count {counts.get(name, 'died with it')}"
            )
        # What HAProxy still had then may come too late. It seldom has anything.
        unanswered = sum(max(sent - talk.replies, 0) for talk, sent in sent_before.items())
        print(f"messages sent to n1 before SIGTERM and not answered: {unanswered}")
        print(f"bytes that came to n1 after it had begun to close: {too_late}")
        print(f"connections that found no node: {sum(not talk.node for talk in crowd.failed())}")
        print(f"slowest first reply after SIGKILL: {slowest * 1000:.0f} ms")


class TestOneServer:
    """The contract holds behind HAProxy, and the server knows its client."""

    @pytest.fixture
    def behind(self) -> Iterator[Callable[..., int]]:
        """Return a function that starts HAProxy in front of a server's port, and returns HAProxy's port."""
        with ExitStack() as stack:

            def start(port: int, options: str = "check send-proxy-v2") -> int:
                own = free_port()
                changes = {
                    "bind :8088": f"bind 127.0.0.1:{own}",
                    "default-server check send-proxy-v2": f"default-server {options}",
                    "10.0.0.11:8088": f"127.0.0.1:{port}",
                    "    server n2 10.0.0.12:8088\n": "",
                    "    server n3 10.0.0.13:8088\n": "",
                }
                stack.enter_context(HAProxy(changes)).wait_for("UP")
                return own

            yield start

    @pytest.mark.parametrize("version", CASES_OF_VERSIONS)
    def test_the_contract_holds(self, version: str, start: Start, behind: Callable[..., int]) -> None:
        server = start(f"--pause={wire.PAUSE}", "--log-messages=1", listen="haproxy:tcp:0:interface=127.0.0.1")
        own = behind(server.port, f"check {version}")
        self.assert_it_holds(server, partial(Wire, "127.0.0.1", own), version)

    @pytest.mark.parametrize("version", CASES_OF_VERSIONS)
    def test_the_contract_holds_over_tls_that_haproxy_passes_on(
        self, version: str, start: Start, behind: Callable[..., int], tmp_path: Path
    ) -> None:
        certificate, key = make_certificate(tmp_path)
        listen = f"haproxy:ssl:0:interface=127.0.0.1:privateKey={key}:certKey={certificate}"
        server = start(f"--pause={wire.PAUSE}", "--log-messages=1", listen=listen)
        # Only its checks begin a TLS of their own.
        own = behind(server.port, f"check check-ssl verify none {version}")
        self.assert_it_holds(server, partial(TLSWire, "127.0.0.1", own), version)

    def assert_it_holds(self, server: Server, dial: Dial, version: str) -> None:
        with dial() as connection:
            connection.send(b"hello\n")
            connection.expect(b"server reply:hello\n")
            server.log.wait_for(b"127.0.0.1:%d connected" % connection.socket.getsockname()[1])
        for case in CASES_OF_VERSIONS[version]:
            case(dial)
        stop_and_count(server)

    def test_a_port_without_the_proxy_protocol_stays_beside_one_with_it(
        self, start: Start, behind: Callable[..., int]
    ) -> None:
        server = start("--listen=haproxy:tcp:0:interface=127.0.0.1")
        own = behind(int(server.log.wait_for(rb"listening on \S+:(\d+) for PROXY\n")[1]))
        for port in (server.port, own):
            with Wire("127.0.0.1", port) as connection:
                connection.send(b"to %d\n" % port)
                connection.expect(b"server reply:to %d\n" % port)
                name = b"127.0.0.1:%d" % connection.socket.getsockname()[1]
                server.log.wait_for(b'%s sent "to %d"' % (name, port))

    def test_nc_that_half_closes_gets_every_reply(self, start: Start, behind: Callable[..., int]) -> None:
        command = [installed("nc"), "-N", "127.0.0.1"]
        server = start(listen="haproxy:tcp:0:interface=127.0.0.1")
        own = behind(server.port)
        completed = subprocess.run(
            [*command, str(own)], input=b"a\nb\n", capture_output=True, timeout=PATIENCE, check=False
        )
        assert completed.stdout == b"server reply:a\nserver reply:b\n"
