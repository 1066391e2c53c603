"""C{twistd echoreply} as users start it."""

from __future__ import annotations

import re
import signal
import socket
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Start
from tests.support import wire_contract as wire
from tests.support.processes import (
    CHOICES,
    LONG_PREFIX,
    client_that_does_not_read,
    outliving,
    serve_as_daemon,
    stop_while_it_answers,
    twistd,
)
from tests.support.wire_contract import PATIENCE


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_the_contract_holds_on_every_reactor(choice: tuple[str, ...], start_as_told: Start) -> None:
    server = start_as_told("--log-messages=10", f"--pause={wire.PAUSE}", twistd_options=choice)
    for case in wire.CASES:
        case(server.dial())
    assert server.stop() == -signal.SIGTERM
    log = server.log.all()
    assert b"Traceback" not in log
    assert b"Unhandled" not in log
    last = re.search(rb"stopped: accepted (\d+), open 0, ended (\d+) ", log)
    assert last
    assert int(last[1]) == int(last[2]) >= len(wire.CASES)


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_the_log_begins_with_the_engine(choice: tuple[str, ...], start_as_told: Start) -> None:
    engine = b"twisted" if choice else b"uvloop"
    server = start_as_told(twistd_options=choice)
    assert server.log.so_far().splitlines()[0].endswith(b"[echoreply#info] engine: " + engine)


def test_two_reactors_are_a_mistake(tmp_path: Path) -> None:
    ended = twistd(tmp_path, "-n", "--reactor=poll", "echoreply", "--engine=uvloop")
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.endswith("and another is installed: leave out --reactor\n")


def test_a_long_burst_after_short_messages_comes_back_under_read_framing(start: Start) -> None:
    server = start("--framing=read", "--prefix=")
    every = bytes(range(256)) * 4000
    with server.dial()() as connection:
        for _ in range(10):
            connection.send(b"a")
            connection.expect(b"a")
        server.pause()
        sending = threading.Thread(target=connection.send, args=[every])
        sending.start()
        server.resume()
        connection.expect(every)
        sending.join()


def test_the_log_tells_what_happens_a_line_each(start: Start) -> None:
    server = start("--interface=127.0.0.1")
    with server.dial()() as connection:
        peer = b"127.0.0.1:%d" % connection.socket.getsockname()[1]
        connection.send("hello\r\n中文 \x1b[31m\nexit\n".encode())
        connection.read_all()
    server.log.wait_for(b" ended: ")
    lines = [re.sub(rb"^\S+ \[echoreply#info\] ", b"", line) for line in server.log.so_far().splitlines()]
    assert b"listening on 127.0.0.1:%d" % server.port in lines
    assert lines[-4:] == [
        peer + b" connected",
        peer + b' sent "hello"',
        peer + b" sent " + r'"中文 \x1b[31m"'.encode(),
        peer + b" ended: close word received; messages 2, bytes in 25, bytes out 46",
    ]


def test_messages_beyond_the_rate_are_counted(start: Start) -> None:
    server = start("--log-messages=3")
    wire.exchange(server.dial(), b"x\n" * 10, b"server reply:x\n" * 10)
    server.log.wait_for(rb"messages not logged: 7\n")
    assert server.log.so_far().count(b'sent "x"') == 3


def test_options_reach_the_server(start: Start) -> None:
    server = start("--prefix=>", "--transform=upper", "--framing=line", "--max-message=5", "--log-messages=0")
    wire.exchange(server.dial(), b"hello\nhello!\n", b">HELLO\nserver error: message longer than 5 bytes\n")
    server.log.wait_for(rb"ended: message too long; messages 1")
    assert b"sent" not in server.log.so_far()


def test_the_pause_can_be_chosen(start: Start) -> None:
    server = start("--pause=0.01")
    with server.dial()() as connection:
        connection.send(b"x")
        connection.expect(b"server reply:x")


@pytest.mark.parametrize("interface", ["127.0.0.1", "::1"])
def test_it_listens_where_it_is_told(interface: str, start: Start) -> None:
    server = start(f"--interface={interface}")
    wire.half_close_is_answered(server.dial(interface))
    other = {"127.0.0.1": "::1", "::1": "127.0.0.1"}[interface]
    with pytest.raises(ConnectionRefusedError):
        server.dial(other)()


def test_bytes_that_wait_in_the_kernel_are_no_silence(start: Start) -> None:
    server = start("--pause=1")
    with server.dial()() as connection:
        connection.send(b"hel")
        server.log.wait_for(b" connected")
        server.pause()
        connection.send(b"lo")
        time.sleep(1.2)  # The pause passes; that it is too short could only let a wrong server pass.
        server.resume()
        connection.expect(b"server reply:hello")


