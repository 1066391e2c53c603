"""
A mixed crowd against a real server, and then a table: C{python -m tests.soak --seconds 20}.

Everything happens on loopback. Honest clients check every byte of every reply, while others flood, do not read,
dribble, reset, send what is too long or no text at all, and open too many connections, and ten look at the page. In the
end the server is stopped under load. The status is 0 only if nothing was wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import resource
import select
import signal
import socket
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from multiprocessing.connection import Connection
from pathlib import Path

from attrs import define, field

from tests.support.page_viewers import HELD, LOOKING, Onlookers, Seen, last_totals
from tests.support.processes import Server, beside
from tests.support.reference import expected
from tests.support.web_clients import WEB, web_port
from tests.support.wire_contract import PATIENCE, PREFIX, Wire

DRAIN = 5
IDLE_TIMEOUT = 10
MOST_MEMORY = 100
"""MB, for those who never read."""
MAX_MESSAGE = 65536
MAX_PER_HOST = 100
NEVER_READ = 1000
TOO_LONG = b"server error: message longer than %d bytes\n" % MAX_MESSAGE
TOO_MANY = b"server error: too many connections\n"


class Wrong(Exception):
    """The server did not do what the contract says."""


@define
class Outcomes:
    """What the crowd has seen."""

    checked: int = 0
    wrong: list[str] = field(factory=list)
    fates: Counter[str] = field(factory=Counter)


class Client:
    """One connection of the crowd."""

    def __init__(self, port: int, outcomes: Outcomes, host: str = "127.0.0.1") -> None:
        self.outcomes = outcomes
        self._port = port
        self._loop = asyncio.get_running_loop()
        self._pushed = 0
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.bind((host, 0))

    async def connect(self) -> None:
        await self._loop.sock_connect(self.socket, ("127.0.0.1", self._port))

    async def send(self, data: bytes) -> None:
        """Send this in segments of any length, the first line in one, since a silence before its end would end it."""
        start = 0
        while start < len(data):
            first = 0 if start else data.find(b"\n") + 1
            end = start + max(first, random.choice([1, 7, 100, 1000, 20_000, 100_000]))
            await self._loop.sock_sendall(self.socket, data[start:end])
            start = end
            if random.random() < 0.1:
                await asyncio.sleep(0)

    def finish(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)

    async def expect(self, replies: bytes, count: int) -> None:
        """Read so many replies and compare them, byte for byte."""
        got = 0
        while got < len(replies):
            data = await self._loop.sock_recv(self.socket, 1 << 17)
            if data != replies[got : got + len(data)] or not data:
                raise Wrong(
                    f"after {got} of {len(replies)} bytes came {data[:100]!r}, not {replies[got : got + 100]!r}"
                )
            got += len(data)
        self.outcomes.checked += count

    async def expect_end(self) -> None:
        if data := await self._loop.sock_recv(self.socket, 1000):
            raise Wrong(f"after the last reply came {data!r}")

    async def read_all(self) -> bytes:
        data = bytearray()
        while more := await self._loop.sock_recv(self.socket, 1 << 17):
            data += more
        return bytes(data)

    async def converse(self, sent: bytes, replies: bytes, count: int, *, finish: bool = False) -> None:
        """Send and read at once, as a client should."""

        async def send() -> None:
            await self.send(sent)
            if finish:
                self.finish()

        sending = asyncio.ensure_future(send())
        try:
            await self.expect(replies, count)
        finally:
            sending.cancel()
        if finish:
            await self.expect_end()

    def push(self, line: bytes) -> int:
        """Send the same line over and over, until no more can be sent; give how many bytes that was in all."""
        chunk = line * (1 + 100_000 // len(line))
        try:
            while True:
                self._pushed += self.socket.send(chunk[self._pushed % len(line) :])
        except BlockingIOError:
            return self._pushed

    def reset(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


Life = Callable[[Client], Awaitable[str]]


def some_lines() -> list[bytes]:
    lengths = random.choices([0, 5, 60, 1000, 20_000, MAX_MESSAGE - 20], [1, 5, 5, 3, 1, 0.1], k=random.randint(1, 60))
    return [
        b"first\n",
        *(
            b"%d %s%s" % (number, random.randbytes(length).replace(b"\n", b"."), random.choice([b"\n", b".\r\n"]))
            for number, length in enumerate(lengths)
        ),
    ]


async def honest(client: Client) -> str:
    """Send lines, and leave in one of three ways."""
    lines = some_lines()
    sent, replies = b"".join(lines), b"".join(PREFIX + line for line in lines)
    leave = random.choice(["half-close", "exit", "close"])
    if leave == "exit":
        sent += b"exit\n"
    await client.converse(sent, replies, len(lines), finish=leave == "half-close")
    if leave == "exit":
        await client.expect_end()
    return f"answered, ended by {leave}"


async def typist(client: Client) -> str:
    """Send a line, read its reply, think."""
    for number in range(random.randint(1, 30)):
        line = b"line %d\n" % number
        await client.converse(line, PREFIX + line, 1)
        await asyncio.sleep(random.random() * 0.1)
    return "answered, ended by close"


async def flood(client: Client) -> str:
    """Send megabytes of short lines."""
    count = random.randint(50_000, 200_000)
    line = random.choice([b"\n", b"x\n", b"exit?\n", b"sixteen letters\r\n"])
    await client.converse(line * count, (PREFIX + line) * count, count, finish=True)
    return "flooded, and got every reply"


async def late_reader(client: Client) -> str:
    """Push without reading, wait, and then want every reply."""
    line = b"x" * random.choice([1, 60, 5000, MAX_MESSAGE]) + b"\n"
    until = time.monotonic() + 1
    while time.monotonic() < until:
        sent = client.push(line)
        await asyncio.sleep(0.05)
    count = -(-sent // len(line))
    await client.converse(line[sent % len(line) or len(line) :], (PREFIX + line) * count, count, finish=True)
    return "read late, and got every reply"


async def never_reader(client: Client) -> str:
    """Push without reading until the server has had enough."""
    try:
        while True:
            client.push(b"x" * 100 + b"\n")
            await asyncio.sleep(0.1)
    except ConnectionError:
        return "did not read, and was aborted"


async def dribbler(client: Client) -> str:
    """Send a byte now and then, and never the end of a line."""
    await client.converse(b"hello\n", PREFIX + b"hello\n", 1)
    began = time.monotonic()
    try:
        while True:
            await client.send(b"x")
            await asyncio.sleep(0.1)
            if time.monotonic() > began + IDLE_TIMEOUT + PATIENCE:
                raise Wrong("a client that only dribbles was not disconnected")
    except ConnectionError:
        return "dribbled, and was disconnected as idle"


async def resetter(client: Client) -> str:
    """Reset at some point of a conversation."""
    await client.send(random.choice([b"", b"hel", b"a\n", b"a\nb", b"exit\n", b"a\n" * 50_000, b"x" * 70_000]))
    if random.random() < 0.3:
        client.finish()
    await asyncio.sleep(random.random() * 0.3)
    client.reset()
    return "reset"


async def oversized(client: Client) -> str:
    """Send a message that is too long."""
    before = b"before\n" * random.randint(1, 100)
    replies = expected(before, PREFIX, MAX_MESSAGE) + TOO_LONG
    await client.converse(before + b"x" * 200_000, replies, len(before) // 7)
    await client.expect_end()
    return "sent a message that was too long"


async def garbage(client: Client) -> str:
    """Send noise, and the end of it."""
    # The first LF, since only then no silence counts, should this crowd be slow to send the rest.
    noise = b"\n" + random.randbytes(random.randint(0, 5000)) + random.choice([b"", b"\n", b"\x1b[31m", b"\0"])
    replies = expected(noise, PREFIX, MAX_MESSAGE)
    await client.converse(noise, replies, replies.count(PREFIX), finish=True)
    return "sent noise, and got every reply"


async def hog(client: Client) -> str:
    """Hold one of too many connections from one host."""
    client.finish() if random.random() < 0.5 else await asyncio.sleep(random.random())
    answer = await client.read_all()
    if answer not in (b"", TOO_MANY):
        raise Wrong(f"instead of a refusal came {answer!r}")
    return "was refused with a line" if answer else "was silent, and was disconnected as idle"


CROWD: list[tuple[Life, int, str]] = [
    (honest, 20, "127.0.1."),
    (typist, 20, "127.0.2."),
    (flood, 4, "127.0.3."),
    (late_reader, 10, "127.0.4."),
    (never_reader, 10, "127.0.5."),
    (dribbler, 20, "127.0.6."),
    (resetter, 20, "127.0.7."),
    (oversized, 5, "127.0.8."),
    (garbage, 10, "127.0.9."),
    (hog, 150, "127.0.10."),
]
"""How they live, how many do so at once, and from what network; hogs are all of one host."""


async def live(life: Life, host: str, port: int, outcomes: Outcomes, until: float) -> None:
    """Live one life after the other."""
    while time.monotonic() < until:
        client = Client(port, outcomes, host)
        with client.socket:
            try:
                async with asyncio.timeout(PATIENCE):
                    await client.connect()
                    outcomes.fates[await life(client)] += 1
            except (Wrong, OSError) as error:
                outcomes.wrong.append(f"{life.__name__}: {error or type(error).__name__}")


async def crowd(port: int, seconds: float, outcomes: Outcomes) -> None:
    """Let the whole crowd live for so long."""
    until = time.monotonic() + seconds
    lives = [
        live(life, f"{network}{1 if life is hog else number}", port, outcomes, until)
        for life, count, network in CROWD
        for number in range(1, count + 1)
    ]
    await asyncio.gather(*lives)


def ending_of(server: Server) -> tuple[int, float]:
    """Wait until a server has ended; give its status, and when that was."""
    return server.process.wait(PATIENCE), time.monotonic()


async def stop_under_load(server: Server, outcomes: Outcomes) -> float:
    """Stop the server while fifty clients send without end, and others do worse; give how many seconds it took."""
    loop = asyncio.get_running_loop()
    lines = b"".join(b"%d\n" % number for number in range(500_000))
    replies = b"".join(PREFIX + b"%d\n" % number for number in range(500_000))
    served = asyncio.Semaphore(0)

    async def send_without_end(number: int) -> None:
        client = Client(server.port, outcomes, f"127.0.11.{number}")
        with client.socket:
            await client.connect()
            sending = asyncio.ensure_future(client.send(lines))
            got = bytearray()
            try:
                while more := await loop.sock_recv(client.socket, 1 << 17):
                    if not got:
                        served.release()
                    got += more
                if not replies.startswith(got) or not got.endswith(b"\n"):
                    outcomes.wrong.append(f"at the stop: {bytes(got[-100:])!r} is not the end of a reply that is owed")
                outcomes.checked += got.count(b"\n")
                outcomes.fates["got whole replies when the server stopped"] += 1
            except OSError as error:
                outcomes.wrong.append(f"at the stop: {error}")
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)

    # What these see does not matter here: they are in the way.
    until = time.monotonic() + PATIENCE
    in_the_way = [
        asyncio.ensure_future(live(life, f"127.0.13.{number}", server.port, Outcomes(), until))
        for number, life in enumerate([never_reader, dribbler, resetter, oversized] * 10, 1)
    ]
    clients = [asyncio.ensure_future(send_without_end(number)) for number in range(1, 51)]
    async with asyncio.timeout(PATIENCE):
        for _ in clients:
            await served.acquire()
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        # In a thread, so that it is not this crowd that takes its time.
        ended = loop.run_in_executor(None, ending_of, server)
        await asyncio.gather(*clients)
        status, end = await ended
        took = end - began
    for other in in_the_way:
        other.cancel()
    await asyncio.gather(*in_the_way, return_exceptions=True)
    if status != -signal.SIGTERM:
        outcomes.wrong.append(f"at the stop: the status was {status}")
    if took > DRAIN + 1:
        outcomes.wrong.append(f"at the stop: it took {took:.1f} s")
    return took


def ping(port: int, pipe: Connection) -> None:
    """Measure, in a process of its own, how long one reply after the other takes, until told to end."""
    times = []
    line = b"ping\n"
    with Wire("127.0.0.1", port) as wire:
        while not pipe.poll(0.002):
            began = time.perf_counter()
            wire.send(line)
            wire.expect(PREFIX + line)
            times.append(time.perf_counter() - began)
    pipe.send(times)


class Pinger:
    """Measures the time of honest replies while other things happen."""

    def __init__(self, port: int) -> None:
        self._pipe, self._process = beside(ping, port)

    def times(self) -> list[float]:
        """Give the times in seconds, in order of length."""
        self._pipe.send(None)
        times: list[float] = self._pipe.recv()
        self._process.join(PATIENCE)
        return sorted(times)


def pings(port: int, seconds: float) -> list[float]:
    """Measure for so long."""
    pinger = Pinger(port)
    time.sleep(seconds)
    return pinger.times()


class Process:
    """What the kernel knows of the server."""

    def __init__(self, pid: int) -> None:
        self._folder = Path(f"/proc/{pid}")

    def memory(self, field: str = "VmRSS") -> float:
        """Give the resident memory in MB, now or, as VmHWM, at most."""
        found = re.search(field + r":\s+(\d+) kB", (self._folder / "status").read_text())
        assert found
        return int(found[1]) / 1000

    def descriptors(self) -> int:
        return len(os.listdir(self._folder / "fd"))

    def leaked(self, count: int) -> int:
        """Wait until there are as few descriptors as before, for as long as our patience lasts; give how many more."""
        deadline = time.monotonic() + PATIENCE
        while (more := self.descriptors() - count) > 0 and time.monotonic() < deadline:
            time.sleep(0.05)
        return more

    def load(self, seconds: float) -> float:
        """Measure how much of a core it takes."""
        before = self._used()
        time.sleep(seconds)
        return (self._used() - before) / seconds

    def _used(self) -> float:
        """Give the seconds of a core that it has taken."""
        return sum(int((task / "schedstat").read_text().split()[0]) for task in (self._folder / "task").iterdir()) / 1e9


def with_those_who_never_read(server: Server, measure: Callable[[], None]) -> None:
    """Do something while a thousand clients have sent all that they could and read nothing."""
    data = (b"x" * 100 + b"\n") * 1000
    with ExitStack() as stack:
        clients = {}
        poll = stack.enter_context(select.epoll())
        for number in range(NEVER_READ):
            client = stack.enter_context(socket.socket())
            client.bind((f"127.0.12.{number % 250 + 1}", 0))
            client.connect(("127.0.0.1", server.port))
            client.setblocking(False)
            clients[client.fileno()] = client
            poll.register(client, select.EPOLLOUT)
        while events := poll.poll(0.5):
            for descriptor, _ in events:
                with suppress(BlockingIOError):
                    clients[descriptor].send(data)
        measure()


def is_the_same(seen: Seen, stopped: str) -> bool:
    """Tell whether what was told last, while the server stopped, is what it came to: nobody could connect any more."""
    told = last_totals(seen)
    counted = {name: int(count) for name, count in re.findall(r"(accepted|refused|messages) (\d+)", stopped)}
    same = all(told[name] == counted[name] for name in ("accepted", "refused"))
    return same and told["messages"] <= counted["messages"]


def percentile(times: list[float], share: float) -> str:
    return f"{times[int(share * (len(times) - 1))] * 1000:.2f} ms"


def soak(seconds: float) -> tuple[list[tuple[str, str]], list[str]]:
    """Give the table's rows, and what was wrong."""
    outcomes = Outcomes()
    rows: list[tuple[str, str]] = []
    options = (f"--drain={DRAIN}", f"--idle-timeout={IDLE_TIMEOUT}", f"--max-per-host={MAX_PER_HOST}")
    with (
        tempfile.TemporaryDirectory() as directory,
        Server(Path(directory), "--log-messages=5", WEB, *options) as server,
    ):
        process = Process(server.process.pid)
        alone = pings(server.port, 2)
        start, descriptors = process.memory(), process.descriptors()
        crowded: list[list[float]] = []
        watching: list[Onlookers] = []

        def measure() -> None:
            crowded.append(pings(server.port, 2))
            unwatched = process.load(1)
            watching.append(Onlookers(web_port(server.log)))
            watched = process.load(2)
            rows.append(("its load unwatched, watched by ten", f"{unwatched:.1%}, {watched:.1%} of a core"))
            used = process.memory() - start
            rows.append((f"memory for {NEVER_READ} clients that never read", f"{used:.0f} MB"))
            if used > MOST_MEMORY:
                outcomes.wrong.append(f"those who never read cost {used:.0f} MB")

        with_those_who_never_read(server, measure)
        (onlookers,) = watching
        descriptors += HELD
        process.leaked(descriptors)
        pinger = Pinger(server.port)
        asyncio.run(crowd(server.port, seconds, outcomes))
        among = pinger.times()
        leaked = process.leaked(descriptors)
        end, peak = process.memory(), process.memory("VmHWM")
        if end - start > MOST_MEMORY:
            outcomes.wrong.append(f"in the end it has {end - start:.0f} MB more than at the start")
        onlookers.expect_stop()
        took = asyncio.run(stop_under_load(server, outcomes))
        seen = onlookers.seen()
        log = server.log.all().decode()
    outcomes.wrong += seen.wrong
    for word in ("Traceback", "Unhandled", "fault"):
        if word in log:
            outcomes.wrong.append(f"{word} in the log: {log[log.index(word) - 200 :][:2000]}")
    counts = re.search(r"stopped: accepted (\d+), open (\d+), ended (\d+).*", log)
    if not counts or int(counts[1]) != int(counts[2]) + int(counts[3]) or int(counts[2]):
        outcomes.wrong.append(f"the counts do not add up: {counts and counts[0]}")
    elif not is_the_same(seen, counts[0]):
        outcomes.wrong.append(f"at last, {last_totals(seen)} was told, but {counts[0]}")
    if leaked:
        outcomes.wrong.append(f"{leaked} descriptors were leaked")
    rows = [
        ("replies checked", f"{outcomes.checked:,}"),
        ("replies wrong or lost", str(len(outcomes.wrong))),
        *((f"clients: {fate}", f"{count:,}") for fate, count in sorted(outcomes.fates.items())),
        *rows,
        ("memory at the start, at most, in the end", f"{start:.0f}, {peak:.0f}, {end:.0f} MB"),
        ("descriptors leaked", str(leaked)),
        ("latency without other clients: median, p99", f"{percentile(alone, 0.5)}, {percentile(alone, 0.99)}"),
        (f"with those {NEVER_READ}", f"{percentile(crowded[0], 0.5)}, {percentile(crowded[0], 0.99)}"),
        ("in the crowd", f"{percentile(among, 0.5)}, {percentile(among, 0.99)}"),
        ("slowest honest reply in the crowd", percentile(among, 1)),
        (
            f"updates sent to {LOOKING} viewers, longest wait for one, scrapes",
            f"{seen.beats}, {seen.slowest:.1f} s, {seen.scrapes}",
        ),
        ("stopped under load in", f"{took:.1f} s"),
        ("the server's own count", counts[0].removeprefix("stopped: ") if counts else "none"),
    ]
    return rows, outcomes.wrong


def main() -> int:
    parser = argparse.ArgumentParser("python -m tests.soak", description="A mixed crowd against a real server.")
    parser.add_argument("--seconds", type=float, default=20, help="for how long the crowd stays [%(default)s]")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32), help="of the crowd's dice")
    arguments = parser.parse_args()
    if not sys.platform.startswith("linux"):
        parser.error("this needs Linux: its /proc, and loopback addresses beside 127.0.0.1")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    random.seed(arguments.seed)
    rows, wrong = soak(arguments.seconds)
    print(f"| {arguments.seconds:g} seconds, seed {arguments.seed} | |\n|---|---|")
    for name, value in rows:
        print(f"| {name} | {value} |")
    for what in wrong[:10]:
        print(f"wrong: {what[:400]}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
