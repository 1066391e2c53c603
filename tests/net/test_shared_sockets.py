"""Listening sockets that one process opens and others accept from."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.error import CannotListenError

from echoreply.net.shared_sockets import SharedSockets, open_endpoint
from echoreply.net.sockets import datagram_sockets

pytestmark = pytest.mark.skipif(not hasattr(socket, "SO_REUSEPORT"), reason="there is no SO_REUSEPORT")


@pytest.mark.parametrize("description", ["tcp:0:interface=127.0.0.1", "tcp:port=0:interface=127.0.0.1:backlog=5"])
def test_each_process_gets_its_own_socket_on_a_port(description: str) -> None:
    shared = open_endpoint(description, 3)
    assert len({opened.fileno() for opened in shared.sockets}) == 3
    assert {opened.getsockname() for opened in shared.sockets} == {shared.sockets[0].getsockname()}
    address = shared.address
    assert isinstance(address, IPv4Address)
    assert (address.type, address.host) == ("TCP", "127.0.0.1")
    socket.create_connection(("127.0.0.1", address.port)).close()
    shared.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", address.port))


@pytest.mark.parametrize(("kind", "family"), [("tcp", IPv4Address), ("tcp6", IPv6Address)])
def test_without_an_interface_all_addresses_of_the_family_are_listened_on(kind: str, family: type) -> None:
    shared = open_endpoint(f"{kind}:0", 2)
    address = shared.address
    assert isinstance(address, family)
    host = {"tcp": "127.0.0.1", "tcp6": "::1"}[kind]
    socket.create_connection((host, shared.sockets[0].getsockname()[1])).close()
    shared.close()


def test_an_interface_may_be_a_host_name() -> None:
    shared = open_endpoint("tcp:0:interface=localhost", 2)
    assert shared.sockets[0].getsockname()[0] == "127.0.0.1"
    shared.close()


def test_all_processes_share_a_unix_socket_whose_file_is_removed_on_closing(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    shared = open_endpoint(f"unix:{path}:mode=600", 3)
    assert len({opened.fileno() for opened in shared.sockets}) == 1
    assert shared.address == UNIXAddress(bytes(path))
    assert path.stat().st_mode & 0o777 == 0o600
    shared.close()
    assert not path.exists()
    shared.close()


def test_a_unix_socket_replaces_the_file_of_a_dead_server(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    open_endpoint(f"unix:{path}", 2).close()


def test_an_address_in_use_is_an_error_with_the_reason() -> None:
    shared = open_endpoint("tcp:0:interface=127.0.0.1", 2)
    port = shared.sockets[0].getsockname()[1]
    with pytest.raises(CannotListenError) as caught:
        open_endpoint(f"tcp:{port}:interface=127.0.0.1", 2)
    assert caught.value.socketError.strerror == "Address already in use"
    shared.close()


@pytest.mark.parametrize(
    ("description", "why"),
    [
        ("stdio:", "--workers takes 1 with stdio: several processes can't share such an endpoint"),
        ("tpc:0", "Unknown endpoint type: 'tpc'"),
        ("unix:/tmp/x:lockfile=1", "--workers takes 1 with a lockfile"),
        ("unix:", "unix takes the path of a socket"),
        ("systemd:domain=INET:index=99", "no such socket was passed to this process"),
    ],
)
def test_endpoints_that_can_not_be_shared_are_errors_with_the_reason(description: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        open_endpoint(description, 2)


def test_udp_sockets_know_their_address() -> None:
    shared = SharedSockets(datagram_sockets("127.0.0.1", 0, 2))
    address = shared.address
    assert isinstance(address, IPv4Address)
    assert address.type == "UDP"
    shared.close()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems choose a socket in other ways")
def test_a_peer_stays_with_one_udp_socket() -> None:
    shared = SharedSockets(datagram_sockets("127.0.0.1", 0, 2))
    received: set[int] = set()
    for _ in range(64):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            for _ in range(2):
                client.sendto(b"", shared.sockets[0].getsockname())
        counts = []
        for bound in shared.sockets:
            count = 0
            try:
                while True:
                    bound.recv(1)
                    count += 1
            except BlockingIOError:
                counts.append(count)
        assert sorted(counts) == [0, 2]
        received.add(counts.index(2))
    assert received == {0, 1}
    shared.close()
