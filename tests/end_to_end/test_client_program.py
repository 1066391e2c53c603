"""C{echoreply-client}, used as a person would: on a terminal, in a pipe, with files."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from echoreply.client.command import parse_arguments
from tests.end_to_end.conftest import Start
from tests.support.processes import CLIENT, Server, Terminal
from tests.support.wire_contract import PATIENCE

RESIDENT_LIMIT = 100 * 1024


@pytest.fixture
def server(start_as_told: Start) -> Server:
    return start_as_told()


def client(*arguments: str | int, typed: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run the client with this in a pipe, until it ends."""
    command = [CLIENT, *map(str, arguments)]
    return subprocess.run(command, input=typed, capture_output=True, timeout=PATIENCE, check=False)


def result_of(completed: subprocess.CompletedProcess[bytes]) -> tuple[int, bytes | None, bytes | None]:
    return completed.returncode, completed.stdout, completed.stderr


@contextmanager
def one_shot_server(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serve one client in a thread; give the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)

        def accept() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(PATIENCE)
                serve(connection)

        with ThreadPoolExecutor() as pool:
            served = pool.submit(accept)
            yield listener.getsockname()[1]
            served.result(PATIENCE)


class TestPipe:
    def test_replies_go_to_stdout_and_nothing_else_is_said(self, server: Server) -> None:
        completed = client("127.0.0.1", server.port, typed=b"hello\nworld\n")
        assert result_of(completed) == (0, b"server reply:hello\nserver reply:world\n", b"")

    def test_the_host_and_the_port_have_defaults(self) -> None:
        options = parse_arguments([])
        assert (options.host, options.port) == ("127.0.0.1", 8088)

    def test_a_host_may_be_a_name_or_an_ipv6_address(self, server: Server) -> None:
        for host in ("localhost", "::1"):
            assert client(host, server.port, typed=b"x\n").stdout == b"server reply:x\n"

    def test_what_is_left_at_the_end_of_the_input_is_sent(self, server: Server) -> None:
        completed = client("127.0.0.1", server.port, typed=b"a\nrest")
        assert result_of(completed) == (0, b"server reply:a\nserver reply:rest", b"")

    def test_an_empty_input_is_answered_with_nothing(self, server: Server) -> None:
        assert result_of(client("127.0.0.1", server.port)) == (0, b"", b"")

    @pytest.mark.parametrize("word", [b"quit", b"QUIT", b"Quit\r"])
    def test_quit_leaves_and_what_follows_is_not_sent(self, word: bytes, server: Server) -> None:
        completed = client("127.0.0.1", server.port, typed=b"a\n" + word + b"\nb\n")
        assert result_of(completed) == (0, b"server reply:a\n", b"")
        server.log.wait_for(rb"ended: closed by the client; messages 1, bytes in 2, ")

    def test_exit_is_sent_and_the_server_closes(self, server: Server) -> None:
        completed = client("127.0.0.1", server.port, typed=b"a\nexit\nb\n")
        assert result_of(completed) == (0, b"server reply:a\n", b"")
        server.log.wait_for(rb"ended: close word received; messages 1")

    @pytest.mark.parametrize(
        ("options", "sent"),
        [([], b"Ab\nC\r\n"), (["--eol=crlf"], b"Ab\r\nC\r\n"), (["--eol=none"], b"AbC"), (["--lower"], b"ab\nc\r\n")],
    )
    def test_lines_are_sent_as_asked_for(self, options: list[str], sent: bytes) -> None:
        received = bytearray()

        def serve(connection: socket.socket) -> None:
            while more := connection.recv(65536):
                received.extend(more)

        with one_shot_server(serve) as port:
            assert client(*options, "127.0.0.1", port, typed=b"Ab\nC\r\n").returncode == 0
        assert bytes(received) == sent

    def test_no_reply_is_lost_to_a_reader_that_is_slow_to_begin(self, server: Server, tmp_path: Path) -> None:
        lines = tmp_path / "lines"
        lines.write_bytes(b"x" * 70 + b"\n")
        lines.write_bytes(lines.read_bytes() * 40_000)
        # The reader begins when the client would long have left a silent server.
        pipeline = f"{CLIENT} --wait=0.2 127.0.0.1 {server.port} <{lines} | (sleep 1; wc -l)"
        completed = subprocess.run(pipeline, shell=True, capture_output=True, timeout=PATIENCE, check=False)
        assert (completed.returncode, int(completed.stdout), completed.stderr) == (0, 40_000, b"")

    def test_it_is_quiet_when_its_reader_has_seen_enough(self, server: Server) -> None:
        pipeline = f"yes | {CLIENT} 127.0.0.1 {server.port} | head -1"
        completed = subprocess.run(pipeline, shell=True, capture_output=True, timeout=PATIENCE, check=False)
        assert result_of(completed) == (0, b"server reply:y\n", b"")

    def test_output_that_can_not_be_written_is_an_error(self, server: Server) -> None:
        if not Path("/dev/full").exists():
            pytest.skip("there is no /dev/full")
        with open("/dev/full", "wb") as full:
            command = [CLIENT, "127.0.0.1", str(server.port)]
            completed = subprocess.run(
                command, input=b"hello\n", stdout=full, stderr=subprocess.PIPE, timeout=PATIENCE, check=False
            )
        assert result_of(completed) == (1, None, b"echoreply-client: cannot write to standard output\n")

    def test_the_flags_of_a_pipe_are_left_as_they_were(self, server: Server) -> None:
        (stdin, keyboard), (screen, stdout) = os.pipe(), os.pipe()
        os.set_blocking(stdout, False)
        os.write(keyboard, b"hello\nquit\n")
        before = [fcntl.fcntl(end, fcntl.F_GETFL) for end in (stdin, stdout)]
        subprocess.run(
            [CLIENT, "127.0.0.1", str(server.port)], stdin=stdin, stdout=stdout, timeout=PATIENCE, check=True
        )
        assert os.read(screen, 100) == b"server reply:hello\n"
        assert [fcntl.fcntl(end, fcntl.F_GETFL) for end in (stdin, stdout)] == before
        for end in (stdin, keyboard, screen, stdout):
            os.close(end)


