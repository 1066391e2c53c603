"""C{echoreply-client} to UNIX sockets, to Twisted's endpoints, with datagrams, and with addresses of one family."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import pytest

from echoreply.client.command import parse_arguments
from tests.end_to_end.conftest import Start, listening
from tests.support.processes import CLIENT, TWISTD, Server, Terminal, client
from tests.support.tls_peers import Authority
from tests.support.wire_contract import PATIENCE


class TestUnix:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Iterator[str]:
        """Give the path of our server's socket."""
        path = str(tmp_path / "socket")
        with listening(rb"listening on unix:", TWISTD, "-n", "--pidfile=", "echoreply", f"--listen=unix:{path}"):
            yield path

    def test_our_server_answers_all(self, path: str) -> None:
        assert client("--unix", path, typed=b"a\nb\nrest") == (
            0,
            b"server reply:a\nserver reply:b\nserver reply:rest",
            b"",
        )

    def test_a_person_sees_the_path(self, path: str) -> None:
        with Terminal(CLIENT, "--plain", "--unix", path) as terminal:
            terminal.screen.wait_for(rb"connected to " + path.encode() + rb"\r\n")
            terminal.type(b"exit\n")
            assert terminal.wait() == 0

    def test_socat_answers(self, tmp_path: Path) -> None:
        path = str(tmp_path / "socket")
        with listening(rb"listening on AF=1", "socat", "-dd", f"UNIX-LISTEN:{path}", "EXEC:cat"):
            assert client("--unix", path, typed=b"a\nb") == (0, b"a\nb", b"")

    def test_a_path_without_a_socket_is_told(self, tmp_path: Path) -> None:
        path = str(tmp_path / "missing")
        for way in (["--unix", path], ["--connect", f"unix:{path}"]):
            expected = f"echoreply-client: cannot connect to {way[1]}: no such file or directory\n"
            assert client(*way) == (1, b"", expected.encode())

    def test_a_path_that_is_too_long_is_told(self) -> None:
        path = "/" + "x" * 150
        for option, value in (("--unix", path), ("--connect", f"unix:{path}")):
            status, _, said = client(option, value)
            assert status == 2
            assert said.startswith(f"echoreply-client: {option} takes a path of ".encode())
            assert said.count(b"\n") == 1


class TestEndpoint:
    def test_a_tcp_endpoint(self, start_as_told: Start) -> None:
        server = start_as_told()
        assert client("--connect", f"tcp:127.0.0.1:{server.port}", typed=b"a\nb") == (
            0,
            b"server reply:a\nserver reply:b",
            b"",
        )

    @pytest.mark.skipif(find_spec("OpenSSL") is not None, reason="pyOpenSSL is installed")
    def test_without_pyopenssl_its_endpoints_are_told(self) -> None:
        expected = b"--connect 'tls:localhost:443' needs pyOpenSSL, which is not installed"
        assert client("--connect=tls:localhost:443") == (2, b"", b"echoreply-client: " + expected + b"\n")

    def test_with_pyopenssl_its_endpoints_get_every_reply(self, start: Start, tmp_path: Path) -> None:
        pytest.importorskip("OpenSSL")
        certificate, key = Authority(tmp_path, "Test Authority").sign("localhost")
        roots = tmp_path / "roots"
        roots.mkdir()
        for path in tmp_path.glob("Test-Authority*.pem"):
            path.rename(roots / path.name)
        server = start(listen=f"ssl:0:certKey={certificate}:privateKey={key}")
        endpoint = f"tls:localhost:{server.port}:trustRoots={roots}"
        said = client("--wait=1", "--connect", endpoint, typed=b"x\n" * 10_000)
        assert said == (0, b"server reply:x\n" * 10_000, b"")
        server.log.wait_for(rb"ended: closed by the client; messages 10000")

    @pytest.mark.parametrize("description", ["tcp:localhost", "tcp:localhost:http", "nonsense:x", "tcp:h:1:x=2"])
    def test_what_is_no_endpoint_is_told(self, description: str) -> None:
        status, shown, said = client("--connect", description)
        assert (status, shown, said.count(b"\n")) == (2, b"", 1)
        expected = f"echoreply-client: --connect takes a Twisted endpoint, not '{description}': "
        assert said.startswith(expected.encode())


