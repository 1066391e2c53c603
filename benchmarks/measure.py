"""A measurement: it runs a server and the load generator, each on its core, and reads their resource usage."""

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
"""Seconds of load before the measurement."""
PATIENCE = 90
"""Seconds for opening all connections, and for the last replies, besides the measurement."""
START = 15
"""Seconds within which a server has to send its first reply."""
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


class Failed(Exception):
    """A measurement failed. The text is the reason."""


@frozen
class Measurement:
    """
    The result of one run.

    @ivar rate: replies a second; for rows that reconnect, connections a second.
    @ivar cpu: user and system time of the server's processes for each reply, in microseconds.
    @ivar p50: the median latency, in microseconds; C{p99} is the 99th percentile.
    @ivar memory: resident memory of the server's processes together at the end, in bytes.
    @ivar server: the share of a core that the server used; 1 is a whole core.
    @ivar generator: the share of a core that the load generator used.
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
    """
    The set-up of measurements.

    @ivar directory: the directory with the built programs.
    @ivar load: the path of the load generator.
    @ivar seconds: the duration of a measurement.
    """

    directory: Path
    load: Path
    server_core: int
    generator_core: int
    seconds: float

    def measure(self, peer: Peer, row: Row) -> Measurement:
        with self._serve(peer) as server, tempfile.TemporaryFile("w+") as errors, ExitStack() as stack:
            prefix = self._first_reply(peer, server)
            if peer.page:
                stack.enter_context(page_viewer(peer.page))
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
            with load, killed_at_exit(load):
                assert load.stdout is not None
                watchdog = threading.Timer(self.seconds + PATIENCE, load.kill)
                watchdog.start()
                try:
                    load.stdout.readline()
                    began = cpu_seconds(server.pid)
                    load.stdout.readline()
                    used = cpu_seconds(server.pid) - began
                    report = load.stdout.readline()
                    memory = resident(server.pid)
                finally:
                    watchdog.cancel()
            errors.seek(0)
            error = errors.readline().strip()
            check_alive(server)
            if not report:
                raise Failed(error or "it took too long")
            got = json.loads(report)
            if got["errors"] or got["wrong"] or got["missing"] or not got["replies"]:
                counts = ", ".join(f"{got[name]} {name}" for name in ("replies", "errors", "wrong", "missing"))
                raise Failed(": ".join(filter(None, [counts, error])))
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
        with server, killed_at_exit(server):
            yield server

    def _first_reply(self, peer: Peer, server: subprocess.Popen[bytes]) -> str:
        """Wait for the first reply of a server. Return its prefix."""
        deadline = time.monotonic() + START
        message = b"ready?\n"
        while True:
            check_alive(server)
            try:
                with connect(tls=peer.group is Group.TLS) as client:
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
                    raise Failed(f"no server listened on 127.0.0.1:{PORT} within {START} s") from None
                time.sleep(0.02)
            except OSError as error:
                raise Failed(f"no first reply: {error}") from None
        prefix = reply.removesuffix(message)
        if prefix == reply or peer.prefix not in (None, prefix.decode("latin-1")):
            raise Failed(f"the first reply was {reply!r}")
        return prefix.decode("latin-1")


def connect(*, tls: bool) -> socket.socket:
    """Return a connection to the server."""
    client = socket.create_connection(("127.0.0.1", PORT), START)
    if not tls:
        return client
    with client:
        # The TLS socket takes over the descriptor; without it, the connection is closed.
        return ssl._create_unverified_context().wrap_socket(client)


@contextmanager
def page_viewer(port: int) -> Iterator[None]:
    """Follow the live page on a port in a thread."""

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
    """Return the command line options of the load generator for a row."""
    options = [f"-c{row.connections}", f"-d{row.depth}", f"-s{row.size}", f"-t{seconds}", f"-w{WARM_UP}"]
    return [*options, "-P", prefix, f"-p{PORT}", "-k", *(["-r"] if row.reconnect else [])]


def prepare_process(*cores: int) -> None:
    """Pin this process to cores, and raise its limit on open files to the hard limit."""
    os.sched_setaffinity(0, cores)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def check_alive(process: subprocess.Popen[bytes]) -> None:
    """Raise L{Failed} if a server has ended, without reaping it, so that its process id stays valid."""
    if end := os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        raise Failed(f"the server ended, {'status' if end.si_code == os.CLD_EXITED else 'signal'} {end.si_status}")


@contextmanager
def killed_at_exit(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> Iterator[None]:
    """At the end, kill a process that leads its own session, and the processes that it has started."""
    try:
        yield
    finally:
        if process.stdin:
            process.stdin.close()
        if process.returncode is None:  # Otherwise its process id may have been reused.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            while any(fields[0] != "Z" for _, fields in session_processes(process.pid)):
                time.sleep(0.02)


def wait_for_port() -> None:
    """Wait until the port is free: ended servers may hold it for a moment."""
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


def session_processes(leader: int) -> Iterator[tuple[int, list[str]]]:
    """Yield the processes of a session: process ids, and the fields of proc_pid_stat(5) from the third, the state."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(FileNotFoundError, ProcessLookupError):
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                if int(fields[3]) == leader:
                    yield int(folder.name), fields


def cpu_seconds(leader: int) -> float:
    """
    Return the CPU time of a server in seconds, including that of its children that have ended.

    The time of a running process is read from its clock, clock_getcpuclockid(3): /proc has hundredths of a second,
    which is too coarse where a hundred processes share the work.
    """
    total = 0.0
    for process, fields in session_processes(leader):
        total += sum(map(int, fields[13:15])) / TICKS
        with suppress(OSError):  # The process has ended meanwhile.
            total += time.clock_gettime(~process << 3 | 2)
    return total


def resident(leader: int) -> int:
    """Return the resident memory of a server, in bytes."""
    return sum(int(fields[21]) for _, fields in session_processes(leader)) * PAGE
