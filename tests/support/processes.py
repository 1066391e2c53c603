"""Processes of the real programs: server, client and load tester, as a user would start them."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import pty
import random
import re
import signal
import socket
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import IO

from tests.support.wire_contract import PATIENCE, Dial, Wire, exchange

SCRIPTS = Path(sys.executable).parent
TWISTD = str(SCRIPTS / "twistd")
CLIENT = str(SCRIPTS / "echoreply-client")
MEASURE = str(SCRIPTS / "echoreply-measure")


def client(*arguments: str | int, typed: bytes = b"") -> tuple[int, bytes, bytes]:
    """Run C{echoreply-client} with piped input until it ends; return its status, its output and its messages."""
    command = [CLIENT, *map(str, arguments)]
    done = subprocess.run(command, input=typed, capture_output=True, timeout=PATIENCE, check=False)
    return done.returncode, done.stdout, done.stderr


class Transcript:
    """The output of a process, read by a thread so that the process never has to wait."""

    def __init__(self, read: Callable[[], bytes]) -> None:
        self._read = read
        self._text = b""
        self._ended = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        more = b"begin"
        while more:
            try:
                more = self._read()
            except (OSError, ValueError):  # A pseudo-terminal ends with an error, and so does a closed file.
                more = b""
            with self._changed:
                self._text += more
                self._ended = not more
                self._changed.notify_all()

    def wait_for(self, pattern: bytes, count: int = 1) -> re.Match[bytes]:
        """Wait until a pattern has occurred C{count} times; return the last match."""
        compiled = re.compile(pattern)

        def found() -> list[re.Match[bytes]]:
            return list(compiled.finditer(self._text))

        with self._changed:
            self._changed.wait_for(lambda: len(found()) >= count or self._ended, PATIENCE)
            assert len(found()) >= count, f"{pattern!r} did not occur in {self._text!r}"
            return found()[count - 1]

    def wait_until(self, condition: Callable[[bytes], bool]) -> None:
        """Wait until the text so far meets a condition."""
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self._text), PATIENCE), f"not so: {self._text!r}"

    def so_far(self) -> bytes:
        """Return the text so far."""
        return self._text

    def all(self) -> bytes:
        """Wait for the end; return the whole text."""
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "it did not end"
        return self._text


PASS_AS_SYSTEMD_DOES = """
import fcntl, os, sys
passed = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 100) for number in sys.argv[1].split(",")]
for number, descriptor in enumerate(passed, 3):
    os.dup2(descriptor, number)
    os.close(descriptor)
names = ":".join(["echoreply", "web"][: len(passed)])
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(passed)), LISTEN_FDNAMES=names)
os.execv(sys.argv[2], sys.argv[2:])
"""
CHOICES = [*((f"--reactor={name}",) for name in ("epoll", "poll", "select", "asyncio")), ()]
"""twistd's options for each reactor. Without an option, uvloop is used."""

LISTENS = rb'(?:listening on |"listening","host":")[^\s"]+:(\d+)[\s"]'
"""The event of listening in a log, as text or as JSON."""

LONG_PREFIX = f"--prefix={'p' * 100_000}"
SYSTEMD_SOCKET = "--listen=systemd:domain=INET:index=0"


def passing(*listeners: socket.socket) -> list[str]:
    """Return a command that runs another command with sockets passed as by systemd: sd_listen_fds(3)."""
    return [sys.executable, "-c", PASS_AS_SYSTEMD_DOES, ",".join(str(listener.fileno()) for listener in listeners)]


class Server(AbstractContextManager["Server"]):
    """
    C{twistd -n echoreply} on a free port.

    @param listener: a listening socket to pass to it, in place of the free port.
    @param web: another listening socket to pass to it, for its monitoring site.
    @param listen: an endpoint, in place of the free port.
    @param inside: a command that runs another command on the server's machine.
    @ivar port: the port that it listens on.
    """

    def __init__(
        self,
        directory: Path,
        *options: str,
        twistd_options: tuple[str, ...] = (),
        listener: socket.socket | None = None,
        web: socket.socket | None = None,
        listen: str = "",
        inside: Sequence[str] = (),
    ) -> None:
        passed = [given for given in (listener, web) if given]
        command = [*inside, TWISTD, "-n", "--pidfile=", *twistd_options, "echoreply"]
        if listener:
            command = [*passing(*passed), *command, SYSTEMD_SOCKET, *options]
        else:
            command += [f"--listen={listen}" if listen else "--port=0", *options]
        self.process = subprocess.Popen(
            command,
            cwd=directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[given.fileno() for given in passed],
        )
        output = self.process.stdout
        assert output is not None
        self.log = Transcript(partial(os.read, output.fileno(), 65536))
        self.port = int(self.log.wait_for(LISTENS)[1])

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        self.log.all()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def dial(self, host: str = "127.0.0.1") -> Dial:
        return partial(Wire, host, self.port)

    def tls_port(self) -> int:
        """Return the port that it listens on for TLS."""
        return int(self.log.wait_for(rb"listening on \S+:(\d+) for TLS\n")[1])

    def resident(self) -> int:
        """Return its resident memory in kB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0])

    def pause(self) -> None:
        """Suspend it, and wait until it is suspended."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitpid(self.process.pid, os.WUNTRACED)

    def resume(self) -> None:
        """Resume it."""
        self.process.send_signal(signal.SIGCONT)

    def stop(self, signal_number: int = signal.SIGTERM) -> int:
        """Stop it with a signal; return its status."""
        self.process.send_signal(signal_number)
        return self.process.wait(PATIENCE)


