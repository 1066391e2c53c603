"""C{twistd echoreply --profile}: the seed's, RFC 862's, Istio's, and the one that tells who answered."""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import subprocess
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.conftest import Profile, Start, installed, on_linux
from tests.support import wire_contract as wire
from tests.support.processes import Transcript, twistd
from tests.support.tls_peers import TLSWire, client_context
from tests.support.udp_sockets import ask, client_of, udp_port
from tests.support.wire_contract import PATIENCE, PREFIX, Dial, Wire, exchange

ANYTHING = [b"exit", b"quit\n", b"\0", b"\n", b"\r\n", b"\xff\xfe", b"server reply:a", bytes(range(256)) * 8]


def test_they_are_listed(tmp_path: Path) -> None:
    listed = twistd(tmp_path, "echoreply", "--list-profiles").stdout
    assert re.findall(r"^(\S+) +\S", listed, re.MULTILINE) == [
        "echo",
        "gateway-api",
        "go-echo",
        "identity",
        "istio",
        "seed",
    ]


class TestSeed:
    """The server as it comes."""

    def test_the_contract_holds(self, profile: Profile) -> None:
        dial = profile("seed", f"--pause={wire.PAUSE}")
        for case in wire.CASES:
            case(dial)

    def test_it_takes_options_as_without_a_profile(self, profile: Profile) -> None:
        dial = profile("seed", "--prefix=> ", "--transform=upper", "--framing=line", "--max-message=5")
        exchange(dial, b"hello\nhello!\n", b"> HELLO\nserver error: message longer than 5 bytes\n")

    def test_a_datagram_is_a_message(self, start: Start) -> None:
        with client_of(udp_port(start("--profile=seed", "--udp=0").log)) as client:
            for message in (b"hello\n", b"", b"\0\xff", b"a\nb\n"):
                assert ask(client, message) == PREFIX + message


class TestEcho:
    """RFC 862: what was received is sent back, by connections until the client closes, and by datagrams."""

    @pytest.fixture
    def dial(self, profile: Profile) -> Dial:
        return profile("echo", "--pause=3600")

    def test_every_byte_comes_back_as_it_came(self, dial: Dial) -> None:
        for sent in ANYTHING:
            exchange(dial, sent, sent)

    def test_nothing_waits_for_a_line_or_a_silence(self, dial: Dial) -> None:
        with dial() as connection:
            for sent in ANYTHING:
                connection.send(sent)
                connection.expect(sent)
            connection.finish()
            connection.expect_end()

    def test_a_megabyte_comes_back(self, dial: Dial) -> None:
        # With no two parts alike, in a stretch without an LF, and one of LFs only.
        numbers = b"".join(b"%d " % number for number in range(150_000))
        sent = numbers + b"\n" * 300_000
        assert len(sent) > 1 << 20
        exchange(dial, sent, sent)

    def test_who_says_nothing_gets_nothing(self, dial: Dial) -> None:
        exchange(dial, b"", b"")

    @pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
    def test_each_datagram_comes_back_as_one(self, host: str, start: Start) -> None:
        with client_of(udp_port(start("--profile=echo", "--udp=0").log), host) as client:
            for sent in (*ANYTHING, b"", os.urandom(8000), b"", b"after"):
                assert ask(client, sent) == sent

    @on_linux
    def test_the_longest_datagram_comes_back(self, start: Start) -> None:
        longest = os.urandom(65507)  # That an IPv4 datagram can be; other systems have less room.
        with client_of(udp_port(start("--profile=echo", "--udp=0").log)) as client:
            assert ask(client, longest) == longest

    def test_nc_gets_back_what_it_was_given(self, start: Start) -> None:
        installed("nc")
        sent = os.urandom(1 << 20)
        command = ["nc", "-N", "127.0.0.1", str(start("--profile=echo").port)]
        completed = subprocess.run(command, input=sent, capture_output=True, timeout=PATIENCE, check=True)
        assert completed.stdout == sent

    def test_nc_gets_back_its_datagrams(self, start: Start) -> None:
        installed("nc")
        port = udp_port(start("--profile=echo", "--udp=0").log)
        converse("nc", "-u", "127.0.0.1", str(port), typed=b"exit\0\xff", shown=rb"^exit\0\xff$")

    def test_s_client_gets_back_what_it_was_given(self, start: Start) -> None:
        installed("openssl")
        port = start("--profile=echo", "--tls=0").tls_port()
        command = ["openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{port}"]
        converse(*command, typed=b"exit\nno newline", shown=rb"^exit\nno newline$")


