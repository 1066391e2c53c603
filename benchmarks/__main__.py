"""
Run the benchmarks, and write their table and picture: C{python -m benchmarks}.

Everything runs on loopback, on port 8088, one server after the other.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import os
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NoReturn

from benchmarks.measure import WARM_UP, Bench, Failed
from benchmarks.peers import PEERS, Peer, Skipped, build_load, prepare_tls
from benchmarks.report import Results, frame, write
from benchmarks.rows import ROWS, Group

ABOUT = """Measure this server and others on loopback, one after the other, on port 8088; write a table and a
picture."""
TABLE, PICTURE = "benchmarks.md", "benchmarks.svg"
STARTING = 1.2
"""Approximate seconds for starting a server, opening the connections and ending both, for the estimate."""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < math.inf:
        raise ValueError
    return value


def rounds(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def cores(text: str) -> tuple[int, int]:
    first, second = map(int, text.split(","))
    if unknown := {first, second} - os.sched_getaffinity(0):
        raise argparse.ArgumentTypeError(f"this process can't run on core {', '.join(map(str, sorted(unknown)))}")
    return first, second


def names(known: Iterable[str]) -> Callable[[str], list[str]]:
    """Return the parser of a comma-separated list of known names."""
    choices = list(known)

    def parse_names(text: str) -> list[str]:
        wanted = text.split(",")
        for name in wanted:
            if name not in choices:
                raise argparse.ArgumentTypeError(f"takes names from {', '.join(choices)}, not {name!r}")
        return wanted

    return parse_names


def peer(text: str) -> Peer:
    name, _, command = text.partition("=")
    words = shlex.split(command)
    if not name or not words:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=COMMAND")
    if name in (peer.name for peer in PEERS):
        raise argparse.ArgumentTypeError(f"{name!r} is the name of another server")
    if not shutil.which(words[0]):
        raise argparse.ArgumentTypeError(f"{words[0]!r} is not a program on this machine")
    return Peer(name, f"`{command}`", command, prefix=None)


def directory(text: str) -> Path:
    path = Path(text)
    if not path.is_dir() or not os.access(path, os.W_OK):
        raise argparse.ArgumentTypeError(f"{text!r} is not a writable directory")
    try:
        frame(path / TABLE)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return path


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    available = sorted(os.sched_getaffinity(0))
    parser = Parser("python -m benchmarks", description=ABOUT)
    add = parser.add_argument
    add("--seconds", type=seconds, default=3.0, metavar="N", help="duration of a measurement [%(default)g]")
    add("--rounds", type=rounds, default=5, metavar="N", help="measurements of each server in each row [%(default)s]")
    add("--rows", type=names(row.name for row in ROWS), metavar="NAME,…", help=", ".join(row.name for row in ROWS))
    add("--peers", type=names(peer.name for peer in PEERS), metavar="NAME,…", help=", ".join(p.name for p in PEERS))
    add(
        "--peer",
        type=peer,
        action="append",
        default=[],
        metavar="NAME=COMMAND",
        help="another server, which listens on 127.0.0.1:8088; {port} is replaced with the port",
    )
    add(
        "--cores",
        type=cores,
        default=(available[0], available[-1] if len(available) < 2 else available[1]),
        metavar="SERVER,GENERATOR",
        help="cores to pin them to [the first two]",
    )
    add(
        "--output",
        type=directory,
        default="docs",
        metavar="DIR",
        help="directory for the table and picture [%(default)s]",
    )
    return parser.parse_args(arguments)


def run(results: Results, load: Path, directory: Path) -> None:
    """Measure every server once per row and round, except in rows in which it has failed before."""
    bench = Bench(directory, load, *results.cores, results.seconds)
    for number in range(1, results.rounds + 1):
        for row in results.rows:
            for peer in results.peers_of(row):
                if peer.unfit(row) or (row, peer) in results.failed:
                    continue
                where = f"round {number}, {row.name}, {peer.name}"
                try:
                    got = bench.measure(peer, row)
                except Failed as failure:
                    results.failed[row, peer] = str(failure)
                    print(f"{where}: failed: {failure}", flush=True)
                    continue
                results.measured.setdefault((row, peer), []).append(got)
                print(
                    f"{where}: {got.rate:,.0f}/s, {got.cpu:.2f} µs of CPU each, p50 {got.p50:,.0f} µs, "
                    f"p99 {got.p99:,.0f} µs, {got.memory / 1e6:,.0f} MB, server {got.server:.0%}, "
                    f"generator {got.generator:.0%}",
                    flush=True,
                )


def main() -> int:
    if not sys.platform.startswith("linux"):
        sys.exit("benchmarks: this needs Linux, for epoll, /proc, and loopback addresses besides 127.0.0.1")
    options = parse()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    rows = [row for row in ROWS if not options.rows or row.name in options.rows]
    wanted = [peer for peer in PEERS if not options.peers or peer.name in options.peers] + options.peer
    results = Results(rows, [], options.seconds, options.rounds, options.cores)
    if results.cores[0] == results.cores[1]:
        print(f"server and load generator share core {results.cores[0]}")
    with tempfile.TemporaryDirectory(prefix="echoreply-") as temporary:
        try:
            load = build_load(Path(temporary))
        except Skipped as skipped:
            sys.exit(f"benchmarks: the load generator needs a C compiler: {skipped}")
        without_tls = ""
        if any(row.group is Group.TLS for row in rows):
            try:
                prepare_tls(Path(temporary))
            except Skipped as skipped:
                without_tls = str(skipped)
        for peer in wanted:
            try:
                if peer.group is Group.TLS and without_tls:
                    raise Skipped(without_tls)
                peer.prepare(Path(temporary))
            except Skipped as skipped:
                results.skipped[peer.name] = str(skipped)
                print(f"{peer.name} is skipped: {skipped}")
            else:
                results.peers.append(peer)
        if not results.peers:
            sys.exit("benchmarks: no server can be measured")
        runs = results.rounds * sum(not peer.unfit(row) for row in rows for peer in results.peers_of(row))
        estimate = runs * (results.seconds + WARM_UP + STARTING)
        print(f"{runs} measurements, about {estimate:.0f} s" + f", or {estimate / 60:.0f} minutes" * (estimate > 99))
        sys.stdout.flush()
        # Keeps this process off the server's core.
        os.sched_setaffinity(0, {results.cores[1]})
        run(results, load, Path(temporary))
    picture = None
    if importlib.util.find_spec("matplotlib"):
        from benchmarks.picture import draw

        picture = PICTURE
        draw(results, options.output / picture)
    else:
        print("no picture: matplotlib is not installed")
    table = options.output / TABLE
    write(results, table, picture)
    print(f"written: {table}")
    return 1 if results.failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