# A process that is started by a large one counts as large as that for a moment; a small one between keeps it apart.
MEASURED = """
import resource, subprocess, sys
status = subprocess.call(sys.argv[1:])
print("resident", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(status)
"""


class TestFile:
    LINE = b"a line that is long enough to be like those that people keep in files\n"

    def test_a_large_file_is_answered_line_by_line_in_bounded_memory(self, server: Server, tmp_path: Path) -> None:
        given, got = tmp_path / "given", tmp_path / "got"
        count = 100_000_000 // len(self.LINE)
        given.write_bytes(self.LINE * count)
        command = [sys.executable, "-c", MEASURED, CLIENT, "127.0.0.1", str(server.port)]
        with given.open("rb") as stdin, got.open("wb") as stdout:
            completed = subprocess.run(
                command, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, timeout=PATIENCE, check=False
            )
        assert completed.returncode == 0
        assert got.read_bytes() == (b"server reply:" + self.LINE) * count
        assert resident(completed.stderr) < RESIDENT_LIMIT

    def test_a_server_that_sends_without_end_waits_for_a_slow_reader(self) -> None:
        chunk, count = b"x" * 1_000_000, 200
        filled = threading.Event()

        def serve(connection: socket.socket) -> None:
            for _ in range(count):
                # When it has taken nothing for so long, the client waits. Should it only be slow, nothing is lost but
                # that the test sees less.
                if not select.select([], [connection], [], 0.5)[1]:
                    filled.set()
                connection.sendall(chunk)
            filled.set()

        with one_shot_server(serve) as port:
            command = [sys.executable, "-c", MEASURED, CLIENT, "127.0.0.1", str(port)]
            with subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            ) as process:
                assert filled.wait(PATIENCE)
                stdout, stderr = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0
        assert stdout == chunk * count
        assert resident(stderr) < RESIDENT_LIMIT


def resident(stderr: bytes) -> int:
    """Give the most memory that a measured process has had, in KiB: macOS counts it in bytes."""
    most = int(stderr.split()[-1])
    return most // 1024 if sys.platform == "darwin" else most