def converse(*command: str, typed: bytes, shown: bytes) -> None:
    """Run a program that does not end by itself, give it this, and wait until it has shown that."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as program:
        assert program.stdin
        assert program.stdout
        output = Transcript(partial(os.read, program.stdout.fileno(), 65536))
        try:
            program.stdin.write(typed)
            program.stdin.flush()
            output.wait_for(shown)
        finally:
            program.kill()
            output.all()


class TestIstio:
    """Istio's sample: the prefix, a space and the line, on as many ports as one likes."""

    @pytest.fixture
    def dial(self, profile: Profile) -> Dial:
        return profile("istio", "--prefix=hello", "--pause=0.01")

    def test_every_port_answers_with_the_prefix(self, start: Start) -> None:
        server = start("--profile=istio", "--prefix=hello", "--listen=tcp:0:interface=127.0.0.1")
        ports = [int(server.log.wait_for(rb"listening on \S+:(\d+)[ \n]", count)[1]) for count in (1, 2)]
        assert len(set(ports)) == 2
        for port in ports:
            with Wire("127.0.0.1", port) as connection:
                connection.send(b"world\n")
                connection.expect(b"hello world\n")

    def test_lines_are_answered_in_their_order(self, dial: Dial) -> None:
        exchange(dial, b"world\n\nwo\0\xffrld\r\n", b"hello world\nhello \nhello wo\0\xffrld\r\n")

    def test_a_line_is_answered_once_it_has_ended(self, dial: Dial) -> None:
        with dial() as connection:
            connection.send(b"wor")
            time.sleep(0.1)  # The pause passes; that it is too short could only let a wrong server pass.
            connection.send(b"ld\nand")
            connection.expect(b"hello world\n")
            connection.send(b" all\n")
            connection.expect(b"hello and all\n")

    def test_no_word_ends_the_connection(self, dial: Dial) -> None:
        exchange(dial, b"exit\nquit\nworld\n", b"hello exit\nhello quit\nhello world\n")

    def test_nc_gets_its_replies(self, start: Start) -> None:
        installed("nc")
        port = start("--profile=istio", "--prefix=one").port
        command = ["nc", "-N", "127.0.0.1", str(port)]
        completed = subprocess.run(command, input=b"a\nb\n", capture_output=True, timeout=PATIENCE, check=True)
        assert completed.stdout == b"one a\none b\n"


class TestIdentity:
    """A line of JSON for each message, of who answered whom."""

    def test_it_tells_of_a_connection(self, start: Start) -> None:
        server = start("--profile=identity")
        began = datetime.now(UTC)
        with server.dial()() as connection:
            told = [self.ask(connection, message) for message in (b"hello\n", b"a\0\xff\r\n")]
            peer = self.address(connection.socket.getsockname())
        ended = datetime.now(UTC)
        for count, (message, answer) in enumerate(zip(["hello", "a\0\udcff"], told, strict=True), 1):
            assert began <= datetime.fromisoformat(answer.pop("time")) <= ended
            assert answer == {
                "node": socket.gethostname(),
                "process": server.process.pid,
                "connection": 1,
                "count": count,
                "peer": peer,
                "host": self.address(("127.0.0.1", server.port)),
                "transport": "tcp",
                "tls": None,
                "message": message,
            }

    def test_it_tells_of_tls(self, start: Start) -> None:
        server = start("--profile=identity", "--tls=0", "--alpn=echo")
        for version, name in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
            context = client_context()
            context.minimum_version = context.maximum_version = version
            context.set_alpn_protocols(["other", "echo"])
            with TLSWire("127.0.0.1", server.tls_port(), context=context) as connection:
                answer = self.ask(connection, b"hello\n")
                assert answer["transport"] == "tls"
                assert answer["host"] == self.address(("127.0.0.1", server.tls_port()))
                assert answer["tls"].pop("cipher").startswith("TLS_")
                assert answer["tls"] == {"version": name, "server_name": "", "alpn": "echo", "client": ""}

    def test_it_tells_of_a_datagram(self, start: Start) -> None:
        server = start("--profile=identity", "--udp=0")
        port = udp_port(server.log)
        for host in ("127.0.0.1", "::1"):
            with client_of(port, host) as client:
                reply = ask(client, b"hello")
                assert reply.endswith(b"}\n")
                answer = json.loads(reply)
                assert answer["peer"] == self.address(client.getsockname())
            assert answer["host"] == self.address((host, port))
            assert (answer["transport"], answer["message"], answer["tls"]) == ("udp", "hello", None)
            assert (answer["connection"], answer["count"]) == (0, 1)

    def test_it_tells_of_a_unix_socket(self, start: Start, tmp_path: Path) -> None:
        path = str(tmp_path / "socket")
        server = start("--profile=identity", f"--listen=unix:{path}")
        server.log.wait_for(rb"listening on \S*/socket\n")
        with socket.socket(socket.AF_UNIX) as client, client.makefile("rb") as answers:
            client.settimeout(PATIENCE)
            client.connect(path)
            client.sendall(b"hello\n")
            answer = json.loads(answers.readline())
        assert (answer["transport"], answer["message"], answer["tls"]) == ("unix", "hello", None)
        assert answer["host"] == self.address((path, 0))

    def test_connections_and_messages_are_counted(self, profile: Profile) -> None:
        dial = profile("identity")
        with dial() as first, dial() as second:
            told = [self.ask(connection, b"x\n") for connection in (first, second, first, first)]
        numbers = [(answer["connection"], answer["count"]) for answer in told]
        assert numbers == [(1, 1), (2, 1), (1, 2), (1, 3)]

    def test_a_silence_ends_a_message_and_a_close_word_the_connection(self, profile: Profile) -> None:
        with profile("identity", "--pause=0.01")() as connection:
            assert self.ask(connection, b"hello")["message"] == "hello"
            connection.send(b"quit\n")
            connection.expect_end()

    def ask(self, connection: Wire, message: bytes) -> dict[str, Any]:
        connection.send(message)
        answer: dict[str, Any] = json.loads(connection.read_line())
        return answer

    def address(self, name: tuple[Any, ...]) -> dict[str, object]:
        return {"host": name[0], "port": name[1]}
