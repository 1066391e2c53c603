"""
The wire contract as test cases over plain sockets, for any server.

Each case takes a L{Dial}, which makes connections to the server under test. It blocks, so it runs in a thread or in a
process of its own. Time-outs only make a test fail, never pass.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Self

PATIENCE = 60.0
PAUSE = 0.5
"""Seconds of C{--pause} for the server under test: a slow machine may take this long between two segments."""

PREFIX = b"server reply:"


class Wire(AbstractContextManager["Wire"]):
    """One connection, on a new socket or on an unconnected one."""

    def __init__(
        self, host: str, port: int, receive_buffer: int | None = None, unconnected: socket.socket | None = None
    ) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = unconnected or socket.socket(family, socket.SOCK_STREAM)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect((host, port))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def finish(self) -> None:
        """Close the sending side."""
        self.socket.shutdown(socket.SHUT_WR)

    def read(self, count: int) -> bytes:
        """Read C{count} bytes, or fewer if the server closes."""
        data = bytearray()
        while len(data) < count and (more := self.socket.recv(count - len(data))):
            data += more
        return bytes(data)

    def read_line(self) -> bytes:
        """Read one line, and no byte more."""
        line = b""
        while not line.endswith(b"\n"):
            byte = self.read(1)
            assert byte, f"the server closed after {line!r}"
            line += byte
        return line

    def read_all(self) -> bytes:
        """Read until the server closes."""
        data = bytearray()
        while more := self.socket.recv(1 << 20):
            data += more
        return bytes(data)

    def expect(self, data: bytes) -> None:
        """Read as many bytes as expected, and compare them."""
        received = self.read(len(data))
        assert received == data, f"got {received[:200]!r}, not {data[:200]!r}"

    def expect_end(self) -> None:
        """Check that the server closes without sending more."""
        assert self.read_all() == b""

    def reset(self) -> None:
        """Close with a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


Dial = Callable[..., Wire]
Case = Callable[[Dial], None]


def exchange(dial: Dial, sent: bytes, replies: bytes) -> None:
    """Send bytes, close the sending side, and compare everything that the server sends until it closes."""
    with dial() as wire, ThreadPoolExecutor() as pool:

        def send() -> None:
            wire.send(sent)
            wire.finish()

        sending = pool.submit(send)
        wire.expect(replies)
        wire.expect_end()
        sending.result(PATIENCE)


def wait_for_a_pause(dial: Dial) -> None:
    """Wait for as long as the server's C{--pause} lasts."""
    with dial() as wire:
        wire.send(b"x")
        wire.expect(PREFIX + b"x")


def one_byte_a_segment(dial: Dial) -> None:
    with dial() as wire:
        for byte in b"a\nhello\r\n":
            wire.send(bytes([byte]))
        wire.expect(b"server reply:a\nserver reply:hello\r\n")


def two_messages_in_one_segment(dial: Dial) -> None:
    with dial() as wire:
        wire.send(b"a\nb\n")
        wire.expect(b"server reply:a\nserver reply:b\n")


def a_silence_before_the_first_newline_ends_a_message(dial: Dial) -> None:
    with dial() as wire:
        wire.send(b"hel")
        wire.expect(b"server reply:hel")
        wire.send(b"lo\n")
        wire.expect(b"server reply:lo\n")


def a_silence_after_the_first_newline_does_not(dial: Dial) -> None:
    with dial() as wire:
        wire.send(b"a\nhel")
        wire.expect(b"server reply:a\n")
        wait_for_a_pause(dial)
        wire.send(b"lo\n")
        wire.expect(b"server reply:hello\n")


def half_close_is_answered(dial: Dial) -> None:
    exchange(dial, b"a\nb\n", b"server reply:a\nserver reply:b\n")


def half_close_ends_an_unterminated_message(dial: Dial) -> None:
    exchange(dial, b"a\nrest", b"server reply:a\nserver reply:rest")


def a_message_of_one_byte(dial: Dial) -> None:
    exchange(dial, b"x\n", b"server reply:x\n")


def a_message_of_the_longest_length(dial: Dial) -> None:
    for terminator in (b"\n", b"\r\n", b""):
        exchange(dial, b"x" * 65536 + terminator, PREFIX + b"x" * 65536 + terminator)


def a_message_too_long(dial: Dial) -> None:
    error = b"server error: message longer than 65536 bytes\n"
    for terminator in (b"\n", b"\r\n", b""):
        exchange(dial, b"a\n" + b"x" * 65537 + terminator, b"server reply:a\n" + error)
    # Also while the client goes on sending.
    with dial() as wire:
        wire.send(b"x" * 8_000_000)
        assert wire.read_all() == error


