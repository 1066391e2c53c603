"""C{twistd echoreply --log-format json}, read by jq."""

from __future__ import annotations

import os
import random
import re
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Start, installed, on_linux
from tests.support import wire_contract as wire
from tests.support.json_logs import Told, port_of, read, said, told
from tests.support.processes import TWISTD, Server, Terminal, Transcript, free_port, serve_as_daemon, twistd
from tests.support.tls_peers import Authority, TLSWire, client_context
from tests.support.udp_sockets import ask, client_of
from tests.support.wire_contract import PATIENCE, Wire

HOSTILE = [
    b"hello",
    b"",
    b"\0",
    b"\x1b[2J\x1b]0;owned\x07",
    b'"}',
    b'","event":"stopped","x":"',
    b"\\u0000 \\ud800 \\",
    b"\xed\xa0\x80 \xed\xbf\xbf",  # Halves of a pair of surrogates, as UTF-8 does not have them.
    b"\xff\xfe\xc0\xaf\xf8\x88\x80\x80\x80",
    "\u2028\u2029\x85\u202e\ufeff\ufffe".encode(),
    "中文 😀 é".encode(),
    b"NaN",
    b"{log_format} %s {0!r}",
    b"a\rb\tc",
    b"\x7f\x80",
    bytes(range(1, 10)) + bytes(range(11, 256)),
]
"""Messages that are short enough to be logged whole."""


@pytest.fixture(scope="session")
def jq() -> str:
    """Return the path of jq, or skip the test."""
    return installed("jq")


@pytest.fixture
def serve(start: Start) -> Start:
    """Return a function that starts a server with a JSON log, on each engine."""
    return partial(start, "--log-format=json")


def wait_until(so: Callable[[], object], otherwise: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not so():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.01)


def address(connection: Wire) -> str:
    host, port = connection.socket.getsockname()
    return f"{host}:{port}"


def own_fields(event: Told) -> Told:
    """Return the fields but for the time, the level and the name."""
    return {name: value for name, value in event.items() if name not in ("time", "level", "event")}


def the_end(jq: str, server: Server) -> tuple[list[Told], Told]:
    """Stop a server; return its log, and the event C{stopped}."""
    assert server.stop() == -signal.SIGTERM
    everything = read(jq, server.log.all())
    (stopped,) = [event for event in everything if event["event"] == "stopped"]
    return everything, stopped


