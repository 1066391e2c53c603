"""
Measure the cost of ten viewers of the live page: C{python -m benchmarks.viewers}.

Everything runs on loopback. Each connection sends a message a second, so that its row on the page changes every second.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.measure import cpu_seconds, prepare_process
from benchmarks.peers import PAGE_PORT, PORT

VIEWERS = 10
SETTLE = 2.0
"""Seconds to wait before a measurement."""
ROUND = 1.0
"""Seconds between two messages of a connection."""


async def connect(port: int, *, limit: int = 1 << 24) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to a port of loopback; wait until a server listens."""
    while True:
        try:
            return await asyncio.open_connection("127.0.0.1", port, limit=limit)
        except ConnectionRefusedError:
            await asyncio.sleep(0.05)


async def send_messages(connections: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]) -> None:
    """Send a message a second on each connection, spread over the second."""
    loop = asyncio.get_running_loop()
    while True:
        began = loop.time()
        for number, (_, writer) in enumerate(connections):
            writer.write(b"hello\n")
            if number % 100 == 99:
                await asyncio.sleep(began + ROUND * number / len(connections) - loop.time())
        for reader, _ in connections:
            await reader.readline()
        await asyncio.sleep(began + ROUND - loop.time())


class Viewer:
    """A viewer of the live page, which counts the bytes that it receives."""

    def __init__(self) -> None:
        self.received = 0

    async def follow(self) -> None:
        reader, writer = await connect(PAGE_PORT)
        writer.write(b"GET /events HTTP/1.1\r\nHost: benchmark\r\n\r\n")
        while data := await reader.read(1 << 20):
            self.received += len(data)


async def measure(server: int, number: int, seconds: float) -> str:
    """Return a row of the table, for a number of connections."""
    connections = [await connect(PORT) for _ in range(number)]
    tasks = [asyncio.create_task(send_messages(connections))]

    async def share_of_a_core() -> float:
        await asyncio.sleep(SETTLE)
        began = cpu_seconds(server)
        await asyncio.sleep(seconds)
        return (cpu_seconds(server) - began) / seconds

    alone = await share_of_a_core()
    viewers = [Viewer() for _ in range(VIEWERS)]
    tasks += [asyncio.create_task(viewer.follow()) for viewer in viewers]
    await asyncio.sleep(SETTLE)
    before = sum(viewer.received for viewer in viewers)
    watched = await share_of_a_core()
    each = (sum(viewer.received for viewer in viewers) - before) / VIEWERS / (SETTLE + seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for _, writer in connections:
        writer.transport.abort()
    return f"| {number:,} | {alone:.1%} | {watched:.1%} | {watched - alone:+.1%} | {each / 1024:,.0f} KiB/s |"


def main() -> None:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.viewers", description="Measure the cost of ten viewers of the live page."
    )
    parser.add_argument("--connections", type=int, nargs="+", default=[100, 1000, 10_000], metavar="N")
    parser.add_argument("--seconds", type=float, default=20.0, metavar="N")
    options = parser.parse_args()
    prepare_process(*os.sched_getaffinity(0))
    twistd = [str(Path(sys.executable).parent / "twistd"), "-n", "--pidfile=", "echoreply", f"--port={PORT}"]
    print("| connections | CPU, no viewer | CPU, ten viewers | difference | to each viewer |")
    print("|---:|---:|---:|---:|---:|")
    for number in options.connections:
        with subprocess.Popen(
            [*twistd, "--log-messages=0", f"--web=tcp:{PAGE_PORT}:interface=127.0.0.1"],
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        ) as server:
            try:
                print(asyncio.run(measure(server.pid, number, options.seconds)), flush=True)
            finally:
                server.terminate()


if __name__ == "__main__":
    main()
