"""One measurement: a server and the load generator, each on its core, and what the kernel says of both."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

from attrs import frozen

from benchmarks.peers import PORT, TLS_LOAD, Peer
from benchmarks.rows import Group, Row

WARM_UP = 0.3
PATIENCE = 90
"""Seconds to open all connections and to await what is owed, beside the measurement."""
START = 15
"""Seconds for a server's first reply."""
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


class Failed(Exception):
    """The server did not do what it was asked for."""


@frozen
class Measurement:
    """
    What one run gave.

    @ivar rate: replies a second; of all reconnections, connections a second.
    @ivar cpu: what a reply cost the server's processes, in microseconds of user and system time.
    @ivar p50: the median time of a reply, in microseconds.
    @ivar memory: what the server's processes had resident at the end, together, in bytes.
    @ivar server: how much of a core the server used; 1 is all of it.
    @ivar generator: how much of a core the generator used.
    """

    rate: float
    cpu: float
    p50: float
    p99: float
    memory: float
    server: float
    generator: float


@frozen
class Bench:
    """Where measurements happen."""

    directory: Path
    load: Path
    server_core: int
    generator_core: int
    seconds: float

    def measure(self, peer: Peer, row: Row) -> Measurement:
        with self._serve(peer) as server, tempfile.TemporaryFile("w+") as errors, ExitStack() as stack:
            prefix = self._first_reply(peer, server)
            if peer.page:
                stack.enter_context(looking_at(peer.page))
            load = subprocess.Popen(
                [
                    self.load.with_name(TLS_LOAD) if row.group is Group.TLS else self.load,
                    *load_options(row, prefix, self.seconds),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                preexec_fn=partial(prepare_process, self.generator_core),
                start_new_session=True,
            )
            with load, ended(load):
                assert load.stdout is not None
                watchdog = threading.Timer(self.seconds + PATIENCE, load.kill)
                watchdog.start()
                try:
                    load.stdout.readline()
                    began = cpu_seconds(server.pid)
                    load.stdout.readline()
                    used = cpu_seconds(server.pid) - began
                    line = load.stdout.readline()
                    memory = resident(server.pid)
                finally:
                    watchdog.cancel()
            errors.seek(0)
            said = errors.readline().strip()
            check_alive(server)
            if not line:
                raise Failed(said or "it took too long")
            got = json.loads(line)
            if got["errors"] or got["wrong"] or got["missing"] or not got["replies"]:
                counts = ", ".join(f"{got[name]} {name}" for name in ("replies", "errors", "wrong", "missing"))
                raise Failed(": ".join(filter(None, [counts, said])))
        return Measurement(
            rate=got["replies"] / got["seconds"],
            cpu=used / got["replies"] * 1e6,
            p50=got["p50_us"],
            p99=got["p99_us"],
            memory=memory,
            server=used / got["seconds"],
            generator=got["cpu_seconds"] / got["seconds"],
        )

    @contextmanager
    def _serve(self, peer: Peer) -> Iterator[subprocess.Popen[bytes]]:
        wait_for_port()
        cores = [self.server_core, *([self.generator_core] if peer.group is Group.WORKERS else [])]
        server = subprocess.Popen(
            peer.arguments(peer.command, self.directory),
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=partial(prepare_process, *cores),
            start_new_session=True,
        )
        with server, ended(server):
            yield server

    def _first_reply(self, peer: Peer, server: subprocess.Popen[bytes]) -> str:
        """Wait until it answers; give what is before a message in its reply."""
        deadline = time.monotonic() + START
        message = b"ready?\n"
        while True:
            check_alive(server)
            try:
                with dialled(tls=peer.group is Group.TLS) as client:
                    client.sendall(message)
                    reply = b""
                    while not reply.endswith(b"\n"):
                        more = client.recv(4096)
                        if not more:
                            raise Failed(f"the server closed after {reply!r}")
                        reply += more
                    break
            except ConnectionRefusedError:
                if time.monotonic() > deadline:
                    raise Failed(f"nobody listened on 127.0.0.1:{PORT} within {START} s") from None
                time.sleep(0.02)
            except OSError as error:
                raise Failed(f"no first reply: {error}") from None
        prefix = reply.removesuffix(message)
        if prefix == reply or peer.prefix not in (None, prefix.decode("latin-1")):
            raise Failed(f"the first reply was {reply!r}")
        return prefix.decode("latin-1")


def dialled(*, tls: bool) -> socket.socket:
    """Give a connection."""
    client = socket.create_connection(("127.0.0.1", PORT), START)
    if not tls:
        return client
    with client:
        # If it is made at all, it is taken over.
        return ssl._create_unverified_context().wrap_socket(client)


@contextmanager
def looking_at(port: int) -> Iterator[None]:
    """Be one who looks at a live page."""

    def follow() -> None:
        while viewer.recv(65536):
            pass

    with socket.create_connection(("127.0.0.1", port), START) as viewer:
        viewer.sendall(b"GET /events HTTP/1.1\r\nHost: benchmark\r\n\r\n")
        follower = threading.Thread(target=follow)
        follower.start()
        try:
            yield
        finally:
            viewer.shutdown(socket.SHUT_RDWR)
            follower.join()


def load_options(row: Row, prefix: str, seconds: float) -> list[str]:
    options = [f"-c{row.connections}", f"-d{row.depth}", f"-s{row.size}", f"-t{seconds}", f"-w{WARM_UP}"]
    return [*options, "-P", prefix, f"-p{PORT}", "-k", *(["-r"] if row.reconnect else [])]


def prepare_process(*cores: int) -> None:
    """Pin the process that this runs in, and let it open all files that it may."""
    os.sched_setaffinity(0, cores)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def check_alive(process: subprocess.Popen[bytes]) -> None:
    """See that a server has not ended, without waiting for it: its number stays its own, for C{ended}."""
    if end := os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        raise Failed(f"the server ended, {'status' if end.si_code == os.CLD_EXITED else 'signal'} {end.si_status}")


@contextmanager
def ended(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> Iterator[None]:
    """End a process that leads a session of its own, and those it started, at the end."""
    try:
        yield
    finally:
        if process.stdin:
            process.stdin.close()
        if process.returncode is None:  # Otherwise its number may be another's by now.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            while any(fields[0] != "Z" for _, fields in of_session(process.pid)):
                time.sleep(0.02)


def wait_for_port() -> None:
    """Wait until nobody listens; those who were ended may take a moment."""
    deadline = time.monotonic() + START
    while True:
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind(("127.0.0.1", PORT))
                trial.listen()
            except OSError as error:
                if time.monotonic() > deadline:
                    raise Failed(f"127.0.0.1:{PORT}: {error.strerror}") from None
            else:
                return
        time.sleep(0.1)


def of_session(leader: int) -> Iterator[tuple[int, list[str]]]:
    """Give the processes of a session, each with its proc_pid_stat(5) from the state on, which is field 3."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(FileNotFoundError, ProcessLookupError):
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                if int(fields[3]) == leader:
                    yield int(folder.name), fields


def cpu_seconds(leader: int) -> float:
    """
    Give the time that a server took, of its children that have ended too.

    The user and system time of a living process is asked of its clock, clock_getcpuclockid(3), as /proc knows but
    hundredths of a second: nothing, where a hundred processes share the work.
    """
    total = 0.0
    for process, fields in of_session(leader):
        total += sum(map(int, fields[13:15])) / TICKS
        with suppress(OSError):  # It has ended meanwhile.
            total += time.clock_gettime(~process << 3 | 2)
    return total


def resident(leader: int) -> int:
    return sum(int(fields[21]) for _, fields in of_session(leader)) * PAGE
