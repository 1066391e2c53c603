"""A real server for each test that asks for one."""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.support.processes import Server, Transcript
from tests.support.tls_peers import TLSWire
from tests.support.wire_contract import Dial

Start = Callable[..., Server]
Profile = Callable[..., Dial]
SetOnly = Callable[[Mapping[str, str]], None]

TOLD = [
    *("NODE_NAME", "POD_NAME", "POD_NAMESPACE", "POD_IP", "SERVICE_ACCOUNT"),
    *("NAMESPACE", "INGRESS_NAME", "SERVICE_NAME"),
]
"""The environment's variables that profiles tell."""


# A shell has what it runs in the background ignore Ctrl-C, and so would all programs that are started here.
signal.signal(signal.SIGINT, signal.default_int_handler)

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
            web: socket.socket | None = None,
            listen: str = "",
            inside: Sequence[str] = (),
        ) -> Server:
            return stack.enter_context(
                Server(
                    tmp_path,
                    *options,
                    twistd_options=twistd_options,
                    listener=listener,
                    web=web,
                    listen=listen,
                    inside=inside,
                )
            )

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


@pytest.fixture(params=["tcp", "tls"])
def transport(request: pytest.FixtureRequest) -> str:
    """Give each of the transports that connections are made by."""
    name: str = request.param
    return name


@pytest.fixture
def profile(start_as_told: Start, transport: str) -> Profile:
    """
    Give a function that starts a server with a profile and some options, and gives what dials it by a transport.

    Each transport is tried on an engine of its own: that every engine has every transport is shown without profiles.
    """

    def profile(name: str, *options: str) -> Dial:
        on = ["--engine=auto", "--tls=0"] if transport == "tls" else ["--engine=twisted"]
        server = start_as_told(*on, f"--profile={name}", *options)
        return partial(TLSWire, "127.0.0.1", server.tls_port()) if transport == "tls" else server.dial()

    return profile


@pytest.fixture
def set_only(monkeypatch: pytest.MonkeyPatch) -> SetOnly:
    """Give a function that sets these of the environment's variables that profiles tell, and none of the others."""

    def set_only(variables: Mapping[str, str]) -> None:
        for name in TOLD:
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_only


@pytest.fixture(scope="session")
def go_client(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give the path of the client in Go, built. If Go is not installed, the test is skipped."""
    go = installed("go")
    directory = tmp_path_factory.mktemp("go")
    environment = {"GOCACHE": str(directory / "cache"), **os.environ, "GO111MODULE": "off"}
    source = Path(__file__).parent / "go" / "client.go"
    subprocess.run([go, "build", "-o", str(directory / "client"), str(source)], env=environment, check=True)
    return str(directory / "client")