class TestConnections:
    def test_one_is_told_from_its_beginning_to_its_end(self, jq: str, serve: Start) -> None:
        server = serve("--interface=127.0.0.1", "--framing=line", "--prefix=")
        with server.dial()() as connection:
            ends = {"connection": 1, "peer": address(connection), "host": f"127.0.0.1:{server.port}"}
            lines = b"".join(message + b"\n" for message in HOSTILE)
            connection.send(lines + b"x" * 1000 + b"\r\nexit\n")
            assert connection.read_all() == lines + b"x" * 1000 + b"\r\n"
        told(jq, server, "ended")
        everything, stopped = the_end(jq, server)
        by_name = {name: [event for event in everything if event["event"] == name] for name in ("connected", "ended")}
        messages = [event for event in everything if event["event"] == "message"]
        ends["transport"] = "tcp"
        assert [own_fields(event) for event in by_name["connected"]] == [ends]
        # What is shown has lost its terminator, CRs included.
        assert [said(event) for event in messages[:-1]] == HOSTILE
        assert [event["bytes"] for event in messages] == [*map(len, HOSTILE), 1000]
        assert messages[-1]["message"] == "x" * 256
        counts = {"messages": len(HOSTILE) + 1, "received": len(lines) + 1007, "sent": len(lines) + 1002}
        assert [own_fields(event) for event in by_name["ended"]] == [{**ends, "reason": "close_word", **counts}]
        assert own_fields(stopped) == {
            "accepted": 1,
            "open": 0,
            "ended": 1,
            "ended_by": {"close_word": 1},
            "refused": 0,
            "refused_by": {},
            "failed": 0,
            "failed_by": {},
            "dropped": 0,
            "dropped_by": {},
            **counts,
        }

    def test_what_is_logged_before_there_is_a_log_is_json_as_well(self, jq: str, serve: Start) -> None:
        first, *rest = read(jq, serve().log.so_far())
        assert (first["event"], first["engine"] in ("twisted", "uvloop")) == ("engine", True)
        (before,) = [event["before"] for event in rest if event["event"] == "connections_allowed"]
        assert before > 0
        assert "starting up." in rest[1]["text"]

    def test_where_the_page_is_is_told(self, jq: str, serve: Start) -> None:
        (page,) = told(jq, serve("--web=tcp:0:interface=127.0.0.1"), "web_listening")
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", page["url"])

    def test_messages_beyond_the_rate_are_counted(self, jq: str, serve: Start) -> None:
        server = serve("--log-messages=3")
        wire.exchange(server.dial(), b"x\n" * 10, b"server reply:x\n" * 10)
        (rest,) = told(jq, server, "not_logged")
        assert own_fields(rest) == {"what": "messages", "count": 7}
        assert len(told(jq, server, "message", 3)) == 3

    def test_who_is_idle_is_told_with_its_seconds(self, jq: str, serve: Start) -> None:
        server = serve("--idle-timeout=0.2")
        with server.dial()() as connection:
            connection.expect_end()
        (ended,) = told(jq, server, "ended")
        assert ended["reason"] == "idle"
        assert 0.1 < ended["idle"] <= 0.2

    def test_a_unix_socket_is_told_by_its_path(self, jq: str, serve: Start) -> None:
        with tempfile.TemporaryDirectory() as directory:
            path = f"{directory}/socket"
            server = serve(f"--listen=unix:{path}")
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(PATIENCE)
                client.connect(path)
                client.sendall(b"exit\n")
                assert client.recv(1) == b""
            (ended,) = told(jq, server, "ended")
            assert (ended["peer"], ended["host"], ended["transport"]) == ("unix", f"unix:{path}", "unix")


class TestTLS:
    def test_every_handshake_is_told(self, jq: str, serve: Start) -> None:
        server = serve("--tls=0", "--alpn=echo/1")
        context = client_context()
        context.set_alpn_protocols(["echo/1"])
        port = port_of(jq, server, "tls", 2)
        with (
            socket.create_connection(("127.0.0.1", port), PATIENCE) as plain,
            context.wrap_socket(plain, server_hostname="echo.example") as client,
        ):
            client.sendall(b"hello\n")
            assert client.recv(100) == b"server reply:hello\n"
            cipher, _, _ = client.cipher() or ("", "", 0)
            (secured,) = told(jq, server, "secured")
            (message,) = told(jq, server, "message")
        assert {name: secured[name] for name in ("version", "cipher", "server_name", "alpn", "transport")} == {
            "version": "TLSv1.3",
            "cipher": cipher,
            "server_name": "echo.example",
            "alpn": "echo/1",
            "transport": "tls",
        }
        assert "client" not in secured
        assert (message["connection"], message["peer"]) == (secured["connection"], secured["peer"])
        (made,) = told(jq, server, "certificate_generated")
        assert re.fullmatch("(?:[0-9A-F]{2}:){31}[0-9A-F]{2}", made["fingerprint"])

    def test_whom_a_clients_certificate_names_is_told(self, jq: str, serve: Start, tmp_path: Path) -> None:
        authority = Authority(tmp_path, "clients")
        server = serve("--tls=0", f"--client-ca={authority.path}")
        port = port_of(jq, server, "tls", 2)
        with TLSWire("127.0.0.1", port, context=client_context(authority.sign('al"ice'))) as client:
            client.send(b"hello\n")
            client.expect(b"server reply:hello\n")
        (secured,) = told(jq, server, "secured")
        assert secured["client"].replace("\\", "") == 'CN=al"ice'

    def test_who_speaks_none_is_a_failure(self, jq: str, serve: Start) -> None:
        server = serve("--tls=0")
        port = port_of(jq, server, "tls", 2)
        with Wire("127.0.0.1", port) as client:
            peer = address(client)
            client.send(b"GET / HTTP/1.1\r\n\r\n")
            client.read_all()
        (failed,) = told(jq, server, "failed")
        assert (failed["peer"], failed["layer"], failed["transport"]) == (peer, "TLS", "tls")
        assert int(failed["host"].rpartition(":")[2]) == port
        _, stopped = the_end(jq, server)
        assert stopped["failed_by"] == {"TLS": 1}


