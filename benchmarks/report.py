"""The report of the results: the table, the method before it, and remarks after it."""

from __future__ import annotations

import platform
import re
import shutil
import statistics
import subprocess
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from attrs import field, frozen

from benchmarks.measure import WARM_UP, Measurement
from benchmarks.peers import Peer
from benchmarks.rows import Row

BEGIN, END = "<!-- results -->", "<!-- end -->"
BASES = ("original", "go-lines", "limit", "go-tls", "one-worker", "no-script", "unobserved")
"""The servers that others are compared with: in each row, the first of them that was measured."""
FULL, LOW = 0.95, 0.85
"""The shares of a core from which on it counts as busy, and below which it counts as idle."""
NEW_FILE = f"# Benchmarks\n\n{BEGIN}\n{END}\n"


@frozen
class Results:
    """
    The results of all measurements.

    @ivar seconds: the duration of a measurement.
    @ivar cores: the cores of the server and of the load generator.
    @ivar skipped: the reasons why servers could not be measured, by their names.
    @ivar measured: the measurements of each server in each row, one for each round.
    @ivar failed: the reasons why measurements failed.
    """

    rows: list[Row]
    peers: list[Peer]
    seconds: float
    rounds: int
    cores: tuple[int, int]
    skipped: dict[str, str] = field(factory=dict)
    measured: dict[tuple[Row, Peer], list[Measurement]] = field(factory=dict)
    failed: dict[tuple[Row, Peer], str] = field(factory=dict)

    def peers_of(self, row: Row) -> list[Peer]:
        """Return the servers to measure in a row."""
        return [peer for peer in self.peers if peer.group is row.group and (not row.peers or peer.name in row.peers)]

    def median(self, row: Row, peer: Peer, value: Callable[[Measurement], float]) -> float | None:
        """Return the median of a value over all rounds; C{None} if the server was not measured or has failed."""
        runs = self.measured.get((row, peer))
        return statistics.median(map(value, runs)) if runs and (row, peer) not in self.failed else None

    def base(self, row: Row) -> tuple[str, float] | None:
        """Return the server that others are compared with in a row, and its rate."""
        by_name = {peer.name: peer for peer in self.peers_of(row)}
        for name in BASES:
            if name in by_name and (rate := self.median(row, by_name[name], lambda run: run.rate)):
                return name, rate
        return None


def spread(runs: list[Measurement], value: Callable[[Measurement], float], places: int) -> str:
    """Return the median of a value, with its minimum and maximum, as text."""
    values = sorted(map(value, runs))
    median, least, most = (f"{number:,.{places}f}" for number in (statistics.median(values), values[0], values[-1]))
    return median if least == most else f"{median} ({least}–{most})"


def time_of(microseconds: float) -> str:
    """Return a time as text with its unit."""
    return f"{microseconds:.0f} µs" if microseconds < 1000 else f"{microseconds / 1000:.3g} ms"


