"""The files of UNIX sockets, and ports that adopt such sockets."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import unix
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import ServerFactory
from twisted.internet.testing import MemoryReactorClock

from echoreply.net.sockets import adopt
from echoreply.net.unix_sockets import SocketFile, open_unix_socket, remove_only_own_file


def test_the_port_of_a_unix_socket_closes_also_if_its_file_can_not_be_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unlink(path: str) -> None:
        raise PermissionError(path)

    path = str(tmp_path / "socket")
    reactor: Any = MemoryReactorClock()
    port: Any = unix.Port(path.encode(), ServerFactory(), reactor=reactor)
    port.startListening()
    remove_only_own_file(port, keep=False)
    monkeypatch.setattr("os.unlink", unlink)
    closed: list[object] = []
    port.stopListening().addBoth(closed.append)
    reactor.advance(0)
    assert closed == [None]
    with socket.socket(socket.AF_UNIX) as client, pytest.raises(ConnectionRefusedError):
        client.connect(path)


def test_a_socket_has_the_requested_mode_and_accepts(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with open_unix_socket(str(path), 0o640, 5) as listening, socket.socket(socket.AF_UNIX) as client:
        assert path.stat().st_mode & 0o777 == 0o640
        client.connect(str(path))
        listening.accept()[0].close()


def test_a_path_in_use_is_an_error_with_the_reason(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with open_unix_socket(path, 0o600, 5), pytest.raises(CannotListenError) as caught:
        open_unix_socket(path, 0o600, 5)
    assert caught.value.socketError.strerror == "Address already in use"


def test_a_file_is_removed_only_if_it_is_still_the_same(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    path.touch()
    file = SocketFile(str(path))
    assert file.is_own()
    (tmp_path / "other").touch()
    os.replace(tmp_path / "other", path)
    file.remove()
    assert path.exists()
    SocketFile(str(path)).remove()
    assert not path.exists()
    file.remove()


def test_an_adopted_port_leaves_file_and_socket_to_their_owner(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    reactor: Any = MemoryReactorClock()
    with open_unix_socket(str(path), 0o600, 5) as listening:
        port: Any = adopt(reactor, listening.dup(), ServerFactory())
        remove_only_own_file(port, keep=True)
        assert port in reactor.getReaders()
        assert path.stat().st_mode & 0o777 == 0o600
        port.stopListening()
        reactor.advance(0)
        assert path.exists()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            listening.accept()[0].close()
