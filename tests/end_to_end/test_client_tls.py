"""C{echoreply-client --tls}, with servers of others and with ours."""

from __future__ import annotations

import re
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from echoreply.tls.context import server_context
from tests.end_to_end.conftest import Start, listening
from tests.support.processes import CLIENT, Server, Terminal, client, free_port
from tests.support.tls_peers import Authority, make_certificate
from tests.support.wire_contract import PATIENCE

INSECURE = b"echoreply-client: --insecure: the server's certificate is not verified\n"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def authority(directory: Path) -> Authority:
    return Authority(directory, "Test Authority")


@pytest.fixture(scope="module")
def certificate(authority: Authority) -> tuple[str, str]:
    return authority.sign("server.example", "127.0.0.1", "::1", "localhost")


@pytest.fixture
def server(start_as_told: Start, certificate: tuple[str, str]) -> Server:
    return start_as_told(listen=f"ssl:0:certKey={certificate[0]}:privateKey={certificate[1]}")


@contextmanager
def s_server(certificate: tuple[str, str], *options: str) -> Iterator[str]:
    """Run openssl's server, which answers each line with its reverse; give its port."""
    command = ["s_server", "-accept", "127.0.0.1:0", "-rev", "-cert", certificate[0], "-key", certificate[1], *options]
    with listening(rb"ACCEPT \S+:(\d+)", "openssl", *command) as said:
        yield said[1].decode()


class TestOurServer:
    def test_every_reply_comes_after_the_input_has_ended(self, server: Server, authority: Authority) -> None:
        assert client("--tls", "--ca", authority.path, "127.0.0.1", server.port, typed=b"a\nb\nrest") == (
            0,
            b"server reply:a\nserver reply:b\nserver reply:rest",
            b"",
        )
        server.log.wait_for(rb"ended: closed by the client; messages 3")

    def test_exit_is_sent_and_the_server_closes(self, server: Server, authority: Authority) -> None:
        arguments = ("--tls", "--ca", authority.path, "127.0.0.1", server.port)
        assert client(*arguments, typed=b"a\nexit\nb\n") == (0, b"server reply:a\n", b"")
        server.log.wait_for(rb"ended: close word received; messages 1")

    def test_a_name_an_ipv4_and_an_ipv6_address_are_checked(self, server: Server, authority: Authority) -> None:
        for host in ("localhost", "127.0.0.1", "::1"):
            said = client("--tls", "--ca", authority.path, host, server.port, typed=b"x\n")
            assert said == (0, b"server reply:x\n", b"")

    def test_a_name_may_end_with_the_dot_of_the_root(self, server: Server, authority: Authority) -> None:
        arguments = ("--tls", "--ca", authority.path, "--servername=localhost.", "127.0.0.1", server.port)
        assert client(*arguments, typed=b"x\n") == (0, b"server reply:x\n", b"")

    def test_no_reply_is_lost_to_a_reader_that_is_slow_to_begin(
        self, server: Server, authority: Authority, tmp_path: Path
    ) -> None:
        lines = tmp_path / "lines"
        lines.write_bytes((b"x" * 70 + b"\n") * 300_000)
        # The reader begins when the client would long have left a silent server.
        command = f"{CLIENT} --tls --ca {authority.path} --wait=0.2 127.0.0.1 {server.port}"
        pipeline = f"{command} <{lines} | (sleep 1; wc -l)"
        completed = subprocess.run(pipeline, shell=True, capture_output=True, timeout=PATIENCE, check=False)
        assert (completed.returncode, int(completed.stdout), completed.stderr) == (0, 300_000, b"")

    def test_a_person_sees_the_version_and_the_cipher(self, server: Server, authority: Authority) -> None:
        with Terminal(CLIENT, "--plain", "--tls", "--ca", authority.path, "127.0.0.1", str(server.port)) as terminal:
            terminal.screen.wait_for(rb"connected to 127.0.0.1:\d+ from 127.0.0.1:\d+, TLSv1.3, TLS_\w+\r\n")
            terminal.type(b"hello\n")
            terminal.screen.wait_for(b"server reply:hello\r\n")
            terminal.type(b"\x04")
            assert terminal.wait() == 0


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
class TestOpenSSL:
    def test_its_replies_are_shown_though_it_answers_a_goodbye_by_closing(
        self, version: str, authority: Authority, certificate: tuple[str, str]
    ) -> None:
        with s_server(certificate, version) as port:
            for _ in range(5):
                said = client("--tls", "--ca", authority.path, "127.0.0.1", port, typed=b"abc\ndef\n")
                assert said == (0, b"cba\nfed\n", b"")

    def test_it_gets_our_certificate_if_it_asks_for_one(
        self, version: str, authority: Authority, certificate: tuple[str, str], tmp_path: Path
    ) -> None:
        ours, key = authority.sign("me.example")
        both = tmp_path / "both.pem"
        both.write_text(Path(ours).read_text() + Path(key).read_text())
        with s_server(certificate, version, "-Verify", "1", "-verify_return_error", "-CAfile", authority.path) as port:
            for options in (("--cert", ours, "--key", key), ("--cert", both)):
                said = client("--tls", "--ca", authority.path, *options, "127.0.0.1", port, typed=b"abc\n")
                assert said == (0, b"cba\n", b"")

    def test_it_leaves_who_has_no_certificate_which_is_told(
        self, version: str, authority: Authority, certificate: tuple[str, str]
    ) -> None:
        with (
            s_server(certificate, version, "-Verify", "1", "-CAfile", authority.path) as port,
            # Who types waits for the alert, which a reset might overtake otherwise.
            Terminal(CLIENT, "--plain", "--tls", "--ca", authority.path, "127.0.0.1", port) as terminal,
        ):
            assert terminal.wait() == 1
            terminal.screen.wait_for(rb"the server's alert: (handshake failure|certificate required)\r\n")

    def test_the_server_name_is_sent_and_checked(
        self, version: str, authority: Authority, certificate: tuple[str, str]
    ) -> None:
        other = authority.sign("other.example")
        options = ["-servername", "other.example", "-cert2", other[0], "-key2", other[1]]
        with s_server(certificate, version, *options) as port:
            arguments = ("--tls", "--ca", authority.path, "--servername=other.example", "127.0.0.1", port)
            assert client(*arguments, typed=b"abc\n") == (0, b"cba\n", b"")


