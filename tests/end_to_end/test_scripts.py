"""C{twistd echoreply --script}, on each engine."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from echoreply.scripts import profiles
from tests.end_to_end.conftest import Start, on_linux
from tests.end_to_end.test_bindings import UNIXWire
from tests.end_to_end.test_threats import TOO_MANY
from tests.end_to_end.test_workers import connect_to_each, processes, wait_until
from tests.support import wire_contract as wire
from tests.support.processes import TWISTD, Server, free_port, outliving, stop_and_count, stop_while_it_answers, twistd
from tests.support.tls_peers import TLSWire, client_context
from tests.support.udp_sockets import ask, client_of, udp_port
from tests.support.wire_contract import PATIENCE, Wire, exchange

KEPT = rb"reload failed, keeping the previous one: "

LOOKED_AT = "reply = '{{ prefix }}{{ message | string }}{{ end }}'\n"
"""What the server does without a script, but each message is looked at."""

CASES = [case for case in wire.CASES if case is not wire.fifty_megabytes_owed_at_half_close]
"""Without that, since to look at half a million messages takes ten seconds where nothing else is to be done."""

Serve = Callable[..., Server]


@pytest.fixture
def script(tmp_path: Path) -> Path:
    return tmp_path / "script.toml"


@pytest.fixture
def serve(start: Start, script: Path) -> Serve:
    """Give a function that starts a server by a script."""

    def serve(text: str, *options: str, listen: str = "") -> Server:
        script.write_text(text)
        return start(f"--script={script}", *options, listen=listen)

    return serve


class TestConversations:
    def test_the_contract_holds(self, serve: Serve) -> None:
        server = serve(LOOKED_AT, "--log-messages=10", f"--pause={wire.PAUSE}")
        for case in CASES:
            case(server.dial())
        stop_and_count(server)

    def test_the_contract_holds_over_tls(self, serve: Serve) -> None:
        server = serve(LOOKED_AT, "--tls=0", "--log-messages=10", f"--pause={wire.PAUSE}")
        dial = partial(TLSWire, "127.0.0.1", server.tls_port())
        for case in CASES:
            case(dial)
        stop_and_count(server)

    def test_rules_answer_count_and_close(self, serve: Serve) -> None:
        server = serve(
            r"""
            greeting = "{{ hostname }} greets {{ peer.host }}\r\n"
            [[rule]]
            message = "PING"
            reply = "PONG\n"
            [[rule]]
            pattern = '^GET (?P<key>\w+)$'
            when = "transport == 'tcp'"
            reply = "{{ match.key }}{{ end }}"
            [[rule]]
            pattern = "^bye"
            reply = "see you after {{ count }} messages\n"
            close = true
            """
        )
        with server.dial()() as connection:
            connection.expect(f"{socket.gethostname()} greets 127.0.0.1\r\n".encode())
            connection.send(b"PING\nGET key\r\nGET a b\n\xff\0\nbye now\nPING\n")
            connection.expect(b"PONG\nkey\r\nserver reply:GET a b\nserver reply:\xff\0\nsee you after 5 messages\n")
            connection.expect_end()
        server.log.wait_for(rb" ended: closed by a rule; messages 5,")
        stop_and_count(server)

    def test_without_close_words_exit_gets_a_reply(self, serve: Serve) -> None:
        server = serve("close_on = []\n")
        exchange(server.dial(), b"exit\nquit", b"server reply:exit\nserver reply:quit")

    def test_framing_is_the_scripts_unless_the_command_line_says_so(self, start: Start, script: Path) -> None:
        script.write_text("framing = 'read'\nclose_on = []\nreply = '<{{ message }}{{ end }}>'")
        for options, replies in (((), b"<a\nb\n>"), (("--framing=line",), b"<a\n><b\n>")):
            server = start(f"--script={script}", *options)
            exchange(server.dial(), b"a\nb\n", replies)

    def test_the_servers_name_and_what_else_it_knows(self, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ECHOREPLY_POD", "pod-1")
        server = serve(
            "reply = '{{ [pid, env.ECHOREPLY_POD, env.ECHOREPLY_NONE, ports, connection] | tojson }}{{ end }}'",
            "--tls=0",
            "--udp=0",
        )
        ports = {"tcp": server.port, "tls": server.tls_port(), "udp": udp_port(server.log)}
        with server.dial()() as connection:
            connection.send(b"a\n")
            expected = [server.process.pid, "pod-1", "", ports, 1]
            connection.expect(json.dumps(expected, separators=(",", ":")).encode() + b"\n")

    def test_a_fault_gets_a_line_is_logged_once_and_harms_nobody(self, serve: Serve) -> None:
        server = serve(
            "reply = '{{ prefix }}{{ message }}'\n[[rule]]\npattern = '^/'\nreply = '{{ 1 // (count - count) }}'"
        )
        error = b"server error: rule 1: integer division or modulo by zero\n"
        for _ in range(2):
            exchange(server.dial(), b"/\na\n/\n/\nb\n", error + b"server reply:a\n" + error * 2 + b"server reply:b")
        assert server.stop() == -signal.SIGTERM
        log = server.log.all()
        said = b'script made no reply: "rule 1: integer division or modulo by zero"; logged once'
        assert log.count(said) == log.count(b"made no reply") == 1
        assert b"Traceback" not in log

    def test_a_pattern_can_not_stall_the_server(self, serve: Serve) -> None:
        server = serve("[[rule]]\npattern = '(a+)+$'\nreply = 'matched{{ end }}'\n")
        hostile = b"a" * 60_000 + b"b\n"
        with server.dial()() as attacker, server.dial()() as other:
            attacker.send(hostile)
            other.send(b"ab\n")
            other.expect(b"server reply:ab\n")
            attacker.expect(b"server reply:" + hostile)

    def test_replies_much_longer_than_messages_come_all_and_in_order(self, serve: Serve) -> None:
        server = serve("reply = \"{{ '%05d' | format(count) }}{{ 'x' * 20000 }}{{ end }}\"", "--log-messages=0")
        count = 1000
        replies = b"".join(b"%05d%s\n" % (number, b"x" * 20_000) for number in range(1, count + 1))
        exchange(partial(server.dial(), receive_buffer=4096), b"\n" * count, replies)
        stop_and_count(server)

    @on_linux
    def test_clients_that_never_read_cost_little(self, serve: Serve) -> None:
        server = serve("reply = \"{{ 'x' * 100000 }}{{ end }}\"", "--log-messages=0", "--drain=0.1")
        exchange(server.dial(), b"a\n", b"x" * 100_000 + b"\n")
        before = server.resident()
        with ExitStack() as stack:
            for _ in range(50):
                connection = stack.enter_context(server.dial()(receive_buffer=4096))
                connection.send(b"\n" * 1000)
                connection.expect(b"x")
            exchange(server.dial(), b"a\n", b"x" * 100_000 + b"\n")
            # Fifty times a thousand replies are 5 GB.
            assert server.resident() - before < 50_000


class TestGreeting:
    TEXT = r'greeting = "{{ transport }} {{ peer.host }} {{ tls.server_name if tls }}\n"' + "\n"

    def test_it_comes_before_the_client_has_said_anything(self, serve: Serve) -> None:
        server = serve(self.TEXT)
        with server.dial()() as connection:
            connection.expect(b"tcp 127.0.0.1 \n")
            connection.send(b"a\n")
            connection.expect(b"server reply:a\n")
        with server.dial("::1")() as connection:
            connection.expect(b"tcp ::1 \n")
        stop_and_count(server)

    def test_over_tls_it_comes_once_the_handshake_is_done(self, serve: Serve) -> None:
        server = serve(self.TEXT, "--tls=0")
        with TLSWire("127.0.0.1", server.tls_port(), context=client_context()) as connection:
            connection.expect(b"tls 127.0.0.1 \n")
            connection.send(b"quit\n")
            connection.expect_end()
        with Wire("127.0.0.1", server.tls_port()) as plain:
            plain.send(b"hello\nhello\n")
            assert b"127.0.0.1" not in plain.read_all()
        stop_and_count(server)

    def test_by_a_unix_socket(self, serve: Serve, tmp_path: Path) -> None:
        path = tmp_path / "socket"
        server = serve(self.TEXT, f"--listen=unix:{path}")
        server.log.wait_for(rb"listening on unix:\S+\n")
        with UNIXWire(path) as connection:
            connection.expect(b"unix  \n")
        stop_and_count(server)

    def test_behind_a_proxy_it_waits_for_the_header(self, serve: Serve) -> None:
        server = serve(self.TEXT, listen="haproxy:tcp:0:interface=127.0.0.1")
        with server.dial()() as connection:
            connection.send(b"PROXY TCP4 192.0.2.1 192.0.2.9 4000 8088\r\n")
            connection.expect(b"tcp 192.0.2.1 \n")

    def test_one_too_many_is_not_greeted(self, serve: Serve) -> None:
        server = serve(self.TEXT, "--max-connections=1")
        with server.dial()() as first:
            first.expect(b"tcp 127.0.0.1 \n")
            with server.dial()() as second:
                assert second.read_all() == TOO_MANY

    def test_nor_is_one_whose_address_is_denied(self, serve: Serve) -> None:
        server = serve(self.TEXT, "--deny=127.0.0.1")
        with server.dial()() as connection:
            assert connection.read_all() == b""


class TestStopping:
    def test_what_has_arrived_is_answered_and_nothing_is_cut(self, serve: Serve) -> None:
        server = serve(LOOKED_AT, "--log-messages=1", "--drain=60")
        stop_while_it_answers(server, server.dial())

    def test_who_has_only_been_greeted_is_let_go(self, serve: Serve) -> None:
        server = serve("greeting = 'hello'", "--drain=60")
        with server.dial()() as connection:
            connection.expect(b"hello")
            server.process.send_signal(signal.SIGTERM)
            connection.expect_end()
        assert server.process.wait(PATIENCE) == -signal.SIGTERM

    def test_what_waits_in_the_kernel_has_arrived(self, serve: Serve) -> None:
        server = serve("reply = '{{ count }}{{ end }}'", "--drain=60")
        with server.dial()() as connection:
            connection.send(b"a\n")
            connection.expect(b"1\n")
            server.pause()
            connection.send(b"b\nc\nhal")
            server.process.send_signal(signal.SIGTERM)
            server.resume()
            connection.expect(b"2\n3\n")
            connection.expect_end()
        assert server.process.wait(PATIENCE) == -signal.SIGTERM


class TestDatagrams:
    def test_the_greeting_is_a_datagram_then_comes_the_reply(self, serve: Serve) -> None:
        server = serve("greeting = 'from {{ host.host }}'\nreply = '{{ transport }} {{ message }}{{ end }}'", "--udp=0")
        with client_of(udp_port(server.log)) as client:
            for _ in range(2):
                assert ask(client, b"a\nb\n") == b"from 127.0.0.1"
                assert client.recv(100) == b"udp a\nb\n"
        assert stop_and_count(server)["messages"] == 2

    def test_an_empty_reply_is_none(self, serve: Serve) -> None:
        server = serve("reply = ''\n[[rule]]\nmessage = 'PING'\nreply = 'PONG'\n", "--udp=0")
        with client_of(udp_port(server.log)) as client:
            client.send(b"a")
            assert ask(client, b"PING\n") == b"PONG"
        assert stop_and_count(server)["messages"] == 2


class TestSIGHUP:
    """Scripts that are read again."""

    def test_who_comes_later_is_answered_by_the_new_one(self, serve: Serve, script: Path) -> None:
        server = serve("greeting = 'one '\nreply = 'one {{ count }}{{ end }}'", "--udp=0")
        with server.dial()() as early:
            early.send(b"a\n")
            early.expect(b"one one 1\n")
            script.write_text("greeting = 'two '\nreply = '{{ ports.tcp }}{{ end }}'")
            server.process.send_signal(signal.SIGHUP)
            server.log.wait_for(rb"script \S+script\.toml reloaded\n")
            with server.dial()() as late:
                late.send(b"a\n")
                late.expect(b"two %d\n" % server.port)
            early.send(b"b\n")
            early.expect(b"one 2\n")
        with client_of(udp_port(server.log)) as client:
            assert ask(client, b"a") == b"two "
        stop_and_count(server)

    def test_a_broken_one_changes_nothing_and_is_logged(self, serve: Serve, script: Path) -> None:
        server = serve("reply = 'one{{ end }}'")
        for text, why in (
            ("\nreply = '{{ mesage }}'", rb"line 2: reply: unknown field 'mesage'"),
            ("\nx", rb"line 2: "),
        ):
            script.write_text(text)
            server.process.send_signal(signal.SIGHUP)
            server.log.wait_for(rb"script \S+: reload failed, keeping the previous one: \S+script\.toml, " + why)
        script.unlink()
        server.process.send_signal(signal.SIGHUP)
        server.log.wait_for(KEPT + rb"\S+script\.toml: No such file or directory\n")
        exchange(server.dial(), b"a\n", b"one\n")
        script.write_text("reply = 'two{{ end }}'")
        server.process.send_signal(signal.SIGHUP)
        server.log.wait_for(rb"reloaded\n")
        exchange(server.dial(), b"a\n", b"two\n")
        stop_and_count(server)

    def test_all_workers_read_it_again(self, serve: Serve, script: Path) -> None:
        server = serve("greeting = 'one\n'".replace("\n", "\\n").replace("'", '"'), "--workers=2")
        with ExitStack() as stack:
            early = {}
            for _ in range(1000):
                connection = stack.enter_context(server.dial()())
                connection.expect(b"one\n")
                peer = b"127.0.0.1:%d" % connection.socket.getsockname()[1]
                early[int(server.log.wait_for(rb"worker (\d+): %s connected\n" % peer)[1])] = connection
                if len(early) == 2:
                    break
            assert sorted(early) == [1, 2]
            script.write_text("reply = 1")
            server.process.send_signal(signal.SIGHUP)
            server.log.wait_for(KEPT + rb"\S+script\.toml, line 1: reply: takes a text, not 1\n")
            script.write_text(LOOKED_AT + "[[rule]]\nmessage = 'pid'\nreply = '{{ pid }} {{ ports.tcp }}{{ end }}'")
            server.process.send_signal(signal.SIGHUP)
            server.log.wait_for(rb"worker \d: script \S+ reloaded\n", 2)
            for connection in early.values():
                connection.send(b"pid\n")
                connection.expect(b"server reply:pid\n")
            for worker, connection in connect_to_each(server, stack).items():
                connection.send(b"pid\n")
                connection.expect(b"%d %d\n" % (processes(server)[worker], server.port))
        stop_and_count(server)

    def test_a_worker_that_dies_while_it_is_broken_goes_on_with_what_was_right(
        self, serve: Serve, script: Path
    ) -> None:
        server = serve(LOOKED_AT + "[[rule]]\nmessage = 'a'\nreply = 'one{{ end }}'", "--workers=2")
        script.write_text("reply = 1")
        server.process.send_signal(signal.SIGHUP)
        server.log.wait_for(KEPT + rb"\S+script\.toml, line 1: reply: takes a text, not 1\n")
        before = processes(server)[1]
        os.kill(before, signal.SIGKILL)
        server.log.wait_for(rb"worker 1 was killed by SIGKILL")
        server.log.wait_for(rb"worker 1 started, process \d+\n", 2)
        with ExitStack() as stack:
            for connection in connect_to_each(server, stack).values():
                connection.send(b"a\n")
                connection.expect(b"one\n")
        stop_and_count(server)

    @pytest.mark.parametrize("workers", ["--workers=1", "--workers=2"])
    def test_a_daemon_finds_it_again_wherever_it_runs(
        self, workers: str, engine: str, script: Path, tmp_path: Path
    ) -> None:
        log, pidfile, port, elsewhere = tmp_path / "log", tmp_path / "pid", free_port(), tmp_path / "elsewhere"
        elsewhere.mkdir()
        dial = partial(Wire, "127.0.0.1", port)
        script.write_text("reply = 'one{{ end }}'")
        with outliving() as process:
            options = [f"--rundir={elsewhere}", f"--logfile={log}", f"--pidfile={pidfile}"]
            arguments = ["echoreply", engine, workers, f"--port={port}", f"--script={script.name}"]
            result = twistd(tmp_path, *options, *arguments, pass_fds=[process])
            assert result.returncode == 0, result.stdout + result.stderr
            try:
                # All of them do, once that is said.
                wait_until(lambda: log.exists() and "listening on" in log.read_text(), "it does not serve")
                exchange(dial, b"a\n", b"one\n")
                script.write_text("reply = 'two{{ end }}'")
                os.kill(int(pidfile.read_text()), signal.SIGHUP)
                # The supervisor says so, too.
                count = {"--workers=1": 1, "--workers=2": 3}[workers]
                wait_until(lambda: log.read_text().count("reloaded\n") == count, "it is not read again")
                exchange(dial, b"a\n", b"two\n")
            finally:
                os.kill(int(pidfile.read_text()), signal.SIGTERM)
        assert "Traceback" not in log.read_text()


class TestMistakes:
    """Each is told in one line, with status 1."""

    @pytest.mark.parametrize("workers", ["--workers=1", "--workers=2"])
    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("reply = x", r", line 1, column 9: Invalid value"),
            ("\nreplay = 'x'", r", line 2: replay: unknown key; known keys: greeting, framing, close_on, reply, rule"),
            ("reply = '{{ peer.hots }}'", r", line 1: reply: unknown field 'peer\.hots'; known parts: host, port"),
            ("[[rule]]\npattern = '('\nreply = ''", r", line 2: rule 1, pattern: missing \): \("),
            ("[[rule]]\nmessage = 'exit'\nreply = ''", r", line 2: rule 1, message: is in close_on, .*"),
            ("reply = '\N{EURO SIGN}'".encode("cp1252"), r", line 1: not UTF-8"),
            (None, r": No such file or directory"),
        ],
        ids=["toml", "key", "field", "pattern", "unused", "encoding", "missing"],
    )
    def test_a_script_that_can_not_be_used(
        self, text: str | bytes | None, why: str, workers: str, script: Path, tmp_path: Path
    ) -> None:
        if text is not None:
            script.write_bytes(text if isinstance(text, bytes) else text.encode())
        result = twistd(tmp_path, "-n", "--pidfile=", "echoreply", "--port=0", f"--script={script.name}", workers)
        assert result.returncode == 1
        said = result.stdout + result.stderr
        assert "Traceback" not in said
        (line,) = (line for line in said.splitlines() if "script.toml" in line)
        assert re.search(re.escape(str(script)) + why + "'?$", line), line
        assert said.splitlines()[-1] == line

    def test_a_profile_that_there_is_not(self, tmp_path: Path) -> None:
        result = twistd(tmp_path, "-n", "echoreply", "--profile=nobody")
        assert result.returncode == 1
        said = f"--profile takes {', '.join(profiles.names())}, not 'nobody'"
        assert (result.stdout, result.stderr) == ("", f"twistd echoreply: {said}\n")


class TestCommands:
    """What is told instead of serving."""

    def test_check_tells_a_message_as_soon_as_it_comes(self, script: Path) -> None:
        script.write_text(
            "greeting = 'hello'\n[[rule]]\nmessage = 'PING'\nreply = '{{ count }}{{ end }}'\nclose = true"
        )
        command = [TWISTD, "-n", "echoreply", "--check", f"--script={script}"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=script.parent) as checking:
            assert checking.stdin is not None
            assert checking.stdout is not None
            checking.stdin.write(b"a\n")
            checking.stdin.flush()
            assert checking.stdout.readline() == b'greeting: "hello"\n'
            assert checking.stdout.readline() == rb'"a": reply: "server reply:a\n"' + b"\n"
            checking.stdin.write(b"PING\r\n")
            checking.stdin.close()
            assert checking.stdout.read() == rb'"PING": rule 1: "2\r\n", closes' + b"\n"
            assert checking.wait(PATIENCE) == 0

    def test_check_of_a_script_that_can_not_be_used_says_why(self, script: Path, tmp_path: Path) -> None:
        script.write_text("reply = 1")
        result = twistd(tmp_path, "-n", "echoreply", "--check", f"--script={script}")
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr == f"twistd echoreply: {script}, line 1: reply: takes a text, not 1\n"

    def test_profiles_are_listed_and_shown(self, tmp_path: Path) -> None:
        listed = twistd(tmp_path, "echoreply", "--list-profiles")
        assert (listed.returncode, listed.stderr) == (0, "")
        assert [line.split()[0] for line in listed.stdout.splitlines()] == list(profiles.names())
        shown = twistd(tmp_path, "echoreply", "--show-profile=identity")
        assert (shown.returncode, shown.stdout, shown.stderr) == (0, profiles.text_of("identity"), "")