class TestProxies:
    def test_the_client_is_who_the_header_names(self, jq: str, serve: Start) -> None:
        server = serve("--listen=haproxy:tcp:0:interface=127.0.0.1", "--interface=127.0.0.2")
        (port,) = [
            int(event["host"].rpartition(":")[2])
            for event in told(jq, server, "listening", 2)
            if event["over"] == "PROXY"
        ]
        header = b"PROXY TCP4 192.0.2.7 192.0.2.9 5555 8088\r\n"
        with Wire("127.0.0.1", port) as client:
            client.send(header + b"exit\n")
            client.expect_end()
        (ended,) = told(jq, server, "ended")
        assert (ended["peer"], ended["transport"]) == ("192.0.2.7:5555", "tcp")

    def test_who_sends_none_is_a_failure(self, jq: str, serve: Start) -> None:
        server = serve(listen="haproxy:tcp:0:interface=127.0.0.1")
        with suppress(ConnectionError), server.dial()() as client:
            client.send(b"GET / HTTP/1.1\r\n\r\n" * 20)
            client.read_all()
        (failed,) = told(jq, server, "failed")
        assert (failed["layer"], failed["host"]) == ("PROXY", f"127.0.0.1:{server.port}")

    def test_one_that_is_not_trusted_is_refused(self, jq: str, serve: Start) -> None:
        server = serve("--trust-proxy=192.0.2.0/24", listen="haproxy:tcp:0:interface=127.0.0.1")
        with suppress(ConnectionError), server.dial()() as client:
            client.read_all()
        (refused,) = told(jq, server, "refused")
        assert (refused["reason"], refused["host"]) == ("untrusted", f"127.0.0.1:{server.port}")


class TestRefusals:
    @pytest.mark.parametrize(
        ("option", "reason"),
        [
            ("--max-connections=1", "too_many"),
            ("--max-per-host=1", "too_many_from_host"),
            ("--deny=127.0.0.0/8", "denied"),
        ],
    )
    def test_each_is_told_with_its_reason(self, option: str, reason: str, jq: str, serve: Start) -> None:
        server = serve(option, "--interface=127.0.0.1")
        with server.dial()() as first:
            with suppress(ConnectionError, AssertionError):
                first.send(b"hello\n")
                first.expect(b"server reply:hello\n")
            with suppress(ConnectionError), server.dial()() as second:
                peer = address(second)
                second.read_all()
        *_, refused = told(jq, server, "refused", 2 if reason == "denied" else 1)
        ends = {"peer": peer, "host": f"127.0.0.1:{server.port}", "transport": "tcp"}
        assert own_fields(refused) == {**ends, "reason": reason}
        _, stopped = the_end(jq, server)
        assert stopped["refused_by"] == {reason: stopped["refused"]}


class TestDatagrams:
    def test_those_that_are_answered_and_those_that_are_not(self, jq: str, serve: Start) -> None:
        server = serve("--udp=0", "--interface=127.0.0.1")
        port = port_of(jq, server, "udp", 2)
        with client_of(port) as client:
            host, own_port = client.getsockname()
            ask(client, b"\xff\r\n")
            client.send(b"server reply:x")
            client.send(b"exit\n")
        dropped = told(jq, server, "dropped", 2)
        (message,) = told(jq, server, "message")
        ends = {"peer": f"{host}:{own_port}", "host": f"127.0.0.1:{port}", "transport": "udp"}
        assert own_fields(message) == {**ends, "message": r"\xff", "bytes": 1}
        assert [own_fields(event) for event in dropped] == [
            {**ends, "reason": "prefix", "bytes": 14},
            {**ends, "reason": "close_word", "bytes": 5},
        ]
        _, stopped = the_end(jq, server)
        assert (stopped["dropped"], stopped["dropped_by"]) == (2, {"prefix": 1, "close_word": 1})


