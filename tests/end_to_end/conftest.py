"""A real server for each test that asks for one."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.programs import Server

Start = Callable[..., Server]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Give a function that starts a server with some options."""
    with ExitStack() as stack:

        def start(*options: str, twistd_options: tuple[str, ...] = (), listener: socket.socket | None = None) -> Server:
            return stack.enter_context(Server(tmp_path, *options, twistd_options=twistd_options, listener=listener))

        yield start