@contextmanager
def udp_server(serve: Callable[[socket.socket], None], host: str = "127.0.0.1") -> Iterator[int]:
    """Serve datagrams in a thread; give the port."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as ours:
        ours.settimeout(PATIENCE)
        ours.bind((host, 0))
        with ThreadPoolExecutor() as pool:
            served = pool.submit(serve, ours)
            yield ours.getsockname()[1]
            served.result(PATIENCE)


def echo(ours: socket.socket) -> None:
    """Answer one datagram."""
    ours.sendto(*ours.recvfrom(100))


class TestDatagrams:
    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ([], [b"a\n", b"b\r\n", b"\n", b"rest"]),
            (["--eol=crlf"], [b"a\r\n", b"b\r\n", b"\r\n", b"rest"]),
            (["--eol=none"], [b"a", b"b", b"", b"rest"]),
        ],
    )
    def test_each_line_is_one(self, options: list[str], expected: list[bytes]) -> None:
        received: list[bytes] = []

        def serve(ours: socket.socket) -> None:
            received.extend(ours.recv(100) for _ in expected)

        with udp_server(serve) as port:
            said = client("--udp", "--wait=0.1", *options, "127.0.0.1", port, typed=b"a\nb\r\n\nrest")
        assert said == (0, b"", b"")
        assert received == expected

    def test_each_that_comes_is_shown_as_it_is_but_no_strangers(self) -> None:
        def serve(ours: socket.socket) -> None:
            _, peer = ours.recvfrom(100)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                stranger.sendto(b"stranger", peer)
            for datagram in (b"one", b"", b"\0\xff", b"two\n"):
                ours.sendto(datagram, peer)

        with udp_server(serve) as port:
            assert client("--udp", "--wait=3", "127.0.0.1", port, typed=b"x\n") == (0, b"one\0\xfftwo\n", b"")

    @pytest.mark.parametrize(("typed", "sent"), [(b"a\nquit\nb\n", [b"a\n"]), (b"a\nexit\nb\n", [b"a\n", b"exit\n"])])
    def test_quit_and_exit_leave_after_a_silence(self, typed: bytes, sent: list[bytes]) -> None:
        received: list[bytes] = []

        def serve(ours: socket.socket) -> None:
            for _ in sent:
                datagram, peer = ours.recvfrom(100)
                received.append(datagram)
                ours.sendto(b"reply", peer)

        with (
            udp_server(serve) as port,
            Terminal(CLIENT, "--plain", "--udp", "--wait=3", "127.0.0.1", str(port)) as terminal,
        ):
            terminal.screen.wait_for(rb"connected to 127.0.0.1:%d from 127.0.0.1:\d+, UDP\r\n" % port)
            terminal.type(typed)
            terminal.screen.wait_for(b"reply" * len(sent))
            assert terminal.wait() == 0
            terminal.screen.wait_for(b"no more replies\r\n")
        assert received == sent

    def test_a_refusal_is_told(self) -> None:
        for host, family in (("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)):
            with socket.socket(family, socket.SOCK_DGRAM) as closed:
                closed.bind((host, 0))
                port = closed.getsockname()[1]
            where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            expected = f"echoreply-client: cannot send to {where}: connection refused\n"
            assert client("--udp", host, port, typed=b"x\n" * 10) == (1, b"", expected.encode())

    def test_the_longest_line_is_sent_and_longer_ones_are_told_and_lose_no_other(self) -> None:
        longest, longer, longest_of_all = b"x" * 65507, b"y" * 65508, b"z" * 1_000_000
        received: list[bytes] = []

        def serve(ours: socket.socket) -> None:
            received.extend(ours.recv(70_000) for _ in range(3))

        with udp_server(serve) as port:
            typed = b"\n".join([b"a", longest, longer, longest_of_all, b"b"])
            status, _, said = client("--udp", "--wait=0.1", "--eol=none", "127.0.0.1", port, typed=typed)
        assert received == [b"a", longest, b"b"]
        expected = b"echoreply-client: not sent: a line of more than 65507 bytes does not fit in a datagram\n"
        assert (status, said) == (1, expected)

    def test_a_name_that_does_not_exist_is_told(self) -> None:
        expected = b"echoreply-client: cannot connect to no-such-host.invalid:8088: no such host\n"
        assert client("--udp", "no-such-host.invalid") == (1, b"", expected)

    def test_socat_answers(self) -> None:
        with listening(
            rb"listening on UDP AF=2 127\.0\.0\.1:(\d+)", "socat", "-dd", "UDP4-LISTEN:0,bind=127.0.0.1", "EXEC:cat"
        ) as said:
            port = said[1].decode()
            with Terminal(CLIENT, "--plain", "--udp", "127.0.0.1", port) as terminal:
                for word in (b"one", b"two"):
                    terminal.type(word + b"\n")
                    terminal.screen.wait_for(word + b"\r\n(.*\r\n)*" + word + b"\r\n")
                terminal.type(b"\x04")
                assert terminal.wait() == 0


LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}


def hosts(family: socket.AddressFamily) -> Iterator[str]:
    """Give this machine's loopback address of a family, and a name that has it, if there is one."""
    yield LOOPBACK[family]
    for name in ("localhost", "ip6-localhost"):
        with suppress(OSError):
            found = socket.getaddrinfo(name, 1, family, socket.SOCK_DGRAM)
            if found[0][4][0] == LOOPBACK[family]:
                yield name
                return


