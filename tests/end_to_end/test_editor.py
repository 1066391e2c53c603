"""C{echoreply-client} as a line editor, on a terminal emulator."""

from __future__ import annotations

import re
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Start, installed
from tests.end_to_end.test_client_program import one_shot_server
from tests.support.processes import CLIENT, Server, client, free_port
from tests.support.terminal_emulator import Emulator
from tests.support.tls_peers import Authority
from tests.support.wire_contract import PATIENCE

UP, LEFT, RIGHT, DELETE = "\x1b[A", "\x1b[D", "\x1b[C", "\x1b[3~"
CTRL_A, CTRL_C, CTRL_D, CTRL_E, CTRL_R, CTRL_Z, CTRL_BRACKET = "\x01", "\x03", "\x04", "\x05", "\x12", "\x1a", "\x1d"
BACKSPACE = "\x7f"


def paste(text: str) -> str:
    """Give what a terminal sends when a text is pasted."""
    return f"\x1b[200~{text}\x1b[201~"


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the history's file, of a person at a terminal with colours."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return tmp_path / "state" / "echoreply" / "history"


@pytest.fixture
def server(start_as_told: Start) -> Server:
    return start_as_told()


@contextmanager
def connected(*arguments: str | int) -> Iterator[Emulator]:
    """Give a terminal on which the client has connected, and waits for a line."""
    with Emulator(CLIENT, *map(str, arguments)) as emulator:
        emulator.wait_for("Ctrl-] shows help")
        emulator.wait_until(lambda: emulator.cursor() == (">", 2))
        yield emulator


@pytest.fixture
def emulator(server: Server) -> Iterator[Emulator]:
    with connected("127.0.0.1", server.port) as emulator:
        yield emulator


class Cues:
    """A server that sends what a test tells it to, when it does."""

    def __init__(self) -> None:
        self.received = bytearray()
        self._connections: list[socket.socket] = []
        self._connected = threading.Event()

    def serve(self, connection: socket.socket) -> None:
        self._connections.append(connection)
        self._connected.set()
        while more := connection.recv(65536):
            self.received += more

    def send(self, data: bytes) -> None:
        assert self._connected.wait(PATIENCE)
        self._connections[0].sendall(data)


