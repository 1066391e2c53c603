"""C{twistd echoreply --tls}: whose certificate is shown, and whose is asked for."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Start, installed
from tests.support import wire_contract as wire
from tests.support.processes import Server, twistd
from tests.support.tls_peers import Authority, TLSWire, client_context
from tests.support.wire_contract import PATIENCE, exchange

KEPT = rb"reload failed, keeping the previous one: "


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


@pytest.fixture
def files(authority: Authority) -> list[str]:
    certificate, key = authority.sign("localhost", "127.0.0.1")
    return [f"--cert={certificate}", f"--key={key}"]


@pytest.fixture
def serve(start_as_told: Start, engine: str) -> Callable[..., tuple[Server, Callable[..., TLSWire]]]:
    """Give a function that starts a server with C{--tls}, and gives it and what dials it."""

    def serve(*options: str) -> tuple[Server, Callable[..., TLSWire]]:
        server = start_as_told(engine, "--tls=0", *options)
        return server, partial(TLSWire, "127.0.0.1", server.tls_port())

    return serve


Serve = Callable[..., tuple[Server, Callable[..., TLSWire]]]


def shown_to(dial: Callable[..., TLSWire]) -> bytes:
    """Give the certificate that a client is shown."""
    with dial() as client:
        shown = client.session.tls.getpeercert(binary_form=True)
        assert shown
        return shown


def der_of(path: str) -> bytes:
    text = Path(path).read_text()
    return ssl.PEM_cert_to_DER_cert(text.split("-----BEGIN PRIVATE KEY")[0])


def test_the_contract_holds(serve: Serve, files: list[str]) -> None:
    _, dial = serve(*files, f"--pause={wire.PAUSE}")
    for case in wire.CASES:
        case(dial)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda v: v.name)
def test_a_client_that_trusts_the_authority_finds_nothing_wrong(
    version: ssl.TLSVersion, serve: Serve, files: list[str], authority: Authority
) -> None:
    server, _ = serve(*files)
    context = ssl.create_default_context(cafile=authority.path)
    context.minimum_version = context.maximum_version = version
    with (
        socket.create_connection(("127.0.0.1", server.tls_port()), PATIENCE) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as client,
    ):
        client.sendall(b"hello\nexit\n")
        assert client.recv(100) == b"server reply:hello\n"
        assert client.version() == {"TLSv1_2": "TLSv1.2", "TLSv1_3": "TLSv1.3"}[version.name]


def test_older_versions_are_not_spoken(serve: Serve, files: list[str]) -> None:
    server, dial = serve(*files)
    context = client_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, AssertionError)):
        dial(context=context)
    server.log.wait_for(rb" TLS failed: ")


def test_a_key_may_be_in_the_certificates_file(serve: Serve, authority: Authority, tmp_path: Path) -> None:
    whole = tmp_path / "whole.pem"
    whole.write_text("".join(Path(path).read_text() for path in authority.sign("localhost")))
    _, dial = serve(f"--cert={whole}")
    assert shown_to(dial) == der_of(str(whole))


def test_without_a_certificate_one_is_made_whose_fingerprint_is_told(serve: Serve) -> None:
    server, dial = serve()
    told = server.log.wait_for(rb"self-signed certificate generated at start-up, SHA-256 fingerprint ([0-9A-F:]+)\n")[1]
    assert sha256(shown_to(dial)).hexdigest() == told.decode().replace(":", "").lower()


def test_s_client_is_served(serve: Serve, files: list[str], authority: Authority) -> None:
    installed("openssl")
    server, _ = serve(*files, "--alpn=echo/1")
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{server.tls_port()}", "-CAfile", authority.path]
    command += ["-verify_return_error", "-verify_hostname", "localhost", "-alpn", "other,echo/1"]
    done = subprocess.run(
        [*command, "-ign_eof"], input=b"hello\nexit\n", capture_output=True, timeout=PATIENCE, check=True
    )
    assert b"\nserver reply:hello\n" in done.stdout
    assert b"ALPN protocol: echo/1" in done.stdout
    assert b"Verify return code: 0 (ok)" in done.stdout


def test_ncat_is_served(serve: Serve, files: list[str]) -> None:
    ncat = installed("ncat")
    server, _ = serve(*files)
    done = subprocess.run(
        [ncat, "--ssl", "127.0.0.1", str(server.tls_port())],
        input=b"hello\nexit\n",
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.stdout == b"server reply:hello\n"


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_socat_is_served_on_either_family(host: str, serve: Serve, files: list[str]) -> None:
    socat = installed("socat")
    server, _ = serve(*files)
    done = subprocess.run(
        [socat, "-t60", "-", f"OPENSSL:{host}:{server.tls_port()},verify=0"],
        input=b"hello\nexit\n",
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.stdout == b"server reply:hello\n"


def test_the_first_protocol_that_both_know_is_agreed_on(serve: Serve, files: list[str]) -> None:
    _, dial = serve(*files, "--alpn=echo/2", "--alpn=echo/1")
    for offered, agreed in ((["echo/1", "echo/2"], "echo/2"), (["echo/1"], "echo/1"), (["h2"], None)):
        context = client_context()
        context.set_alpn_protocols(offered)
        with dial(context=context) as client:
            assert client.session.tls.selected_alpn_protocol() == agreed


class TestClients:
    """Certificates of clients."""

    @pytest.fixture
    def clients(self, tmp_path: Path) -> Authority:
        return Authority(tmp_path, "clients")

    def test_the_log_says_whose_they_are(self, serve: Serve, files: list[str], clients: Authority) -> None:
        server, dial = serve(*files, f"--client-ca={clients.path}")
        exchange(partial(dial, context=client_context(clients.sign("alice"))), b"hello\n", b"server reply:hello\n")
        server.log.wait_for(rb'127\.0\.0\.1:\d+ is "CN=alice"\n')

    def test_with_a_made_certificate_they_are_asked_for_too(self, serve: Serve, clients: Authority) -> None:
        server, dial = serve(f"--client-ca={clients.path}")
        exchange(partial(dial, context=client_context(clients.sign("bob"))), b"hello\n", b"server reply:hello\n")
        server.log.wait_for(rb'127\.0\.0\.1:\d+ is "CN=bob"\n')

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda v: v.name)
    @pytest.mark.parametrize(
        ("whose", "said"),
        [
            ("nobody's", rb"peer did not return a certificate"),
            ("another's", rb"certificate verification failed: (unable to get local issuer|self-signed) certificate"),
            ("an old one", rb"certificate verification failed: certificate has expired"),
        ],
    )
    def test_a_wrong_one_gets_no_reply_and_is_logged(
        self,
        whose: str,
        said: bytes,
        version: ssl.TLSVersion,
        serve: Serve,
        files: list[str],
        clients: Authority,
        authority: Authority,
    ) -> None:
        server, dial = serve(*files, f"--client-ca={clients.path}")
        certificate = {
            "nobody's": None,
            "another's": authority.sign("mallory"),
            "an old one": clients.sign("alice", days=(-3, -2)),
        }[whose]
        context = client_context(certificate)
        context.minimum_version = context.maximum_version = version
        # Under TLS 1.3 a client takes itself for connected before it has been looked at.
        received = b""
        with suppress(ssl.SSLError, ConnectionError, AssertionError), dial(context=context) as client:
            client.send(b"hello\n")
            received = client.read(1)
        assert received == b""
        server.log.wait_for(rb"127\.0\.0\.1:\d+ TLS failed: " + said + rb"\n")
        assert server.stop() == -signal.SIGTERM
        log = server.log.all()
        assert b"messages 0, bytes in 0, bytes out 0" in log
        assert b"Traceback" not in log


class TestSIGHUP:
    """Certificates that are read again."""

    def test_who_comes_later_is_shown_the_new_one_and_nobody_is_dropped(
        self, serve: Serve, authority: Authority, tmp_path: Path
    ) -> None:
        cert, key = tmp_path / "cert", tmp_path / "key"
        old, new = authority.sign("old"), authority.sign("new")
        shutil.copy(old[0], cert)
        shutil.copy(old[1], key)
        server, dial = serve(f"--cert={cert}", f"--key={key}")
        with dial() as early:
            early.send(b"one\n")
            early.expect(b"server reply:one\n")
            shutil.copy(new[0], cert)
            shutil.copy(new[1], key)
            server.process.send_signal(signal.SIGHUP)
            server.log.wait_for(rb"certificate of \*:0 reloaded\n")
            assert shown_to(dial) == der_of(new[0])
            early.send(b"two\n")
            early.expect(b"server reply:two\n")

    def test_what_can_not_be_read_changes_nothing_and_is_logged(
        self, serve: Serve, authority: Authority, tmp_path: Path
    ) -> None:
        whole = tmp_path / "whole.pem"
        whole.write_text("".join(Path(path).read_text() for path in authority.sign("old")))
        shown = der_of(str(whole))
        server, dial = serve(f"--cert={whole}")
        whole.write_text("nonsense")
        server.process.send_signal(signal.SIGHUP)
        server.log.wait_for(KEPT + rb"\S+ and \S+ hold no certificate and its key in PEM\n")
        whole.unlink()
        server.process.send_signal(signal.SIGHUP)
        server.log.wait_for(KEPT + rb"\S*whole.pem: No such file or directory\n")
        assert shown_to(dial) == shown

    def test_an_endpoint_reads_its_files_again_too(self, start: Start, authority: Authority, tmp_path: Path) -> None:
        whole = tmp_path / "whole.pem"
        whole.write_text("".join(Path(path).read_text() for path in authority.sign("old")))
        server = start(f"--listen=ssl:0:interface=127.0.0.1:privateKey={whole}")
        whole.write_text("".join(Path(path).read_text() for path in authority.sign("new")))
        server.process.send_signal(signal.SIGHUP)
        server.log.wait_for(rb"certificate of ssl:0:\S+ reloaded\n")
        assert shown_to(partial(TLSWire, "127.0.0.1", server.tls_port())) == der_of(str(whole))

    def test_without_anything_to_read_it_ends_the_process_as_it_does_any(self, start: Start) -> None:
        assert start().stop(signal.SIGHUP) == -signal.SIGHUP


class TestMistakes:
    """Each is told in one line, with status 1."""

    def said(self, tmp_path: Path, *options: str) -> str:
        result = twistd(tmp_path, "-n", "--pidfile=", "echoreply", "--tls=0", *options)
        assert result.returncode == 1
        output = result.stdout + result.stderr
        assert "Traceback" not in output
        return output.splitlines()[-1]

    def test_a_key_that_is_another_certificates(self, authority: Authority, tmp_path: Path) -> None:
        (certificate, _), (_, key) = authority.sign("one"), authority.sign("other")
        said = self.said(tmp_path, f"--cert={certificate}", f"--key={key}")
        assert said.endswith(f"cannot listen on *:0: {key} is not the key of the certificate in {certificate}")

    def test_a_certificate_that_has_expired(self, authority: Authority, tmp_path: Path) -> None:
        certificate, key = authority.sign("one", days=(-3, -2))
        said = self.said(tmp_path, f"--cert={certificate}", f"--key={key}")
        assert re.search(re.escape(certificate) + r" has expired, on \d{4}-\d\d-\d\d \d\d:\d\d UTC$", said)

    @pytest.mark.parametrize("option", ["--cert", "--key", "--client-ca"])
    def test_a_file_that_is_not_there(self, option: str, authority: Authority, tmp_path: Path) -> None:
        certificate, key = authority.sign("one")
        options = {"--cert": certificate, "--key": key, "--client-ca": authority.path, option: "/no/such/file"}
        said = self.said(tmp_path, *(f"{name}={value}" for name, value in options.items()))
        assert said.endswith(f"{option} /no/such/file: No such file or directory")

    def test_a_file_of_cas_without_any(self, authority: Authority, tmp_path: Path) -> None:
        _, key = authority.sign("one")
        assert self.said(tmp_path, f"--client-ca={key}").endswith(f"{key} holds no certificate in PEM")