def test_over_a_unix_socket_the_name_is_checked_that_was_given(
    authority: Authority, certificate: tuple[str, str], tmp_path: Path
) -> None:
    path = str(tmp_path / "socket")
    for way in (("--unix", path), ("--connect", f"unix:{path}")):
        with (
            s_server(certificate) as port,
            listening(
                rb"listening on AF=1", "socat", "-dd", f"UNIX-LISTEN:{path},unlink-early", f"TCP4:127.0.0.1:{port}"
            ),
        ):
            arguments = ("--tls", "--ca", authority.path, "--servername=server.example", *way)
            assert client(*arguments, typed=b"ab\n") == (0, b"ba\n", b"")


def test_ncat_is_understood(authority: Authority, certificate: tuple[str, str]) -> None:
    port = str(free_port())
    command = ["--ssl", "--ssl-cert", certificate[0], "--ssl-key", certificate[1], "-v", "-l", "127.0.0.1", port]
    with (
        listening(rb"Listening on 127", "ncat", *command, "-e", "/bin/cat"),
        Terminal(CLIENT, "--plain", "--tls", "--ca", authority.path, "127.0.0.1", port) as terminal,
    ):
        terminal.screen.wait_for(b"Ctrl-D exits\r\n")
        terminal.type(b"hello\n")
        terminal.screen.wait_for(b"hello\r\n(.*\r\n)*hello\r\n")
        # It closes as soon as we have said goodbye.
        terminal.type(b"\x04")
        assert terminal.wait() == 0


def test_socat_is_understood(authority: Authority, certificate: tuple[str, str]) -> None:
    options = f"bind=127.0.0.1,cert={certificate[0]},key={certificate[1]},verify=0"
    with listening(
        rb"listening on AF=2 127\.0\.0\.1:(\d+)", "socat", "-dd", f"OPENSSL-LISTEN:0,{options}", "EXEC:cat"
    ) as said:
        port = said[1].decode()
        assert client("--tls", "--ca", authority.path, "127.0.0.1", port, typed=b"a\nb\n") == (0, b"a\nb\n", b"")


@contextmanager
def one_shot_server(certificate: tuple[str, str], serve: Callable[[ssl.SSLSocket], None]) -> Iterator[int]:
    """Serve one client in a thread; give the port."""
    context = server_context(*certificate)
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor() as pool:
        listener.settimeout(PATIENCE)

        def accept() -> None:
            connection, _ = listener.accept()
            connection.settimeout(PATIENCE)
            with context.wrap_socket(connection, server_side=True) as tls:
                serve(tls)

        served = pool.submit(accept)
        yield listener.getsockname()[1]
        served.result(PATIENCE)


class TestServersEnd:
    def test_one_that_does_not_close_is_left_after_a_silence(
        self, authority: Authority, certificate: tuple[str, str]
    ) -> None:
        left = threading.Event()

        def serve(tls: ssl.SSLSocket) -> None:
            tls.sendall(b"hello\n")
            assert tls.recv(1) == b"", "the client has closed its sending side"
            tls.sendall(b"late\n")
            assert left.wait(PATIENCE)

        with one_shot_server(certificate, serve) as port:
            try:
                said = client("--tls", "--ca", authority.path, "--wait=1", "127.0.0.1", port)
            finally:
                left.set()
        assert said == (0, b"hello\nlate\n", b"")

    def test_one_that_cuts_the_connection_is_told_and_what_it_sent_is_shown(
        self, authority: Authority, certificate: tuple[str, str]
    ) -> None:
        def serve(tls: ssl.SSLSocket) -> None:
            tls.sendall(b"hello\n")
            # Without a goodbye.
            socket.socket(fileno=tls.detach()).close()

        with (
            one_shot_server(certificate, serve) as port,
            Terminal(
                CLIENT, "--tls", "--ca", authority.path, "127.0.0.1", str(port), stdout=subprocess.PIPE
            ) as terminal,
        ):
            assert terminal.wait() == 1
            assert terminal.process.stdout is not None
            assert terminal.process.stdout.read() == b"hello\n"
            terminal.screen.wait_for(b"TLS failed: closed without a close_notify\r\n")