class TestEditing:
    def test_a_line_is_sent_and_its_reply_shown(self, emulator: Emulator) -> None:
        emulator.type("hello\r")
        emulator.wait_for_rows("> hello", "< server reply:hello", ">")

    def test_wide_and_combining_characters_are_edited_as_one_while_replies_arrive(self) -> None:
        cues = Cues()
        with one_shot_server(cues.serve) as port, connected("127.0.0.1", port) as emulator:
            emulator.type("a中文🙂e\u0301z")
            # The emulator makes one code point of two.
            emulator.wait_until(lambda: emulator.cursor() == ("> a中文🙂\u00e9z", 11))
            emulator.type(LEFT * 2)
            emulator.wait_until(lambda: emulator.cursor()[1] == 9)
            for number in range(50):
                cues.send(b"reply %d\n" % number)
            emulator.wait_for_rows("< reply 49", "> a中文🙂\u00e9z")
            # The smiley, then é: two code points, and one character.
            emulator.type(BACKSPACE + DELETE)
            emulator.wait_until(lambda: emulator.cursor() == ("> a中文z", 7))
            cues.send(b"another\n")
            emulator.wait_for_rows("< another", "> a中文z")
            emulator.type(LEFT + RIGHT + LEFT + "x" + CTRL_A + "y" + CTRL_E + "\r")
            emulator.wait_for_rows("> ya中x文z", ">")
            emulator.type(CTRL_D)
            assert emulator.wait() == 0
        assert cues.received.decode() == "ya中x文z\n"

    def test_replies_without_an_end_and_very_long_ones_do_not_break_the_line(self) -> None:
        cues = Cues()
        with one_shot_server(cues.serve) as port, connected("127.0.0.1", port) as emulator:
            emulator.type("half")
            cues.send(b"no end")
            emulator.wait_for_rows("< no end", "> half")
            cues.send(b" yet")
            emulator.wait_for_rows("< no end yet", "> half")
            cues.send(b"\n" + b"x" * 1000)
            emulator.wait_for_rows("< no end yet", "< " + "x" * 78, *["x" * 80] * 11, "x" * 42, "> half")
            cues.send(b"\n" + b"y" * 100_000 + b"\nz\n")
            emulator.wait_for_rows("y" * 80, "y" * 2, "< z", "> half")
            emulator.type("-typed\r" + CTRL_D)
            assert emulator.wait() == 0
        assert cues.received == b"half-typed\n"

    def test_what_a_server_sends_does_not_drive_the_terminal(self) -> None:
        cues = Cues()
        with one_shot_server(cues.serve) as port, connected("127.0.0.1", port) as emulator:
            cues.send(b"a\x1b[2J\x07\xff\x9bz\n")
            emulator.wait_for_rows(r"< a\x1b[2J\x07\xff\x9bz", ">")
            emulator.type(CTRL_C)
            assert emulator.wait() == 130

    def test_unless_that_is_asked_for(self) -> None:
        cues = Cues()
        with one_shot_server(cues.serve) as port, connected("--raw", "127.0.0.1", port) as emulator:
            cues.send(b"gone\x1b[2J\x1b[Hhere\n")
            emulator.wait_until(lambda: emulator.rows()[-2:] == ["here", ">"])
            emulator.type(CTRL_C)
            assert emulator.wait() == 130

    def test_two_hundred_lines_are_pasted_and_none_is_lost(self, server: Server) -> None:
        with connected("127.0.0.1", server.port) as emulator:
            emulator.type(paste("\r".join(f"line {n}" for n in range(200)) + "\rrest"))
            emulator.wait_for_rows("< server reply:line 199", "> rest")
            rows = emulator.rows()
            for mark in ("> ", "< server reply:"):
                assert [row for row in rows if row.startswith(mark + "line")] == [f"{mark}line {n}" for n in range(200)]

    def test_lines_are_pasted_also_by_terminals_that_do_not_say_so(self, emulator: Emulator) -> None:
        emulator.type("a\tb\nc\rrest")
        emulator.wait_for_rows("< server reply:c", "> rest")
        emulator.wait_for("< server reply:a        b")

    def test_a_window_can_be_resized_while_a_line_is_typed(self, emulator: Emulator) -> None:
        emulator.type("x" * 60)
        emulator.wait_until(lambda: emulator.cursor()[1] == 62)
        emulator.resize(40, 24)
        emulator.wait_until(lambda: emulator.cursor() == ("x" * 22, 22))
        emulator.resize(100, 30)
        emulator.wait_until(lambda: emulator.cursor() == ("> " + "x" * 60, 62))
        emulator.type("y\r")
        emulator.wait_for_rows("< server reply:" + "x" * 60 + "y", ">")

    def test_any_key_can_be_part_of_a_line(self, emulator: Emulator) -> None:
        emulator.type("a\x11" + CTRL_C + "\x11" + CTRL_BRACKET + "\x11" + CTRL_Z + "\x11\x1b\r")
        emulator.wait_for_rows(r"> a\x03\x1d\x1a\x1b", r"< server reply:a\x03\x1d\x1a\x1b", ">")
        emulator.type("one\x11\ntwo\r")
        emulator.wait_for_rows("> one", "> two", "< server reply:one", "< server reply:two", ">")

    def test_a_key_tells_the_keys(self, emulator: Emulator) -> None:
        emulator.type("half" + CTRL_BRACKET)
        emulator.wait_for("Ctrl-R searches")
        emulator.wait_for("Ctrl-C exits at once")
        emulator.wait_until(lambda: emulator.cursor() == ("> half", 6))


