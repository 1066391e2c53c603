"""A real server for each test that asks for one."""

from __future__ import annotations

import resource
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.programs import Server

Start = Callable[..., Server]


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into Linux's /proc")


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """Let this process have as many descriptors as it may."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.fixture
def start_as_told(tmp_path: Path) -> Iterator[Start]:
    """Give a function that starts a server with some options."""
    with ExitStack() as stack:

        def start(
            *options: str,
            twistd_options: tuple[str, ...] = (),
            listener: socket.socket | None = None,
            listen: str = "",
        ) -> Server:
            server = Server(tmp_path, *options, twistd_options=twistd_options, listener=listener, listen=listen)
            return stack.enter_context(server)

        yield start


@pytest.fixture(params=["twisted", "uvloop"])
def engine(request: pytest.FixtureRequest) -> str:
    """Give the option for each engine."""
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    return f"--engine={request.param}"


@pytest.fixture
def start(start_as_told: Start, engine: str) -> Start:
    """Give a function that starts a server with some options, on each engine."""
    return partial(start_as_told, engine)
