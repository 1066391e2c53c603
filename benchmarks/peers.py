"""The measured servers: how they are built and started, and what they can't do."""

from __future__ import annotations

import importlib.util
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from attrs import evolve, frozen

from benchmarks.rows import Group, Row

HERE = Path(__file__).parent
ORIGINAL = HERE.parent.parent / "shared" / "seed" / "server"
PORT = 8088
"""The port of all servers: the original has no option for another."""
PAGE_PORT = 9101
PREFIX = "server reply:"
TLS_LOAD, CERTIFICATE, KEY = "load-tls", "certificate.pem", "key.pem"

Need = Callable[[], str | None]
"""Returns what a server needs and is missing here; C{None} if nothing is."""


class Skipped(Exception):
    """A server can't be measured on this machine. The text is the reason."""


def program(name: str) -> Need:
    """Return the need of a program."""
    return lambda: None if shutil.which(name) else f"no {name}"


def module(name: str) -> Need:
    """Return the need of a Python module."""
    return lambda: None if importlib.util.find_spec(name) else f"no {name} in this Python"


def path(wanted: Path, what: str) -> Need:
    """Return the need of a file or directory."""
    return lambda: None if wanted.exists() else f"no {what}"


@frozen
class Peer:
    """
    A server.

    In its commands, C{{port}} is the port to listen on, C{{python}} this Python, C{{scripts}} the directory of its
    scripts, C{{here}} this package, C{{original}} the directory of the original server, and C{{bin}} the directory of
    built programs.

    @ivar about: describes it in the method of the results.
    @ivar prefix: the prefix of its replies; C{None} to use that of its first reply.
    @ivar lines: whether it replies to each line, even if several arrive in one read.
    @ivar max_connections: the maximum number of connections that it can serve.
    @ivar group: the servers that it is compared with.
    @ivar page: the port of its live page, which a viewer follows during the measurement; 0 without a page.
    """

    name: str
    about: str
    command: str
    build: str = ""
    needs: tuple[Need, ...] = ()
    prefix: str | None = PREFIX
    lines: bool = True
    max_connections: int = sys.maxsize
    group: Group = Group.ALL
    page: int = 0

    def unfit(self, row: Row) -> str | None:
        """Return why it can't be measured in a row; C{None} if it can."""
        if row.depth > 1 and not self.lines:
            return "not every line has a reply of its own"
        if row.connections > self.max_connections:
            return f"one process per connection, at most {self.max_connections}"
        return None

    def arguments(self, command: str, directory: Path) -> list[str]:
        """Return a command as a list of arguments, with its placeholders replaced."""
        values = {
            "{port}": str(PORT),
            "{python}": sys.executable,
            "{scripts}": str(Path(sys.executable).parent),
            "{here}": str(HERE),
            "{original}": str(ORIGINAL),
            "{bin}": str(directory),
        }
        words = shlex.split(command)
        for name, value in values.items():
            words = [word.replace(name, value) for word in words]
        return words

    def prepare(self, directory: Path) -> None:
        """Check its needs, and build it if necessary."""
        if missing := [what for need in self.needs if (what := need())]:
            raise Skipped(", ".join(missing))
        if self.build:
            run_build(self.arguments(self.build, directory))


def run_build(command: list[str]) -> None:
    """Run a build command. Raise L{Skipped} if it fails."""
    built = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if built.returncode:
        raise Skipped(f"could not be built: {(built.stderr.splitlines() or ['no reason given'])[0]}")


def build_load(directory: Path) -> Path:
    """Build the load generator. Return its path."""
    if missing := program("cc")():
        raise Skipped(missing)
    run_build(["cc", "-O2", "-o", str(directory / "load"), str(HERE / "load.c")])
    return directory / "load"


def prepare_tls(directory: Path) -> None:
    """Build the load generator with TLS, and generate a certificate and its key."""
    if missing := program("openssl")():
        raise Skipped(missing)
    source, target = str(HERE / "load.c"), str(directory / TLS_LOAD)
    try:
        run_build(["cc", "-O2", "-DTLS", "-o", target, source, "-lssl", "-lcrypto"])
    except Skipped as skipped:
        raise Skipped(f"the load generator, which needs OpenSSL's headers, {skipped}") from None
    run_build(
        [
            *("openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-keyout", str(directory / KEY), "-out", str(directory / CERTIFICATE)),
        ]
    )