class TestServersEnd:
    def test_a_server_that_closes_unasked_is_told(self) -> None:
        def serve(connection: socket.socket) -> None:
            connection.sendall(b"server error: too many connections\n")

        with (
            one_shot_server(serve) as port,
            Terminal(CLIENT, "127.0.0.1", str(port), stdout=subprocess.PIPE) as terminal,
        ):
            assert terminal.wait() == 1
            assert terminal.process.stdout is not None
            assert terminal.process.stdout.read() == b"server error: too many connections\n"
            terminal.screen.wait_for(b"the server closed the connection\r\n")

    def test_a_reset_is_told(self) -> None:
        def serve(connection: socket.socket) -> None:
            connection.recv(1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        with one_shot_server(serve) as port, Terminal(CLIENT, "--plain", "127.0.0.1", str(port)) as terminal:
            terminal.type(b"hello\n")
            assert terminal.wait() == 1
            terminal.screen.wait_for(b"the connection was reset\r\n")

    def test_one_that_does_not_close_is_left_after_a_silence(self) -> None:
        def serve(connection: socket.socket) -> None:
            connection.sendall(b"hello\n")
            assert connection.recv(1) == b"", "the client has closed its sending side"
            connection.sendall(b"late\n")
            assert connection.recv(1) == b""

        with one_shot_server(serve) as port:
            assert result_of(client("--wait=1", "127.0.0.1", port)) == (0, b"hello\nlate\n", b"")


class TestMistakes:
    def test_a_refused_connection(self) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
            expected = f"echoreply-client: cannot connect to 127.0.0.1:{port}: connection refused\n".encode()
            assert result_of(client("127.0.0.1", port)) == (1, b"", expected)

    def test_a_host_that_does_not_exist(self) -> None:
        expected = b"echoreply-client: cannot connect to no-such-host.invalid:8088: no such host\n"
        assert result_of(client("no-such-host.invalid")) == (1, b"", expected)

    def test_a_host_that_is_no_name(self) -> None:
        completed = client("a" * 64 + "..b")
        assert completed.returncode == 1
        assert completed.stderr.count(b"\n") == 1

    def test_no_answer(self) -> None:
        with ExitStack() as stack:
            port = stack.enter_context(deaf_listener())
            expected = f"echoreply-client: cannot connect to 127.0.0.1:{port}: no answer within 0.1 s\n".encode()
            assert result_of(client("--connect-timeout=0.1", "127.0.0.1", port)) == (1, b"", expected)

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["--nonsense"], "unknown option --nonsense; see --help"),
            (["localhost", "http"], "PORT takes a whole number, 1 to 65535, not 'http'"),
            (["--eol=cr"], "--eol takes lf, crlf or none, not 'cr'"),
            (["--wait=soon"], "--wait takes a number of seconds, more than 0, not 'soon'"),
            (["--connect-timeout=0"], "--connect-timeout takes a number of seconds, more than 0, not '0'"),
        ],
    )
    def test_bad_usage_is_one_line_and_status_2(self, arguments: list[str], said: str) -> None:
        assert result_of(client(*arguments)) == (2, b"", f"echoreply-client: {said}\n".encode())

    @pytest.mark.parametrize(("closed", "name"), [("<&-", "input"), (">&-", "output")])
    def test_closed_descriptors_are_told(self, closed: str, name: str) -> None:
        completed = subprocess.run(f"{CLIENT} {closed}", shell=True, capture_output=True, timeout=PATIENCE, check=False)
        expected = f"echoreply-client: standard {name} is closed; give a file, such as /dev/null\n".encode()
        assert result_of(completed) == (2, b"", expected)


