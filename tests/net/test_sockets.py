"""Listening sockets that share a port."""

from __future__ import annotations

import socket
from contextlib import ExitStack

import pytest
from twisted.internet.error import CannotListenError

from echoreply.net.sockets import datagram_sockets, listening_sockets

pytestmark = pytest.mark.skipif(not hasattr(socket, "SO_REUSEPORT"), reason="there is no SO_REUSEPORT")


@pytest.mark.parametrize("interface", ["", "127.0.0.1", "::1"])
def test_sockets_share_a_free_port_that_other_servers_can_not_share(interface: str) -> None:
    with ExitStack() as stack:
        listeners = [stack.enter_context(listener) for listener in listening_sockets(interface, 0, 3)]
        (port,) = {listener.getsockname()[1] for listener in listeners}
        for host in [interface] if interface else ["127.0.0.1", "::1"]:
            stack.enter_context(socket.create_connection((host, port)))
        for count in (1, 3):
            with pytest.raises(CannotListenError) as caught:
                listening_sockets(interface, port, count)
            assert caught.value.socketError.strerror == "Address already in use"


def test_an_interface_has_one_family() -> None:
    with ExitStack() as stack:
        listeners = [stack.enter_context(listener) for listener in listening_sockets("::", 0, 2)]
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", listeners[0].getsockname()[1]))


def test_an_address_of_another_machine_is_an_error() -> None:
    with pytest.raises(CannotListenError) as caught:
        listening_sockets("192.0.2.1", 0, 2)
    assert caught.value.socketError.strerror == "Cannot assign requested address"


@pytest.mark.parametrize("interface", ["", "127.0.0.1", "::1"])
def test_a_udp_port_can_not_be_shared_with_another_server(interface: str) -> None:
    with datagram_sockets(interface, 0)[0] as bound:
        for host in {interface, ""}:
            with pytest.raises(CannotListenError) as caught:
                datagram_sockets(host, bound.getsockname()[1])
            assert caught.value.socketError.strerror == "Address already in use"
