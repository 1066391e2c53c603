"""Options as people give them: to the real programs, on a command line or in a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from echoreply.server.options import Options
from tests.end_to_end.conftest import Start
from tests.support import wire_contract as wire
from tests.support.processes import client, twistd
from tests.support.web_clients import get


def test_help_is_shown_once_with_every_option(tmp_path: Path) -> None:
    for before in ([], ["-n"]):
        shown = twistd(tmp_path, *before, "echoreply", "--help")
        assert (shown.returncode, shown.stderr) == (0, "")
        assert shown.stdout.count("Usage:") == 1
        assert shown.stdout.count("\n  -") == len(Options.declared)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--web", "9101x"], "--web takes a port or a Twisted server endpoint, such as tcp:9101:interface=127.0.0.1"),
        (["--foo", "5"], "unknown option --foo; see --help"),
        (["--udp-rate=0"], "--udp-rate takes a whole number, 1 or more, not '0'"),
        (["--cert=x"], "--cert is for --tls, which is not given"),
        (["--config=none.toml"], "none.toml: No such file or directory"),
        (["--config=c.toml"], "c.toml, line 2: port takes a whole number, 0 to 65535, not '99999'"),
        (["--listen=tcp:x"], "cannot listen on tcp:x: tcp takes a port, 0 to 65535, not 'x'"),
        (["--listen=tcp:x", "--workers=2"], "cannot listen on tcp:x: tcp takes a port, 0 to 65535, not 'x'"),
        (["--config=listen.toml"], "listen.toml, line 2: listen: cannot listen on foo:1: Unknown endpoint type: 'foo'"),
        (["--config=script.toml"], "script.toml, line 1: script /no/such: No such file or directory"),
        (["--config=nul.toml"], "nul.toml, line 2: prefix takes a text without NUL, not '\\x00'"),
        (["--check", "--script=/no/such"], "/no/such: No such file or directory"),
    ],
)
@pytest.mark.parametrize("before", [[], ["-n"], ["-n", "--pidfile="]])
def test_a_mistake_is_one_line(arguments: list[str], said: str, before: list[str], tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("# a comment\nport = 99999\n")
    (tmp_path / "listen.toml").write_text('workers = 2\nlisten = ["foo:1"]\n')
    (tmp_path / "script.toml").write_text('script = "/no/such"\n')
    (tmp_path / "nul.toml").write_text('workers = 2\nprefix = "\\u0000"\n')
    ended = twistd(tmp_path, *before, "echoreply", *arguments)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(f"twistd echoreply: {said}")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_a_file_of_options_is_served_and_the_command_line_wins(start: Start, tmp_path: Path, workers: int) -> None:
    (tmp_path / "c.toml").write_text(
        f'port = 1\nprefix = "file:"\ntransform = "upper"\ninterface = "localhost"\nweb = 0\nworkers = {workers}\n'
    )
    server = start("--config=c.toml", "--prefix=line:")
    wire.exchange(server.dial(), b"hello\n", b"line:HELLO\n")
    server.log.wait_for(rb"listening on 127\.0\.0\.1:\d+\n")
    response, _ = get(server, "/healthz")
    assert response.status == 200


def test_a_bare_port_to_listen_on_obeys_the_interface(start_as_told: Start) -> None:
    server = start_as_told("--interface=localhost", listen="0")
    server.log.wait_for(rb"listening on 127\.0\.0\.1:\d+\n")
    wire.exchange(server.dial(), b"hello\n", b"server reply:hello\n")


def test_a_bare_port_to_listen_on_is_there_for_both_families(start_as_told: Start) -> None:
    server = start_as_told(listen="0")
    for host in ("127.0.0.1", "::1"):
        wire.exchange(server.dial(host), b"hello\n", b"server reply:hello\n")


def test_a_client_takes_host_and_port_as_one(start_as_told: Start) -> None:
    server = start_as_told()
    for where in (f"127.0.0.1:{server.port}", f"localhost:{server.port}", f"[::1]:{server.port}"):
        assert client(where, typed=b"x\n") == (0, b"server reply:x\n", b"")
    said = f"echoreply-client: PORT is given twice: in 'localhost:{server.port}', and as '{server.port}'\n"
    assert client(f"localhost:{server.port}", server.port) == (2, b"", said.encode())
