"""The real programs, started as a person would start them."""

from __future__ import annotations

import fcntl
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
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO

from tests.wire import PATIENCE, Dial, Wire

SCRIPTS = Path(sys.executable).parent
TWISTD = str(SCRIPTS / "twistd")
CLIENT = str(SCRIPTS / "echoreply-client")


class Transcript:
    """What a descriptor gives, as it comes, read by a thread so that its writer never waits."""

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
            except OSError:  # How a pseudo-terminal ends.
                more = b""
            with self._changed:
                self._text += more
                self._ended = not more
                self._changed.notify_all()

    def wait_for(self, pattern: bytes, count: int = 1) -> re.Match[bytes]:
        """Wait until a pattern has come so many times; give the last match."""
        compiled = re.compile(pattern)

        def found() -> list[re.Match[bytes]]:
            return list(compiled.finditer(self._text))

        with self._changed:
            self._changed.wait_for(lambda: len(found()) >= count or self._ended, PATIENCE)
            assert len(found()) >= count, f"{pattern!r} did not come, but {self._text!r}"
            return found()[count - 1]

    def so_far(self) -> bytes:
        """Give what has come."""
        return self._text

    def all(self) -> bytes:
        """Wait until it has ended; give all of it."""
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "it did not end"
        return self._text


PASS_AS_SYSTEMD_DOES = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="echoreply")
os.execv(sys.argv[2], sys.argv[2:])
"""
CHOICES = [*((f"--reactor={name}",) for name in ("epoll", "poll", "select", "asyncio")), ()]
"""twistd's options for each reactor. Without one, it is uvloop's."""

LONG_PREFIX = f"--prefix={'p' * 100_000}"
SYSTEMD_SOCKET = "--listen=systemd:domain=INET:index=0"


def passing(listener: socket.socket) -> list[str]:
    """Give the command that runs another one with a socket passed as systemd passes it: sd_listen_fds(3)."""
    return [sys.executable, "-c", PASS_AS_SYSTEMD_DOES, str(listener.fileno())]


class Server(AbstractContextManager["Server"]):
    """
    C{twistd -n echoreply} on a free port.

    @ivar port: the port that it says it listens on.

    @param listener: a socket to pass to it, in place of that port.
    @param listen: an endpoint, in place of that port.
    """

    def __init__(
        self,
        directory: Path,
        *options: str,
        twistd_options: tuple[str, ...] = (),
        listener: socket.socket | None = None,
        listen: str = "",
    ) -> None:
        command = [TWISTD, "-n", "--pidfile=", *twistd_options, "echoreply"]
        if listener:
            command = [*passing(listener), *command, SYSTEMD_SOCKET, *options]
        else:
            command += [f"--listen={listen}" if listen else "--port=0", *options]
        self.process = subprocess.Popen(
            command,
            cwd=directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[listener.fileno()] if listener else [],
        )
        output = self.process.stdout
        assert output is not None
        self.log = Transcript(partial(os.read, output.fileno(), 65536))
        self.port = int(self.log.wait_for(rb"listening on \S+:(\d+)\n")[1])

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        self.log.all()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def dial(self, host: str = "127.0.0.1") -> Dial:
        return partial(Wire, host, self.port)

    def pause(self) -> None:
        """Stop it as Ctrl-Z would, and wait until it has."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitpid(self.process.pid, os.WUNTRACED)

    def resume(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)

    def stop(self, signal_number: int = signal.SIGTERM) -> int:
        """Stop it with a signal; give its status."""
        self.process.send_signal(signal_number)
        return self.process.wait(PATIENCE)


def free_port() -> int:
    """Give a port that nobody has, for a program that has to be told one."""
    while True:
        # Clients of other tests get theirs from above.
        port = random.randrange(10_000, 32_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


@contextmanager
def client_that_does_not_read(server: Server) -> Iterator[Wire]:
    """
    Give a client that reads but the first byte of what a server with a prefix of C{LONG_PREFIX} owes it.

    A thousand replies of 100 kB are more than any socket's buffers take.
    """
    with server.dial()(receive_buffer=4096) as client:
        client.send(b"x\n" * 1000)
        client.expect(b"p")
        yield client


class Terminal(AbstractContextManager["Terminal"]):
    """
    A program on a terminal of its own, as a person has it before them.

    @ivar screen: what it shows, and the echo of what is typed.
    """

    def __init__(self, *command: str, stdin: int | None = None, stdout: int | IO[bytes] | None = None) -> None:
        self._stack = ExitStack()
        self._master, self.slave = pty.openpty()
        self._stack.callback(os.close, self._master)
        self._stack.callback(os.close, self.slave)
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
        self._stack.close()

    def state(self) -> object:
        """Give all that a program could leave changed: the terminal's attributes, and its descriptor's flags."""
        return termios.tcgetattr(self.slave), fcntl.fcntl(self.slave, fcntl.F_GETFL)

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def wait(self) -> int:
        """Wait until the program ends; give its status, and check that the terminal is as it was."""
        status = self.process.wait(PATIENCE)
        assert self.state() == self.before, "the terminal was left changed"
        return status