class TestFamily:
    @pytest.fixture
    def server(self, start_as_told: Start) -> Server:
        return start_as_told()

    @pytest.mark.parametrize(("option", "family"), [("-4", socket.AF_INET), ("-6", socket.AF_INET6)])
    def test_a_name_or_an_address_is_reached_by_it(
        self, option: str, family: socket.AddressFamily, server: Server
    ) -> None:
        address = LOOPBACK[family]
        names = list(hosts(family))
        for host in names:
            assert client(option, host, server.port, typed=b"x\n") == (0, b"server reply:x\n", b"")
        server.log.wait_for(
            re.escape(f"{address}]" if ":" in address else address).encode() + rb":\d+ connected", len(names)
        )

    def test_a_name_without_such_an_address_is_told(self) -> None:
        expected = "echoreply-client: cannot connect to no-such-host.invalid:8088 over IPv6: no such host\n"
        assert client("-6", "no-such-host.invalid") == (1, b"", expected.encode())

    @pytest.mark.parametrize(("option", "family"), [("-4", socket.AF_INET), ("-6", socket.AF_INET6)])
    def test_datagrams_go_to_it_too(self, option: str, family: socket.AddressFamily) -> None:
        for host in hosts(family):
            with udp_server(echo, LOOPBACK[family]) as port:
                assert client("--udp", option, "--wait=3", host, port, typed=b"x\n") == (0, b"x\n", b"")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--unix=x", "--udp"], "--udp does not go with --unix"),
        (["--unix=x", "--connect=tcp:h:1"], "--connect does not go with --unix"),
        (["-4", "-6"], "-6 does not go with -4"),
        (["--unix=x", "host"], "--unix takes the place of HOST and PORT, not also 'host'"),
        (["--connect=unix:x", "host"], "--connect takes the place of HOST and PORT, not also 'host'"),
        (["--unix=x", "-6"], "-6 does not go with --unix, which takes the place of HOST"),
        (["-4", "::1"], "-4 takes a name or an IPv4 address as HOST, not '::1'"),
        (["-6", "127.0.0.1"], "-6 takes a name or an IPv6 address as HOST, not '127.0.0.1'"),
        ([""], "HOST takes a text that is not empty"),
        (["--unix="], "--unix takes a text that is not empty"),
        (["--tls", "--udp"], "--tls does not go with --udp, which has no connection"),
        (["--tls", "--unix=x"], "--tls with --unix needs --servername, the name to verify, or --insecure"),
        (
            ["--tls", "--insecure", "--ca=x"],
            "--insecure and --ca are one or the other: with --insecure no certificate is verified",
        ),
        (["--tls", "--key=x"], "--key needs --cert, its certificate"),
        *(
            (
                ["--tls", f"--servername={name}"],
                f"--servername takes the name or the IP address of a server, not '{name}'",
            )
            for name in ("", ".x", "x" * 64, "x." * 128)
        ),
        *(([f"--{name}=x"], f"--{name} needs --tls") for name in ("ca", "servername", "cert", "key")),
        (["--insecure"], "--insecure needs --tls"),
    ],
)
def test_what_makes_no_sense_together_is_one_line_and_status_2(arguments: list[str], said: str) -> None:
    assert client(*arguments) == (2, b"", f"echoreply-client: {said}\n".encode())


def test_what_a_client_does_not_say_is_where_it_goes() -> None:
    for arguments, where in (
        ([], ("127.0.0.1", 8088)),
        (["-6"], ("::1", 8088)),
        (["-4", "--udp"], ("127.0.0.1", 8088)),
        (["--unix=x"], (None, None)),
    ):
        options = parse_arguments(arguments)
        assert (options.host, options.port) == where