class TestFiles:
    """Scripts and certificates."""

    def test_what_is_read_again_is_told_and_what_can_not_be(self, jq: str, serve: Start, tmp_path: Path) -> None:
        script = tmp_path / "script.toml"
        script.write_text('reply = "one\\n"')
        server = serve(f"--script={script}")
        server.process.send_signal(signal.SIGHUP)
        (renewed,) = told(jq, server, "reloaded")
        assert own_fields(renewed) == {"what": f"script {script}"}
        script.write_text("reply = ")
        server.process.send_signal(signal.SIGHUP)
        (broken,) = told(jq, server, "reload_failed")
        assert (broken["level"], broken["what"]) == ("error", f"script {script}")
        assert "line 1" in broken["why"]

    def test_a_reply_that_can_not_be_made_is_told(self, jq: str, serve: Start, tmp_path: Path) -> None:
        script = tmp_path / "script.toml"
        script.write_text("reply = '{{ 1 // (count - count) }}'")
        server = serve(f"--script={script}")
        with server.dial()() as client:
            client.send(b"a\n")
            client.read_line()
        (fault,) = told(jq, server, "script_fault")
        assert (fault["level"], fault["fault"]) == ("error", "reply: integer division or modulo by zero")


@pytest.mark.skipif(not hasattr(socket, "SO_REUSEPORT"), reason="there is no SO_REUSEPORT")
class TestWorkers:
    def test_what_they_say_has_all_its_fields_and_their_number(self, jq: str, serve: Start) -> None:
        server = serve("--workers=2", "--interface=127.0.0.1")
        started = {event["worker"]: event["pid"] for event in told(jq, server, "worker_started", 2)}
        assert started.keys() == {1, 2}
        with server.dial()() as connection:
            peer = address(connection)
            for message in HOSTILE:
                connection.send(message + b"\n")
                connection.read_line()
            messages = told(jq, server, "message", len(HOSTILE))
            assert [said(event) for event in messages] == HOSTILE
            (serving,) = {event["worker"] for event in messages}
            ends = {"peer": peer, "host": f"127.0.0.1:{server.port}", "transport": "tcp", "worker": serving}
            (connected,) = told(jq, server, "connected")
            assert own_fields(connected) == {**ends, "connection": connected["connection"]}
            os.kill(started[serving], signal.SIGKILL)
            (ended,) = told(jq, server, "worker_ended")
            assert own_fields(ended) == {"worker": serving, "signal": "SIGKILL", "restarts": True}
            assert ended["level"] == "warn"
            assert told(jq, server, "worker_started", 3)[-1]["worker"] == serving
        _, stopped = the_end(jq, server)
        assert stopped["ended_by"] == {"worker": 1}