@contextmanager
def deaf_listener() -> Iterator[int]:
    """Give a port that answers no more: its queue is full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        full = False
        while not full:
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0.2)
            try:
                filler.connect(listener.getsockname())
            except TimeoutError:
                full = True
        yield listener.getsockname()[1]


class TestTerminal:
    """What C{--plain} keeps at a terminal: lines, without an editor. That has tests of its own in C{test_editor.py}."""

    @pytest.fixture
    def terminal(self, server: Server) -> Iterator[Terminal]:
        with Terminal(CLIENT, "--plain", "127.0.0.1", str(server.port)) as terminal:
            terminal.screen.wait_for(b"connected to 127.0.0.1:%d from 127.0.0.1:\\d+\r\n" % server.port)
            terminal.screen.wait_for(b"quit or Ctrl-D exits\r\n")
            yield terminal

    def test_typing_a_line_shows_its_reply(self, terminal: Terminal) -> None:
        for word in (b"hello", "中文".encode()):
            terminal.type(word + b"\n")
            terminal.screen.wait_for(b"server reply:" + word + b"\r\n")
        terminal.type(b"quit\n")
        assert terminal.wait() == 0

    @pytest.mark.parametrize(("options", "shown"), [([], rb"\\x1b\[31m\\x07"), (["--raw"], rb"\x1b\[31m\x07")])
    def test_control_bytes_are_shown_unless_they_are_asked_for(self, options: list[str], shown: bytes) -> None:
        def serve(connection: socket.socket) -> None:
            connection.sendall(b"begin \x1b[31m\x07 end\n")

        with one_shot_server(serve) as port, Terminal(CLIENT, "--plain", *options, "127.0.0.1", str(port)) as terminal:
            terminal.screen.wait_for(rb"begin " + shown + rb" end\r\n")
            assert terminal.wait() == 1

    def test_a_pipe_gets_the_bytes_also_when_a_person_types(self) -> None:
        def serve(connection: socket.socket) -> None:
            connection.sendall(b"\x1b[31m\n")

        with (
            one_shot_server(serve) as port,
            Terminal(CLIENT, "127.0.0.1", str(port), stdout=subprocess.PIPE) as terminal,
        ):
            assert terminal.process.stdout is not None
            assert terminal.process.stdout.read() == b"\x1b[31m\n"
            assert terminal.wait() == 1

    @pytest.mark.parametrize(("keys", "status"), [(b"quit\n", 0), (b"\x04", 0), (b"\x03", 130)])
    def test_a_server_that_says_nothing_can_be_left(self, keys: bytes, status: int) -> None:
        left = threading.Event()

        def serve(_connection: socket.socket) -> None:
            assert left.wait(PATIENCE)

        with one_shot_server(serve) as port:
            # Were it the server that is waited for, neither would end.
            try:
                with Terminal(CLIENT, "--plain", "127.0.0.1", str(port)) as terminal:
                    terminal.screen.wait_for(b"quit or Ctrl-D exits\r\n")
                    terminal.type(b"hello\n")
                    terminal.type(keys)
                    assert terminal.wait() == status
            finally:
                left.set()

    def test_exit_leaves(self, terminal: Terminal) -> None:
        terminal.type(b"exit\n")
        assert terminal.wait() == 0
        terminal.screen.wait_for(b"closed by the server\r\n")

    def test_ctrl_d_leaves(self, terminal: Terminal) -> None:
        terminal.type(b"hello\n")
        terminal.screen.wait_for(b"server reply:hello\r\n")
        terminal.type(b"\x04")
        assert terminal.wait() == 0

    def test_ctrl_d_in_the_middle_of_a_line_sends_what_there_is(self, terminal: Terminal) -> None:
        terminal.type(b"hel\x04\x04")
        terminal.screen.wait_for(b"server reply:hel")
        assert terminal.wait() == 0

    def test_ctrl_c_leaves_with_130(self, terminal: Terminal) -> None:
        terminal.type(b"\x03")
        assert terminal.wait() == 130

    def test_sigterm_leaves_with_143(self, terminal: Terminal) -> None:
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.wait() == 143

    def test_a_server_that_stops_is_told(self, server: Server, terminal: Terminal) -> None:
        server.stop()
        assert terminal.wait() == 1
        terminal.screen.wait_for(b"the server closed the connection\r\n")

    def test_ctrl_c_while_it_connects_leaves_with_130(self) -> None:
        with (
            deaf_listener() as port,
            Terminal(CLIENT, "--plain", "--connect-timeout=60", "127.0.0.1", str(port)) as terminal,
        ):
            deadline = time.monotonic() + PATIENCE
            while not is_connecting(terminal.process.pid, port):
                assert time.monotonic() < deadline, "the client did not connect"
                time.sleep(0.01)
            terminal.type(b"\x03")
            assert terminal.wait() == 130


def is_connecting(process: int, port: int) -> bool:
    """Return whether a process has sent a SYN to a port and waits for the answer, as the kernel shows it."""
    table, descriptors = Path("/proc/net/tcp"), Path(f"/proc/{process}/fd")
    if not table.exists():
        pytest.skip("connections in progress are seen in Linux's /proc/net/tcp only")
    sockets = set()
    for descriptor in descriptors.iterdir():
        with suppress(FileNotFoundError):
            sockets.add(os.readlink(descriptor))
    rows = [row.split() for row in table.read_text().splitlines()]
    return any(
        row[2].endswith(f":{port:04X}") and row[3] == "02" and f"socket:[{row[9]}]" in sockets for row in rows[1:]
    )