class TestHistory:
    def test_it_is_kept_from_one_run_to_the_next_for_its_owner_only(self, server: Server, state: Path) -> None:
        with connected("127.0.0.1", server.port) as emulator:
            emulator.type("first\r中文\r")
            emulator.wait_for("< server reply:中文")
            emulator.type("exit\r")
            assert emulator.wait() == 0
        assert stat.S_IMODE(state.stat().st_mode) == 0o600
        with connected("127.0.0.1", server.port) as emulator:
            for line in ("exit", "中文", "first"):
                emulator.type(UP)
                emulator.wait_until(lambda line=line: emulator.cursor()[0] == f"> {line}")  # type: ignore[misc]
            emulator.type("\r")
            emulator.wait_for_rows("> first", "< server reply:first", ">")
            # Of this run, too.
            emulator.type(UP)
            emulator.wait_until(lambda: emulator.cursor()[0] == "> first")

    def test_it_is_searched_backwards(self, emulator: Emulator) -> None:
        for line in ("needle in hay", "needle two", "other"):
            emulator.type(f"{line}\r")
            emulator.wait_for_rows(f"< server reply:{line}", ">")
        emulator.type(CTRL_R + "need")
        emulator.wait_until(lambda: "> needle two" in emulator.rows()[-2:])
        emulator.type(CTRL_R)
        emulator.wait_until(lambda: "> needle in hay" in emulator.rows()[-2:])
        emulator.type("\r")
        emulator.wait_for_rows("> needle in hay", "< server reply:needle in hay", ">")

    def test_none_is_known_nor_kept_if_so_asked(self, server: Server, state: Path) -> None:
        with connected("--no-history", "127.0.0.1", server.port) as emulator:
            emulator.type("secret\r")
            emulator.wait_for("< server reply:secret")
            emulator.type("exit\r")
            assert emulator.wait() == 0
        assert not state.exists()

    def test_a_file_that_can_not_be_used_is_told_in_one_line(self, server: Server, state: Path) -> None:
        state.mkdir(parents=True)
        with connected("127.0.0.1", server.port) as emulator:
            for line in ("a", "b"):
                emulator.type(f"{line}\r")
                emulator.wait_for(f"< server reply:{line}")
            said = "".join(emulator.rows())
            assert said.count("history is not saved") == 1
            assert said.count("is a directory") == 1

    def test_what_was_half_typed_when_the_server_closed_is_kept(self, server: Server, state: Path) -> None:
        with connected("127.0.0.1", server.port) as emulator:
            emulator.type("half")
            emulator.wait_until(lambda: emulator.cursor()[0] == "> half")
            server.stop()
            assert emulator.wait() == 1
            emulator.wait_for_rows("echoreply-client: the server closed the connection")
        assert state.read_text() == "half\n"


class TestLeaving:
    @pytest.mark.parametrize(("keys", "status"), [("quit\r", 0), ("exit\r", 0), (CTRL_D, 0), (CTRL_C, 130)])
    def test_the_terminal_is_left_as_it_was(self, keys: str, status: int, emulator: Emulator) -> None:
        emulator.type("hello\r")
        emulator.wait_for_rows("< server reply:hello", ">")
        emulator.type(keys)
        assert emulator.wait() == status
        emulator.wait_until(lambda: ">" not in emulator.rows())

    def test_ctrl_d_is_no_end_in_the_middle_of_a_line(self, emulator: Emulator) -> None:
        emulator.type("ab" + LEFT * 2 + CTRL_D + "\r")
        emulator.wait_for_rows("> b", "< server reply:b", ">")

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_signal_leaves_it_so_too(self, number: int, emulator: Emulator) -> None:
        emulator.type("half")
        emulator.wait_until(lambda: emulator.cursor()[0] == "> half")
        emulator.terminal.process.send_signal(number)
        assert emulator.wait() == 128 + number

    def test_it_can_be_stopped_and_go_on(self, server: Server) -> None:
        with Emulator(installed("bash"), "--norc", "--noprofile", "-i") as emulator:
            emulator.type("PS1='shell: '\r")
            emulator.wait_until(lambda: emulator.cursor()[0] == "shell:")
            emulator.type(f"{CLIENT} 127.0.0.1 {server.port}\r")
            emulator.wait_until(lambda: emulator.cursor() == (">", 2))
            emulator.type("half")
            emulator.wait_until(lambda: emulator.cursor()[0] == "> half")
            emulator.type(CTRL_Z)
            emulator.wait_for("Stopped")
            emulator.wait_until(lambda: emulator.cursor()[0] == "shell:")
            emulator.type("fg\r")
            emulator.wait_until(lambda: emulator.cursor() == ("> half", 6))
            emulator.type("-typed\r")
            emulator.wait_for_rows("< server reply:half-typed", ">")
            emulator.type("quit\r")
            emulator.wait_until(lambda: emulator.cursor()[0] == "shell:")
            emulator.type("exit\r")
            emulator.terminal.process.wait(PATIENCE)

    def test_a_connection_that_can_not_be_made_is_told(self) -> None:
        port = free_port()
        with Emulator(CLIENT, "127.0.0.1", str(port)) as emulator:
            assert emulator.wait() == 1
            emulator.wait_for_rows(f"echoreply-client: cannot connect to 127.0.0.1:{port}: connection refused")