class TestPlaces:
    """twistd's options decide where the log goes."""

    @contextmanager
    def logging_to(
        self, directory: Path, *command: str, log_format: str = "json"
    ) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
        """Run twistd without output on a port; wait until it listens."""
        port = free_port()
        arguments = [*command, "echoreply", f"--log-format={log_format}", f"--port={port}"]
        with subprocess.Popen(arguments, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            try:
                wait_until(partial(_listens, port), "nobody listens")
                yield port, process
                process.terminate()
                said, _ = process.communicate(timeout=PATIENCE)
                assert (process.returncode, said) == (-signal.SIGTERM, b"")
            finally:
                process.kill()

    def test_a_file_that_is_rotated_by_a_signal(self, jq: str, tmp_path: Path) -> None:
        log, before = tmp_path / "log", tmp_path / "log.1"
        with self.logging_to(tmp_path, TWISTD, "-n", "--pidfile=", f"--logfile={log}") as (port, process):
            wire.exchange(partial(Wire, "127.0.0.1", port), b"before\n", b"server reply:before\n")
            wait_until(lambda: b'"message":"before"' in log.read_bytes(), "it is not logged")
            process.send_signal(signal.SIGUSR1)
            wait_until(before.exists, "it is not rotated")
            wire.exchange(partial(Wire, "127.0.0.1", port), b"after\n", b"server reply:after\n")
        messages = [
            [event["message"] for event in read(jq, path.read_bytes()) if event["event"] == "message"]
            for path in (before, log)
        ]
        assert messages == [["before"], ["after"]]

    def test_a_daemons_file(self, jq: str, tmp_path: Path, engine: str) -> None:
        log = serve_as_daemon(tmp_path, engine, "--log-format=json")
        (message,) = [event for event in read(jq, log.encode()) if event["event"] == "message"]
        assert message["message"] == "hello"

    def test_a_daemons_file_is_twistd_log_if_none_is_named(self, jq: str, tmp_path: Path) -> None:
        pid, port = tmp_path / "twistd.pid", free_port()
        result = twistd(tmp_path, "echoreply", "--log-format=json", f"--port={port}")
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
        wait_until(partial(_listens, port), "nobody listens")
        wire.exchange(partial(Wire, "127.0.0.1", port), b"hello\n", b"server reply:hello\n")
        os.kill(int(pid.read_text()), signal.SIGTERM)
        wait_until(lambda: not pid.exists(), "it does not end")
        assert "stopped" in [event["event"] for event in read(jq, (tmp_path / "twistd.log").read_bytes())]

    @on_linux
    def test_syslog_where_each_object_is_a_message(self, jq: str, tmp_path: Path) -> None:
        with Syslog() as syslog:
            command = [*syslog.inside, TWISTD, "-n", "--pidfile=", "--syslog", "--prefix=echo"]
            with self.logging_to(tmp_path, *command) as (port, _):
                wire.exchange(partial(Wire, "127.0.0.1", port), b"\0\xff\n", b"server reply:\0\xff\n")
            entries = syslog.entries()
        # RFC 3164: a priority, of which 8 is the facility "user", a time, the prefix.
        found = [re.fullmatch(rb"<(\d+)>\w{3} [ \d]\d [\d:]{8} echo: (\{.*\})", entry) for entry in entries]
        assert all(found), entries
        events = read(jq, b"".join(entry[2] + b"\n" for entry in found if entry))
        (message,) = [event for event in events if event["event"] == "message"]
        assert message["message"] == r"\x00\xff"
        assert {int(entry[1]) for entry in found if entry} == {8 + 6}
        assert events[-1]["text"] == "Server Shut Down."

    @on_linux
    def test_syslog_as_text_is_as_twistd_writes_it(self, tmp_path: Path) -> None:
        with Syslog() as syslog:
            command = [*syslog.inside, TWISTD, "-n", "--pidfile=", "--syslog", "--prefix=echo"]
            with self.logging_to(tmp_path, *command, log_format="text") as (port, _):
                syslog.received.wait_for(b" listening on ")
            entries = syslog.entries()
        assert any(entry.endswith(b" echo: [-] listening on [::]:%d" % port) for entry in entries)
        assert all(b" echo: [-] " in entry for entry in entries)

    def test_a_terminal_that_knows_ascii_only(self, jq: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PYTHONIOENCODING", "ascii")
        port = free_port()
        with Terminal(TWISTD, "-n", "--pidfile=", "echoreply", f"--port={port}", "--log-format=json") as terminal:
            terminal.screen.wait_for(b'"event":"listening"')
            wire.exchange(partial(Wire, "127.0.0.1", port), "中\n".encode(), "server reply:中\n".encode())
            terminal.screen.wait_for(b'"event":"ended"')
            terminal.process.terminate()
            assert terminal.wait() == -signal.SIGTERM
        shown = terminal.screen.all().replace(b"\r\n", b"\n")
        assert [event["message"] for event in read(jq, shown) if event["event"] == "message"] == ["中"]


def _listens(port: int) -> bool:
    with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), PATIENCE):
        return True
    return False


NEW_DEV = """
set -e
mount -t tmpfs none "$1"
for device in null zero full random urandom tty; do
    touch "$1/$device"
    mount --bind "/dev/$device" "$1/$device"
done
ln -s "$2" "$1/log"
mount --rbind "$1" /dev
shift 2
exec "$@"
"""
"""Runs a command where /dev has little, and a socket as its log."""