def twistd(directory: Path, *arguments: str, pass_fds: Sequence[int] = ()) -> subprocess.CompletedProcess[str]:
    """Run twistd until it ends."""
    return subprocess.run(
        [TWISTD, *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        pass_fds=pass_fds,
    )


def beside(work: Callable[[int, Connection], object], port: int) -> tuple[Connection, BaseProcess]:
    """Run a function for a port in another process; return our end of a pipe to it, and the process."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=work, args=(port, theirs), daemon=True)
    process.start()
    theirs.close()
    return ours, process


@contextmanager
def outliving() -> Iterator[int]:
    """Yield a descriptor to pass to processes; at the end, wait until all processes that have it have ended."""
    alive, held = os.pipe()
    try:
        yield held
    finally:
        os.close(held)
        assert os.read(alive, 1) == b""
        os.close(alive)


def serve_as_daemon(directory: Path, *options: str, meanwhile: Callable[[], object] = lambda: None) -> str:
    """Run a server as a daemon until it has answered a message; check that only its log is left, and return that."""
    log, pidfile, port = directory / "log", directory / "pid", free_port()
    with outliving() as process:
        arguments = [f"--logfile={log}", f"--pidfile={pidfile}", "echoreply", f"--port={port}", *options]
        result = twistd(directory, *arguments, pass_fds=[process])
        if pidfile.exists():
            try:
                exchange(partial(Wire, "127.0.0.1", port), b"hello\n", b"server reply:hello\n")
                meanwhile()
            finally:
                os.kill(int(pidfile.read_text()), signal.SIGTERM)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert not pidfile.exists()
    text = log.read_text()
    assert re.search('sent "hello"|"message":"hello"', text)
    return text


def stop_and_count(server: Server) -> dict[str, int]:
    """Stop a server, check that its log has no errors and its counts add up, and return them."""
    assert server.stop() == -signal.SIGTERM
    log = server.log.all()
    assert b"Traceback" not in log, log.decode()
    assert b"Unhandled" not in log, log.decode()
    found = re.search(rb"stopped: (.*)", log)
    assert found
    counts = {name.decode(): int(count) for name, count in re.findall(rb"([a-z][a-z ]*?):? (\d+)", found[1])}
    assert counts["accepted"] == counts["open"] + counts["ended"]
    assert counts["open"] == 0
    return counts


def stop_while_it_answers(
    server: Server, dial: Dial, number: int = signal.SIGTERM, *, clients: int = 1, messages: int = 100_000
) -> None:
    """Stop a server with a signal while clients send continuously, and check that none loses part of a reply."""
    lines = b"".join(b"%d\n" % n for n in range(messages))
    replies = b"".join(b"server reply:%d\n" % n for n in range(messages))
    begun = threading.Semaphore(0)

    def send_without_end() -> bytes:
        with dial() as connection, ThreadPoolExecutor() as pool:
            sending = pool.submit(connection.send, lines)
            received = connection.read(1)
            begun.release()
            received += connection.read_all()
            connection.socket.close()
            sending.exception(PATIENCE)
            return received

    with ThreadPoolExecutor(clients) as pool:
        running = [pool.submit(send_without_end) for _ in range(clients)]
        for _ in running:
            assert begun.acquire(timeout=PATIENCE)
        server.process.send_signal(number)
        for client in running:
            received = client.result(PATIENCE)
            assert received.endswith(b"\n")
            assert replies.startswith(received)
    assert server.process.wait(PATIENCE) == -number


def free_port(lowest: int = 10_000, above: int = 32_000) -> int:
    """Return a free port, for a program that can't choose one itself; none of the ephemeral ports of clients."""
    while True:
        port = random.randrange(lowest, above)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


@contextmanager
def client_that_does_not_read(server: Server) -> Iterator[Wire]:
    """
    Yield a client that reads only the first byte from a server with C{LONG_PREFIX}.

    A thousand replies of 100 kB are more than any socket buffers hold.
    """
    with server.dial()(receive_buffer=4096) as client:
        client.send(b"x\n" * 1000)
        client.expect(b"p")
        yield client


class Terminal(AbstractContextManager["Terminal"]):
    """
    A program on a pseudo-terminal.

    @ivar screen: its output, and the echo of the input.
    """

    def __init__(self, *command: str, stdin: int | None = None, stdout: int | IO[bytes] | None = None) -> None:
        self._master, self.slave = pty.openpty()
        self.before = self.state()
        self.process = subprocess.Popen(
            command,
            stdin=self.slave if stdin is None else stdin,
            stdout=self.slave if stdout is None else stdout,
            stderr=self.slave,
            start_new_session=True,
            preexec_fn=partial(fcntl.ioctl, self.slave, termios.TIOCSCTTY, 0),
        )
        self.screen = Transcript(partial(os.read, self._master, 65536))

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        os.close(self.slave)
        # Otherwise the thread could read from the next file with this descriptor.
        self.screen.all()
        os.close(self._master)

    def state(self) -> object:
        """Return what a program could leave changed: the terminal's attributes, and its descriptor's flags."""
        return termios.tcgetattr(self.slave), fcntl.fcntl(self.slave, fcntl.F_GETFL)

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def wait(self) -> int:
        """Wait until the program ends; check that the terminal is unchanged, and return the status."""
        status = self.process.wait(PATIENCE)
        assert self.state() == self.before, "the terminal was left changed"
        return status
