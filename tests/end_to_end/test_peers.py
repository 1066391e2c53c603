"""Programs that nobody here wrote, as clients and as servers: whoever is not installed is skipped, by name."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Start, installed
from tests.support.processes import CLIENT, Server, Terminal, Transcript, free_port
from tests.support.wire_contract import PATIENCE

ORIGINAL = Path(__file__).parents[3] / "shared" / "seed"


@pytest.fixture
def server(start: Start) -> Server:
    return start()


@pytest.mark.parametrize(
    "command",
    [
        ["nc", "-N", "127.0.0.1", "{port}"],
        ["nc", "-N", "::1", "{port}"],
        ["ncat", "127.0.0.1", "{port}"],
        ["socat", "-t60", "-", "TCP4:127.0.0.1:{port}"],
        ["socat", "-t60", "-", "TCP6:[::1]:{port}"],
    ],
    ids=lambda command: " ".join(command[:-1]),
)
def test_a_client_that_half_closes_gets_every_reply(command: list[str], server: Server) -> None:
    installed(command[0])
    command = [word.format(port=server.port) for word in command]
    lines = [b"%d\n" % number for number in range(200_000)]
    completed = subprocess.run(command, input=b"".join(lines), capture_output=True, timeout=PATIENCE, check=False)
    assert completed.returncode == 0
    assert completed.stdout == b"".join(b"server reply:" + line for line in lines)


def test_nc_that_does_not_half_close_is_left_after_exit(server: Server) -> None:
    installed("nc")
    with Terminal("nc", "127.0.0.1", str(server.port)) as terminal:
        terminal.type(b"hello\nexit\n")
        terminal.screen.wait_for(b"server reply:hello\r\n")
        server.log.wait_for(b"ended: close word received; messages 1")


def test_telnet_speaks_in_lines_and_leaves_by_exit(server: Server) -> None:
    with Terminal(installed("telnet"), "127.0.0.1", str(server.port)) as terminal:
        terminal.screen.wait_for(b"Escape character")
        terminal.type(b"hello\n")
        terminal.screen.wait_for(b"server reply:hello\r\n")
        terminal.type(b"exit\n")
        terminal.screen.wait_for(b"Connection closed by foreign host")


def test_the_client_talks_to_a_server_that_echoes_bytes(tmp_path: Path) -> None:
    command = [installed("socat"), "-dd", "TCP4-LISTEN:0,bind=127.0.0.1", "EXEC:cat"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as echo:
        assert echo.stderr is not None
        said = echo.stderr
        log = Transcript(lambda: os.read(said.fileno(), 65536))
        port = int(log.wait_for(rb"listening on AF=2 127\.0\.0\.1:(\d+)")[1])
        completed = subprocess.run(
            [CLIENT, "127.0.0.1", str(port)], input=b"a\nb", capture_output=True, timeout=PATIENCE, check=False
        )
        assert (completed.returncode, completed.stdout, completed.stderr) == (0, b"a\nb", b"")
        log.all()


class TestTheOriginal:
    """The two programs that this one was made from, on a port of their own."""

    def build(self, name: str, port: int, directory: Path) -> str:
        go = installed("go")
        source = ORIGINAL / name / "main.go"
        if not source.exists():
            pytest.skip(f"the original's {name} is not there")
        (directory / "main.go").write_text(source.read_text().replace(":8088", f":{port}"))
        environment = {"GOCACHE": str(directory / "cache"), **os.environ, "GO111MODULE": "off"}
        subprocess.run([go, "build", "-o", name, "main.go"], cwd=directory, env=environment, check=True)
        return str(directory / name)

    def test_its_client_is_answered_though_it_sends_no_newline(self, server: Server, tmp_path: Path) -> None:
        with Terminal(self.build("client", server.port, tmp_path)) as terminal:
            terminal.type(b"HELLO\n")
            server.log.wait_for(b'sent "hello"')
            # It shows that a reply came, and by a fault of its own not what it was.
            terminal.screen.wait_for(b"server reply: \r\n")
            terminal.type(b"exit\n")
            server.log.wait_for(b"ended: close word received; messages 1, bytes in 9, bytes out 18")
            assert terminal.wait() == 0

    @pytest.fixture
    def original(self, tmp_path: Path) -> Iterator[int]:
        """Give the port of the original's server."""
        port = free_port()
        with subprocess.Popen(
            [self.build("server", port, tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as process:
            assert process.stdout is not None
            said = process.stdout
            log = Transcript(lambda: os.read(said.fileno(), 65536))
            log.wait_for(b"waiting client connect.")
            yield port
            process.kill()

    def test_its_server_answers_our_client(self, original: int) -> None:
        with Terminal(CLIENT, "--plain", "127.0.0.1", str(original)) as terminal:
            terminal.type(b"hello\n")
            terminal.screen.wait_for(b"server reply:hello\r\n")
            terminal.type(b"exit\n")
            assert terminal.wait() == 0

    def test_its_server_answers_what_its_own_client_would_have_sent(self, original: int) -> None:
        with Terminal(CLIENT, "--plain", "--eol=none", "--lower", "127.0.0.1", str(original)) as terminal:
            terminal.type(b"HELLO\n")
            terminal.screen.wait_for(b"server reply:hello")
            terminal.type(b"quit\n")
            assert terminal.wait() == 0