def echoreply(name: str, options: str = "") -> Peer:
    """Return this project's server with options."""
    return Peer(
        name,
        f"this project, `twistd -n echoreply{options and ' ' + options}`",
        "{scripts}/twistd -n --pidfile= echoreply --port {port} --interface 127.0.0.1 " + options,
        needs=(path(Path(sys.executable).parent / "twistd", "twistd beside this Python"),),
    )


def echoreply_workers(name: str, count: int) -> Peer:
    """Return this project's server with workers, and a message limit so low that it has to check each message."""
    return evolve(echoreply(name, f"--max-message 1000 --workers {count}"), group=Group.WORKERS)


def echoreply_script(name: str, options: str = "") -> Peer:
    """Return this project's server for the rows with reply scripts."""
    return evolve(echoreply(name, options), group=Group.SCRIPTS)


def echoreply_tls(engine: str, *needs: Need) -> Peer:
    """Return this project's server with TLS, on an I/O engine."""
    options = f"--listen ssl:{{port}}:interface=127.0.0.1:privateKey={{bin}}/{KEY}:certKey={{bin}}/{CERTIFICATE}"
    return Peer(
        f"echoreply-tls-{engine}",
        f"this project over TLS, `--listen ssl:…` with `--engine {engine}`",
        f"{{scripts}}/twistd -n --pidfile= echoreply --engine {engine} {options}",
        needs=(path(Path(sys.executable).parent / "twistd", "twistd beside this Python"), *needs),
        group=Group.TLS,
    )


PEERS = [
    Peer(
        "limit",
        "the limit of one thread in C: epoll, one write per read",
        "{bin}/limit {port}",
        build="cc -O2 -o {bin}/limit {here}/servers/limit.c",
        needs=(program("cc"),),
    ),
    Peer(
        "go-lines",
        "Go: bufio, and a goroutine for each connection",
        "{bin}/lines {port}",
        build="go build -o {bin}/lines {here}/servers/lines.go",
        needs=(program("go"),),
    ),
    Peer(
        "original",
        "the tutorial's Go server from which this project began",
        "{bin}/original",
        build="go build -o {bin}/original {original}/main.go",
        needs=(program("go"), path(ORIGINAL, "../shared/seed/server")),
        lines=False,
    ),
    echoreply("echoreply"),
    echoreply("echoreply-twisted", "--engine twisted"),
    Peer(
        "LineOnlyReceiver",
        "Twisted's LineOnlyReceiver",
        "{python} {here}/servers/line_only_receiver.py {port}",
    ),
    Peer(
        "asyncio",
        "an asyncio protocol",
        "{python} {here}/servers/asyncio_lines.py {port}",
    ),
    Peer(
        "uvloop",
        "the same asyncio protocol on uvloop",
        "{python} {here}/servers/asyncio_lines.py {port} uvloop",
        needs=(module("uvloop"),),
    ),
    Peer(
        "socat",
        "`socat TCP-LISTEN:…,fork PIPE`: plain echo",
        "socat TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr,nodelay,backlog=128 PIPE",
        needs=(program("socat"),),
        prefix="",
        lines=False,
        max_connections=100,
    ),
    Peer(
        "ncat",
        "`ncat -lk --exec /bin/cat`: plain echo",
        "ncat -lk -m 1000 127.0.0.1 {port} --exec /bin/cat",
        needs=(program("ncat"),),
        prefix="",
        lines=False,
        max_connections=100,
    ),
    Peer(
        "go-tls",
        "go-lines with Go's crypto/tls",
        f"{{bin}}/lines-tls {{port}} {{bin}}/{CERTIFICATE} {{bin}}/{KEY}",
        build="go build -o {bin}/lines-tls {here}/servers/lines.go",
        needs=(program("go"),),
        group=Group.TLS,
    ),
    echoreply_workers("one-worker", 1),
    echoreply_workers("two-workers", 2),
    echoreply_tls("twisted"),
    echoreply_tls("uvloop", module("uvloop")),
    evolve(echoreply("unobserved", "--log-messages 0"), group=Group.OBSERVERS),
    evolve(
        echoreply("observed", f"--log-format json --web tcp:{PAGE_PORT}:interface=127.0.0.1"),
        about="this project with `--log-format json` and `--web`, with a viewer of the page",
        group=Group.OBSERVERS,
        page=PAGE_PORT,
    ),
    echoreply_script("no-script"),
    echoreply_script("plain-script", "--profile seed"),
    echoreply_script("rules", "--script {here}/servers/rules.toml"),
    echoreply_script("template", "--script {here}/servers/template.toml"),
]