class Syslog(AbstractContextManager["Syslog"]):
    """
    Who listens to C{/dev/log}, for some programs. Without the right to make a mount namespace, the test is skipped.

    @ivar inside: the command that runs another one where that is so.
    @ivar received: what has come, an entry a line.
    """

    def __init__(self) -> None:
        # The path of a socket must not be long.
        self._directory = tempfile.TemporaryDirectory()
        path = Path(self._directory.name)
        (path / "dev").mkdir()
        self._address = str(path / "log")
        unshare = [installed("unshare"), *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]), "--mount"]
        self.inside = [*unshare, "sh", "-c", NEW_DEV, "sh", str(path / "dev"), self._address]
        tried = subprocess.run([*self.inside, "true"], capture_output=True, text=True, timeout=PATIENCE, check=False)
        if tried.returncode:
            self._directory.cleanup()
            pytest.skip(f"there can be no mount namespace: {tried.stderr.strip()}")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self._address)
        # Programs wait while its queue is full, so it is read all the time.
        self.received = Transcript(self._read)

    def __exit__(self, *_: object) -> None:
        self.entries()
        self._socket.close()
        self._directory.cleanup()

    def entries(self) -> list[bytes]:
        """Return everything that was received."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self._address)
        return self.received.all().splitlines()

    def _read(self) -> bytes:
        entry = self._socket.recv(65536)
        return entry and entry.removesuffix(b"\0") + b"\n"


class TestMistakes:
    def test_twistds_logger_is_another_way(self, tmp_path: Path) -> None:
        logger = "--logger=twisted.logger.STDLibLogObserver"
        result = twistd(tmp_path, "-n", logger, "echoreply", "--log-format=json")
        assert result.returncode == 1
        said = "--log-format json and twistd's --logger are one or the other"
        assert (result.stdout, result.stderr) == ("", f"twistd echoreply: {said}\n")

    def test_a_daemon_has_no_standard_output(self, tmp_path: Path) -> None:
        result = twistd(tmp_path, "--logfile=-", "echoreply", "--log-format=json", "--port=0")
        assert (result.returncode, result.stderr) == (1, "Daemons cannot log to stdout, exiting!\n")

    def test_a_port_in_use_is_told_as_json(self, jq: str, tmp_path: Path, engine: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            options = [f"--port={port}", "--interface=127.0.0.1", "--log-format=json", engine]
            result = twistd(tmp_path, "-n", "echoreply", *options)
        assert (result.returncode, result.stderr) == (1, "")
        last = read(jq, result.stdout.encode())[-1]
        assert last["level"] == "error"
        assert last["text"].endswith(f"cannot listen on 127.0.0.1:{port}: Address already in use")


def test_a_weeks_worth_of_lines_is_valid_and_complete(jq: str, tmp_path: Path) -> None:
    """A hundred thousand random messages, through log files that are rotated as they grow."""
    choose = random.Random(9)
    hostile = [message for message in HOSTILE if b"\n" not in message and message == message.rstrip(b"\r")]
    garbage = [choose.randbytes(choose.randrange(40)).replace(b"\n", b"").rstrip(b"\r") for _ in range(1000)]
    messages = choose.choices([*hostile, *garbage], k=100_000)
    lines = b"".join(message + b"\n" for message in messages)
    log, port = tmp_path / "log", free_port()
    command = [TWISTD, "-n", "--pidfile=", f"--logfile={log}", "echoreply", "--log-format=json", f"--port={port}"]
    command += ["--prefix=", "--framing=line", "--log-messages=1000000"]
    with subprocess.Popen(command, cwd=tmp_path) as process:
        try:
            wait_until(partial(_listens, port), "nobody listens")
            wire.exchange(partial(Wire, "127.0.0.1", port), lines, lines)
        finally:
            process.terminate()
    older = sorted(tmp_path.glob("log.*"), key=lambda path: -int(path.suffix[1:]))
    assert len(older) > 5
    events = read(jq, b"".join(path.read_bytes() for path in [*older, log]))
    told = [event for event in events if event["event"] == "message"]
    assert [said(event) for event in told] == messages
    (stopped,) = [event for event in events if event["event"] == "stopped"]
    assert stopped["messages"] == len(messages)
    assert [event["time"] for event in events] == sorted(event["time"] for event in events)