class TestRefusals:
    """Certificates that are not believed: one line, and status 1."""

    def refusal(self, certificate: tuple[str, str], *options: str) -> str:
        with s_server(certificate) as port:
            status, shown, said = client("--tls", *options, "127.0.0.1", port, typed=b"abc\n")
            assert (status, shown, said.count(b"\n")) == (1, b"", 1)
            prefix = f"echoreply-client: cannot connect to 127.0.0.1:{port}: the server's certificate "
            assert said.decode().startswith(prefix)
            # Who does not care is told so, and served.
            assert client("--tls", "--insecure", "127.0.0.1", port, typed=b"abc\n") == (0, b"cba\n", INSECURE)
        return said.decode().removeprefix(prefix).rstrip("\n")

    def test_another_name(self, authority: Authority) -> None:
        certificate = authority.sign("other.example", "192.0.2.1")
        names = '"other.example, 192.0.2.1"'
        assert self.refusal(certificate, "--ca", authority.path) == f"is not for 127.0.0.1, but for {names}"
        wanted = ("--ca", authority.path, "--servername=this.example")
        assert self.refusal(certificate, *wanted) == f"is not for this.example, but for {names}"

    def test_expired(self, authority: Authority) -> None:
        said = self.refusal(authority.sign("127.0.0.1", days=(-3, -2)), "--ca", authority.path)
        assert re.fullmatch(r"has expired, on \w+ +\d+ [\d:]+ \d+ GMT", said)

    def test_not_yet_valid(self, authority: Authority) -> None:
        said = self.refusal(authority.sign("127.0.0.1", days=(2, 3)), "--ca", authority.path)
        assert re.fullmatch(r"is not valid yet, but from \w+ +\d+ [\d:]+ \d+ GMT", said)

    def test_an_unknown_issuer(self, authority: Authority, certificate: tuple[str, str], directory: Path) -> None:
        expected = 'has an issuer that is not trusted, "Test Authority"'
        assert self.refusal(certificate) == expected, "the system's CAs do not include it"
        other = Authority(directory, "Another Authority")
        assert self.refusal(certificate, "--ca", other.path) == expected, "and these are the only ones then"

    def test_self_signed(self, directory: Path, authority: Authority) -> None:
        assert self.refusal(make_certificate(directory)) == "is self-signed and not trusted; use --ca FILE"

    def test_names_that_would_drive_a_terminal(self, directory: Path) -> None:
        forged = Authority(directory, "\x1b[31m\nFine").sign("127.0.0.1")
        assert self.refusal(forged) == r'has an issuer that is not trusted, "\x1b[31m\nFine"'


TALKS_FIRST = "SYSTEM:echo hello; cat >/dev/null"


class TestMistakes:
    def test_a_server_that_speaks_no_tls(self) -> None:
        with listening(
            rb"listening on AF=2 127\.0\.0\.1:(\d+)", "socat", "-dd", "TCP4-LISTEN:0,bind=127.0.0.1", TALKS_FIRST
        ) as said:
            port = said[1].decode()
            expected = f"echoreply-client: cannot connect to 127.0.0.1:{port}: the server does not speak TLS\n"
            assert client("--tls", "127.0.0.1", port) == (1, b"", expected.encode())

    def test_a_server_that_does_not_answer_the_hello(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as deaf:
            port = deaf.getsockname()[1]
            expected = f"echoreply-client: cannot connect to 127.0.0.1:{port}: no answer within 0.3 s\n"
            said = client("--tls", "--connect-timeout=0.3", "127.0.0.1", port)
        assert said == (1, b"", expected.encode())

    def test_files_that_can_not_be_used(self, directory: Path, certificate: tuple[str, str]) -> None:
        empty, missing = directory / "empty", directory / "missing"
        empty.write_bytes(b"")
        other_key = make_certificate(directory, "other")[1]
        for options, said in (
            (("--ca", empty), f"{empty} holds no certificate in PEM"),
            (("--ca", missing), f"--ca {missing}: No such file or directory"),
            (("--cert", missing), f"--cert {missing}: No such file or directory"),
            (("--cert", certificate[0], "--key", missing), f"--key {missing}: No such file or directory"),
            (
                ("--cert", certificate[0]),
                f"{certificate[0]} and {certificate[0]} hold no certificate and its key in PEM",
            ),
            (
                ("--cert", certificate[0], "--key", other_key),
                f"{other_key} is not the key of the certificate in {certificate[0]}",
            ),
        ):
            assert client("--tls", *map(str, options)) == (2, b"", f"echoreply-client: {said}\n".encode())