def any_bytes(dial: Dial) -> None:
    for message in (b"\0\n", "中文\n".encode(), b"\xff\xfe\n", bytes(range(11, 256)) + b"\n", b"a\rb\n", b"\r\r\n"):
        exchange(dial, message, PREFIX + message)


def a_character_cut_in_two(dial: Dial) -> None:
    with dial() as wire:
        wire.send(b"a\n" + "中".encode()[:1])
        wire.expect(b"server reply:a\n")
        wire.send("中".encode()[1:] + b"\n")
        wire.expect("server reply:中\n".encode())


def cr_only(dial: Dial) -> None:
    with dial() as wire:
        wire.send(b"a\rb\r")
        wire.expect(b"server reply:a\rb\r")


def an_empty_line(dial: Dial) -> None:
    exchange(dial, b"\n\r\n", b"server reply:\nserver reply:\r\n")


def an_empty_connection(dial: Dial) -> None:
    exchange(dial, b"", b"")


def a_close_word_closes(dial: Dial) -> None:
    for close_word in (b"exit\n", b"quit\n", b"exit\r\n", b"\rquit\r\r\n", b"exit"):
        with dial() as wire:
            wire.send(close_word)
            wire.expect_end()


def a_close_word_in_the_middle_of_a_segment(dial: Dial) -> None:
    with dial() as wire:
        wire.send(b"a\nexit\nb\n")
        wire.expect(b"server reply:a\n")
        wire.expect_end()


def what_follows_a_close_word_does_not_cost_the_replies_before_it(dial: Dial) -> None:
    before = b"".join(b"%d\n" % number for number in range(20_000))
    with dial() as wire, ThreadPoolExecutor() as pool:
        sending = pool.submit(wire.send, before + b"exit\n" + b"y" * 8_000_000)
        replies = wire.read_all()
        sending.result(PATIENCE)
    assert replies == b"".join(b"server reply:%d\n" % number for number in range(20_000))


def fifty_megabytes_owed_at_half_close(dial: Dial) -> None:
    line = b"0123456789" * 9 + b"\n"
    count = 50_000_000 // len(line)
    exchange(dial, line * count, (PREFIX + line) * count)


def a_slow_reader_whose_lines_are_cut_where_the_server_pauses(dial: Dial) -> None:
    lines = [b"%d %s\n" % (number, b"x" * (number % 3000)) for number in range(8_000)]
    with dial(receive_buffer=4096) as wire, ThreadPoolExecutor() as pool:

        def send() -> None:
            wire.send(b"".join(lines))
            wire.finish()

        sending = pool.submit(send)
        wait_for_a_pause(dial)
        for line in lines:
            wire.expect(PREFIX + line)
        wire.expect_end()
        sending.result(PATIENCE)


def a_client_that_resets_harms_nobody(dial: Dial) -> None:
    for sent in (b"", b"hel", b"a\n", b"a\n" * 100_000):
        with dial() as wire:
            wire.send(sent)
            wire.reset()
    half_close_is_answered(dial)


def a_hundred_clients_get_their_own_replies(dial: Dial) -> None:
    def talk(name: int) -> None:
        with dial() as wire:
            for number in range(20):
                wire.send(b"%d of %d\nand " % (number, name))
                wire.expect(b"server reply:%s%d of %d\n" % (b"and " if number else b"", number, name))
            wire.send(b"over\nquit\n")
            wire.expect(b"server reply:and over\n")
            wire.expect_end()

    with ThreadPoolExecutor(100) as pool:
        for result in [pool.submit(talk, name) for name in range(100)]:
            result.result(PATIENCE)


CASES: list[Case] = [
    one_byte_a_segment,
    two_messages_in_one_segment,
    a_silence_before_the_first_newline_ends_a_message,
    a_silence_after_the_first_newline_does_not,
    half_close_is_answered,
    half_close_ends_an_unterminated_message,
    a_message_of_one_byte,
    a_message_of_the_longest_length,
    a_message_too_long,
    any_bytes,
    a_character_cut_in_two,
    cr_only,
    an_empty_line,
    an_empty_connection,
    a_close_word_closes,
    a_close_word_in_the_middle_of_a_segment,
    what_follows_a_close_word_does_not_cost_the_replies_before_it,
    fifty_megabytes_owed_at_half_close,
    a_slow_reader_whose_lines_are_cut_where_the_server_pauses,
    a_client_that_resets_harms_nobody,
    a_hundred_clients_get_their_own_replies,
]