def test_what_the_terminal_cannot_show_is_not_lost_from_the_log(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    server = start()
    wire.exchange(server.dial(), "é中\n".encode(), "server reply:é中\n".encode())
    server.log.wait_for(rb'sent "\xe9\\u4e2d"')


class TestMistakes:
    """A mistake is answered with one line that says what is wrong and what would be right."""

    @pytest.mark.parametrize(
        ("option", "value", "takes"),
        [
            ("--port", "99999", "a whole number, 0 to 65535"),
            ("--port", "http", "a whole number, 0 to 65535"),
            ("--interface", "name.example", "an IP address of this machine, or localhost"),
            ("--transform", "rot13", "none, upper or lower"),
            ("--framing", "block", "auto, line or read"),
            ("--pause", "0", "a number of seconds, more than 0"),
            ("--max-message", "0", "a whole number, 1 or more"),
            ("--log-messages", "-1", "a whole number, 0 or more"),
            ("--drain", "soon", "a number of seconds, 0 or more"),
        ],
    )
    def test_a_bad_value_is_named_with_its_option_and_what_that_takes(
        self, option: str, value: str, takes: str, tmp_path: Path
    ) -> None:
        result = twistd(tmp_path, "-n", "echoreply", f"{option}={value}")
        assert result.returncode == 1
        said = f"twistd echoreply: {option} takes {takes}, not '{value}'\n"
        assert (result.stdout, result.stderr) == ("", said)

    @pytest.mark.parametrize("daemon", [False, True], ids=["foreground", "daemon"])
    @pytest.mark.parametrize("interface", ["127.0.0.1", "*"])
    def test_a_port_in_use_ends_it_with_a_line(self, interface: str, daemon: bool, engine: str, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            where = f"{interface}:{port}"
            arguments = ["echoreply", "-p", str(port), engine, *(["-i", interface] if interface != "*" else [])]
            with outliving() as process:
                result = twistd(tmp_path, *([] if daemon else ["-n"]), *arguments, pass_fds=[process])
        assert result.returncode == 1
        said = [line for line in (result.stdout + result.stderr).splitlines() if "in use" in line]
        assert len(said) == 1
        assert re.search(re.escape(f"cannot listen on {where}: Address already in use") + "'?$", said[0])
        log = tmp_path / "twistd.log"
        assert "Traceback" not in result.stdout + result.stderr + (log.read_text() if log.exists() else "")
        assert not (tmp_path / "twistd.pid").exists()

    def test_an_address_of_another_machine_ends_it_with_a_line(self, tmp_path: Path) -> None:
        result = twistd(tmp_path, "-n", "echoreply", "-i", "192.0.2.1", "-p", "0")
        assert result.returncode == 1
        assert "cannot listen on 192.0.2.1:0: Cannot assign requested address" in result.stdout


class TestStopping:
    """Connections while the server stops."""

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_it_ends_by_the_signal_as_twistd_does(self, number: int, start: Start) -> None:
        server = start()
        wire.half_close_is_answered(server.dial())
        assert server.stop(number) == -number

    def test_what_has_arrived_is_answered_and_nothing_is_cut(self, start: Start) -> None:
        server = start("--log-messages=1", "--drain=60")
        stop_while_it_answers(server, server.dial())

    def test_what_waits_in_the_kernel_has_arrived(self, start: Start) -> None:
        server = start("--drain=60")
        with server.dial()() as connection:
            connection.send(b"a\n")
            connection.expect(b"server reply:a\n")
            server.pause()
            connection.send(b"b\nc\nhal")
            server.process.send_signal(signal.SIGTERM)
            server.resume()
            connection.expect(b"server reply:b\nserver reply:c\n")
            connection.expect_end()
        assert server.process.wait(PATIENCE) == -signal.SIGTERM

    def test_a_message_ended_by_a_fin_has_arrived_with_it(self, start: Start) -> None:
        server = start("--drain=60", "--log-messages=1")
        with server.dial()() as connection:
            connection.send(b"a\n")
            connection.expect(b"server reply:a\n")
            server.pause()
            connection.send(b"b\n" * 20_000 + b"rest")
            connection.finish()
            server.process.send_signal(signal.SIGTERM)
            server.resume()
            connection.expect(b"server reply:b\n" * 20_000 + b"server reply:rest")
            connection.expect_end()
        assert server.process.wait(PATIENCE) == -signal.SIGTERM

    @pytest.mark.parametrize("choice", CHOICES, ids=str)
    def test_clients_that_wait_to_be_accepted_have_connected(
        self, choice: tuple[str, ...], start_as_told: Start
    ) -> None:
        server = start_as_told("--drain=60", twistd_options=choice)
        server.pause()
        with ExitStack() as stack:
            connections = [stack.enter_context(server.dial()()) for _ in range(150)]
            for connection in connections:
                connection.send(b"hello\n")
            server.process.send_signal(signal.SIGTERM)
            server.resume()
            for connection in connections:
                connection.expect(b"server reply:hello\n")
                connection.expect_end()
        assert server.process.wait(PATIENCE) == -signal.SIGTERM

    def test_new_clients_are_refused_while_others_are_let_go(self, start: Start) -> None:
        server = start("--drain=60")
        with server.dial()() as connection:
            server.process.send_signal(signal.SIGTERM)
            connection.expect_end()
            with pytest.raises(ConnectionRefusedError):
                server.dial()()
        assert server.process.wait(PATIENCE) == -signal.SIGTERM

    def test_a_client_that_does_not_read_is_aborted_in_the_end(self, start: Start) -> None:
        server = start("--drain=0.1", LONG_PREFIX)
        with client_that_does_not_read(server):
            assert server.stop() == -signal.SIGTERM
            server.log.wait_for(b"ended: aborted: drain timeout")


def test_as_a_daemon_it_serves_and_leaves_nothing_behind(engine: str, tmp_path: Path) -> None:
    serve_as_daemon(tmp_path, engine)


def test_help_names_every_option(tmp_path: Path) -> None:
    result = twistd(tmp_path, "echoreply", "--help")
    assert result.returncode == 0
    for option in (
        "port",
        "interface",
        "prefix",
        "transform",
        "framing",
        "pause",
        "max-message",
        "log-messages",
        "drain",
    ):
        assert f"--{option} " in result.stdout
