"""
Servers with faults in their replies: C{python -m tests.support.faulty_servers FAULT [N]}.

Each listens on a free port of 127.0.0.1, prints it, and serves until it is killed. Messages of all connections together
are numbered from 1.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable, Iterator
from itertools import count

PREFIX = b"server reply:"

STALL_EVERY, STALL = 1.0, 0.2
"""Seconds between two stalls, and seconds of a stall."""

Answer = Callable[[int, bytes], bytes]
"""Takes a message's number and its reply; returns the bytes to send."""


def right(_: int) -> Answer:
    """Answer without a fault."""
    return lambda _number, reply: reply


def drop(every: int) -> Answer:
    """Drop the reply to every Nth message."""
    return lambda number, reply: b"" if number % every == 0 else reply


def change(every: int) -> Answer:
    """Change a byte of every Nth reply."""
    return lambda number, reply: reply.replace(b":", b";", 1) if number % every == 0 else reply


def repeat(every: int) -> Answer:
    """Send every Nth reply twice."""
    return lambda number, reply: reply * (2 if number % every == 0 else 1)


def swap(every: int) -> Answer:
    """Send every Nth reply after the next."""
    held = b""

    def answer(number: int, reply: bytes) -> bytes:
        nonlocal held
        if number % every == 0:
            held = reply
            return b""
        reply, held = reply + held, b""
        return reply

    return answer


def stall(_: int) -> Answer:
    """Stall for a while at regular intervals, from the first message on."""
    began: float | None = None

    def answer(_number: int, reply: bytes) -> bytes:
        nonlocal began
        now = time.monotonic()
        began = began if began is not None else now + STALL_EVERY
        if now >= began:
            began += STALL_EVERY
            time.sleep(STALL)
        return reply

    return answer


def silent(_: int) -> Answer:
    """Never answer."""
    return lambda _number, _reply: b""


class Ended(Exception):
    """Raised to end the connection."""

    def __init__(self, *, reset: bool) -> None:
        self.reset = reset


def _end_at(last: int, *, reset: bool) -> Answer:
    def answer(number: int, reply: bytes) -> bytes:
        if number >= last:
            raise Ended(reset=reset)
        return reply

    return answer


def close(last: int) -> Answer:
    """Close at the Nth message."""
    return _end_at(last, reset=False)


def reset(last: int) -> Answer:
    """Reset the connection at the Nth message."""
    return _end_at(last, reset=True)


async def serve(reader: StreamReader, writer: StreamWriter, numbers: Iterator[int], answer: Answer, delay: int) -> None:
    try:
        while line := await reader.readline():
            if delay:
                await asyncio.sleep(delay / 1000)
            writer.write(answer(next(numbers), PREFIX + line))
    except Ended as ended:
        if ended.reset:
            connection: socket.socket = writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
    except ConnectionError:
        pass
    writer.close()


async def main(fault: str, number: int) -> None:
    # For the fault "late", the number is the delay in milliseconds.
    late = fault == "late"
    answer: Answer = right(number) if late else globals()[fault](number)
    numbers = count(1)

    async def connected(reader: StreamReader, writer: StreamWriter) -> None:
        await serve(reader, writer, numbers, answer, number if late else 0)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=1 << 20, backlog=1024)
    print(f"listening on 127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0))