class TestColour:
    def test_sent_received_and_our_words_have_their_own(self, emulator: Emulator) -> None:
        emulator.type("hello\r")
        emulator.wait_for_rows("< server reply:hello", ">")
        colours = [emulator.colour_of(text) for text in ("> hello", "< server", "echoreply-client: connected")]
        assert colours == ["cyan", "default", "brown"]

    def test_there_is_none_if_so_asked(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NO_COLOR", "1")
        with connected("127.0.0.1", server.port) as emulator:
            emulator.type("hello\r")
            emulator.wait_for_rows("< server reply:hello", ">")
            emulator.type("exit\r")
            assert emulator.wait() == 0
        assert not re.search(rb"\x1b\[[0-9;]*[34][0-9][0-9;]*m", emulator.terminal.screen.so_far())

    @pytest.mark.parametrize(("options", "term"), [(["--plain"], "xterm-256color"), ([], "dumb"), ([], "")])
    def test_a_plain_terminal_has_lines_and_nothing_else(
        self, options: list[str], term: str, server: Server, monkeypatch: pytest.MonkeyPatch, state: Path
    ) -> None:
        monkeypatch.setenv("TERM", term)
        with Emulator(CLIENT, *options, "127.0.0.1", str(server.port)) as emulator:
            emulator.terminal.screen.wait_for(rb"type lines to send them; quit or Ctrl-D exits\r\n")
            emulator.type("hello\n")
            emulator.wait_for_rows("hello", "server reply:hello")
            emulator.type("exit\n")
            assert emulator.wait() == 0
        assert b"\x1b" not in emulator.terminal.screen.so_far()
        assert not state.exists()


class TestLooking:
    def test_replies_have_their_times(self, server: Server) -> None:
        with connected("--time", "127.0.0.1", server.port) as emulator:
            emulator.type("hello\r")
            emulator.wait_until(lambda: bool(re.match(r"< \[ *\d+\.\d\d ms\] server reply:hello", emulator.rows()[-2])))

    def test_both_ways_are_dumped(self, server: Server) -> None:
        with connected("--hex", "127.0.0.1", server.port) as emulator:
            emulator.type("hi\r")
            emulator.wait_for_rows(
                "> 00000000  68 69 0a                                          |hi.|",
                "< 00000000  73 65 72 76 65 72 20 72  65 70 6c 79 3a 68 69 0a  |server reply:hi.|",
                ">",
            )

    def test_both_ways_are_kept_in_a_file(self, server: Server, tmp_path: Path) -> None:
        path = tmp_path / "transcript"
        for _ in range(2):
            with connected("--transcript", str(path), "127.0.0.1", server.port) as emulator:
                emulator.type("中\r")
                emulator.wait_for("< server reply:中")
                emulator.type("exit\r")
                assert emulator.wait() == 0
        time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"
        one = rf'{time} > "中\\n"\n{time} < "server reply:中\\n"\n{time} > "exit\\n"\n'
        assert re.fullmatch(one * 2, path.read_text())

    def test_a_file_that_can_not_be_written_is_told_before_connecting(self, tmp_path: Path) -> None:
        with Emulator(CLIENT, "--transcript", str(tmp_path), "127.0.0.1", "1") as emulator:
            assert emulator.wait() == 2
            emulator.wait_until(lambda: "".join(emulator.rows()).endswith(f"{tmp_path}: is a directory"))
            assert "connect" not in "".join(emulator.rows())


class TestRetry:
    def test_a_server_that_was_gone_gets_every_line_that_was_typed_meanwhile(self, start_as_told: Start) -> None:
        # One that no client gets while nobody listens on it.
        here = f"tcp:{free_port()}:interface=127.0.0.1"
        server = start_as_told(listen=here)
        with connected("--retry", "127.0.0.1", server.port) as emulator:
            emulator.type("one\r")
            emulator.wait_for("< server reply:one")
            server.stop()
            emulator.wait_for("retrying in")
            emulator.type("two\rthree\r")
            emulator.wait_until(lambda: emulator.cursor()[0] == "(2 queued) >")
            emulator.wait_for("lines are queued until there is a connection")
            start_as_told(listen=here)
            emulator.wait_for_rows("< server reply:two", "< server reply:three", ">")
            emulator.wait_until(lambda: "; sending 2 queued lines" in "".join(emulator.rows()))
            emulator.type(CTRL_D)
            assert emulator.wait() == 0

    def test_a_server_that_is_not_there_yet_is_waited_for(self, start_as_told: Start) -> None:
        port = free_port()
        with Emulator(CLIENT, "--retry", "127.0.0.1", str(port)) as emulator:
            emulator.wait_for("connection refused; retrying in")
            emulator.type("hello\r")
            start_as_told(listen=f"tcp:{port}:interface=127.0.0.1")
            emulator.wait_for_rows("< server reply:hello", ">")

    def test_replies_that_are_lost_are_told(self) -> None:
        cues = Cues()

        def serve(connection: socket.socket) -> None:
            while cues.received.count(b"\n") < 2:
                cues.received += connection.recv(100)

        with one_shot_server(serve) as port, connected("127.0.0.1", port) as emulator:
            emulator.type("a\rb\r")
            assert emulator.wait() == 1
            emulator.wait_for_rows(
                "echoreply-client: lost: the replies to 2 lines", "echoreply-client: the server closed the connection"
            )


class TestBindings:
    def test_tls(self, start_as_told: Start, tmp_path: Path) -> None:
        authority = Authority(tmp_path, "Test Authority")
        certificate, key = authority.sign("127.0.0.1")
        server = start_as_told("--tls=0", f"--cert={certificate}", f"--key={key}")
        with connected("--tls", "--ca", authority.path, "127.0.0.1", server.tls_port()) as emulator:
            emulator.type("hello\r")
            emulator.wait_for_rows("< server reply:hello", ">")
            emulator.type(CTRL_D)
            assert emulator.wait() == 0

    def test_unix(self, start_as_told: Start, tmp_path: Path) -> None:
        path = tmp_path / "socket"
        server = start_as_told(f"--listen=unix:{path}")
        server.log.wait_for(rb"listening on unix:")
        with connected("--unix", str(path)) as emulator:
            emulator.type("hello\r")
            emulator.wait_for_rows("< server reply:hello", ">")
            emulator.type("exit\r")
            assert emulator.wait() == 0

    def test_udp(self, tmp_path: Path) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.settimeout(PATIENCE)
            peer.bind(("127.0.0.1", 0))
            arguments = ("--udp", "--eol=none", "--time", "127.0.0.1", peer.getsockname()[1])
            with connected(*arguments) as emulator:
                emulator.type("one\rtwo\r")
                for expected in (b"one", b"two"):
                    datagram, address = peer.recvfrom(100)
                    assert datagram == expected
                    peer.sendto(datagram.upper(), address)
                emulator.wait_until(
                    lambda: [row.split("] ")[-1] for row in emulator.rows() if "ms]" in row] == ["ONE", "TWO"]
                )
                emulator.type(paste("x" * 70_000 + "\r"))
                emulator.wait_for("does not fit in a datagram")
                emulator.type("quit\r")
                assert emulator.wait() == 1


class TestPipe:
    @pytest.mark.parametrize("option", ["--time", "--hex", "--transcript=x", "--retry", "--no-history"])
    def test_what_needs_the_editor_is_told(self, option: str) -> None:
        name = option.partition("=")[0]
        said = f"echoreply-client: {name} requires an interactive terminal"
        assert client(option, "127.0.0.1", 1) == (2, b"", f"{said}, without --plain or TERM=dumb\n".encode())

    def test_it_does_not_wait_for_the_editor_to_be_imported(self) -> None:
        code = (
            "import os, sys\n"
            "def show(status):\n"
            "    print([name for name in sys.modules if name.split('.')[0] in ('prompt_toolkit', 'wcwidth')])\n"
            "    wanted = 'twisted.internet.asyncioreactor', 'echoreply.client.pipes'\n"
            "    print([name in sys.modules for name in wanted])\n"
            "    sys.stdout.flush(); leave(status)\n"
            "leave, os._exit, sys.argv = os._exit, show, ['echoreply-client', '127.0.0.1', '1']\n"
            "from echoreply.client.command import main; main()\n"
        )
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False)
        assert done.stdout.decode().splitlines() == ["[]", "[False, True]"]

    def test_the_help_is_readable_and_begins_with_examples(self) -> None:
        status, shown, said = client("--help")
        assert (status, said) == (0, b"")
        assert shown.decode().splitlines()[4].startswith("  echoreply-client gateway.example 8088 ")
