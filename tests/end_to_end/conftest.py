"""A real server for each test that asks for one."""

from __future__ import annotations

import os
import re
import resource
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.programs import Server, Transcript

Start = Callable[..., Server]


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into Linux's /proc")


def installed(program: str) -> str:
    """Give the path of a program, or skip the test."""
    path = shutil.which(program)
    if not path:
        pytest.skip(f"{program} is not installed")
    return path


@contextmanager
def listening(said: bytes, program: str, *arguments: str) -> Iterator[re.Match[bytes]]:
    """Run a program that listens; give what it said when it did. If it is not installed, the test is skipped."""
    command = [installed(program), *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout is not None
        log = Transcript(partial(os.read, process.stdout.fileno(), 65536))
        try:
            yield log.wait_for(said)
        finally:
            process.kill()
            log.all()


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