def line(*cells: str) -> str:
    """Return a line of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def line_of(results: Results, row: Row, peer: Peer) -> str:
    """Return the line of a server in a row."""
    if (row, peer) in results.failed:
        return line(peer.name, "failed", *["–"] * 7)
    runs = results.measured.get((row, peer))
    if not runs:
        return line(peer.name, *["–"] * 8)

    def median(value: Callable[[Measurement], float]) -> float:
        return statistics.median(map(value, runs))

    base = results.base(row)
    return line(
        peer.name,
        spread(runs, lambda run: run.rate, 0),
        f"{median(lambda run: run.rate) / base[1]:.2f}" if base else "–",
        spread(runs, lambda run: run.cpu, 2),
        time_of(median(lambda run: run.p50)),
        time_of(median(lambda run: run.p99)),
        f"{median(lambda run: run.server):.0%}",
        f"{median(lambda run: run.generator):.0%}",
        f"{median(lambda run: run.memory) / 1e6:,.0f} MB",
    )


def table(results: Results) -> list[str]:
    """Return the lines of the table."""
    head = ("replies/s", "ratio", "server CPU a reply, µs", "p50", "p99", "server", "generator", "memory")
    lines = [line("", *head), "|---" + "|---:" * len(head) + "|"]
    for row in results.rows:
        lines.append(line(f"**{row.title}**", *[""] * len(head)))
        lines += [line_of(results, row, peer) for peer in results.peers_of(row)]
    return lines


def remarks(results: Results) -> list[str]:
    """Return the reasons for empty cells, and the rows in which a core was the bottleneck, or none was."""
    lines = [f"- {name} was not measured: {why}." for name, why in results.skipped.items()]
    unfit: dict[str, list[str]] = {}
    busy, idle = [], []
    for row in results.rows:
        for peer in results.peers_of(row):
            if why := peer.unfit(row):
                names = unfit.setdefault(why, [])
                names += [peer.name] if peer.name not in names else []
            share = results.median(row, peer, lambda run: run.generator)
            most = results.median(row, peer, lambda run: max(run.server, run.generator))
            if share and share >= FULL:
                busy.append(f"{peer.name} at {row.name}")
            if most and most < LOW and row.connections > 1:
                idle.append(f"{peer.name} at {row.name}")
    lines += [f"- –: {', '.join(names)}: {why}." for why, names in unfit.items()]
    lines += [f"- {peer.name} failed at {row.name}: {why}." for (row, peer), why in results.failed.items()]
    lines += (
        [f"- The load generator was the bottleneck, so these may be faster than shown: {', '.join(busy)}."]
        if busy
        else []
    )
    lines += [f"- Neither core was busy, so something else was the bottleneck: {', '.join(idle)}."] if idle else []
    return lines


def output_of(*command: str) -> str:
    """Return the output of a command; an empty text if it is not installed."""
    if not shutil.which(command[0]):
        return ""
    ran = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return ran.stdout + ran.stderr


def machine() -> str:
    """Return a description of this machine and its software."""
    found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    parts = [
        found[1] if found else platform.machine(),
        f"Linux {platform.release()}",
        f"Python {platform.python_version()}",
    ]
    for package in ("Twisted", "uvloop"):
        try:
            parts.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    programs = {
        "Go": ("go", "version"),
        "socat": ("socat", "-V"),
        "Ncat": ("ncat", "--version"),
        "cc": ("cc", "--version"),
        "OpenSSL": ("openssl", "version"),
    }
    for name, command in programs.items():
        if number := re.search(r"\d+\.\d+[\d.]*", output_of(*command)):
            parts.append(f"{name} {number[0]}")
    return ", ".join(parts)


def method(results: Results) -> list[str]:
    """Return the description of the machine, the method and the servers."""
    server, generator = results.cores
    pinned = (
        f"Each server is pinned to core {server}, the load generator to core {generator}."
        if server != generator
        else f"Server and load generator share core {server}, so each slows the other."
    )
    return [
        f"**Machine**: {machine()}.",
        "",
        f"**Method**: {pinned} Each run starts a server anew, opens the connections, warms up for {WARM_UP:g} s and "
        f"measures for {results.seconds:g} s, all on loopback. Rounds: {results.rounds}; in each, every peer "
        "runs once in each row, so that other load on the machine affects all of them. The tables show the median of "
        "the rounds, and minimum and maximum in parentheses. Every reply is compared with what is expected, byte for "
        "byte. Logs go to `/dev/null`, written as each server does by default.",
        "",
        "A row's name is the number of connections × the messages in flight on each, and the message size with the LF. "
        "*Server CPU* is user and system time of all processes of the server, which does not depend on the generator. "
        "*p50* and *p99* are latencies: from before a message is sent, or before its connection is opened if it has "
        "its own, until its reply is read. *server* and *generator* are shares of a core. *memory* is the resident "
        "memory of the server's processes at the end of the row; shared memory counts for each process. *ratio* is "
        f"relative to {BASES[0]}, or, where that can't do a row, to {BASES[1]}; over TLS, to {BASES[3]}. TLS is "
        "version 1.3 with AES-128-GCM and a P-256 certificate.",
        "",
        "**Who is the bottleneck?** The server, where *server* is about 100 % and *generator* is not. `limit` shows "
        "what the same generator can do in a row. With one connection neither is the bottleneck: each waits for the "
        "other.",
        "",
        "**Peers**: " + "; ".join(f"*{peer.name}*, {peer.about}" for peer in results.peers) + ".",
    ]


def frame(target: Path) -> tuple[str, str]:
    """Return the text of a file before and after the results, which is kept."""
    text = target.read_text() if target.exists() else NEW_FILE
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{target} has no {BEGIN} … {END} to write between")
    return before, after


def write(results: Results, target: Path, picture: str | None) -> None:
    """Write the results between their markers in a file."""
    before, after = frame(target)
    shown = ["", f"![Replies a second]({picture})"] if picture else []
    lines = [BEGIN, *method(results), *shown, "", *table(results), "", *remarks(results), END]
    target.write_text(before + "\n".join(lines) + after)
