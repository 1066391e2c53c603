"""Clients that come, talk, go and come again, and note which node answered what."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress

from attrs import define, field

from tests.support.wire_contract import PATIENCE, Wire

WINDOW = 4
"""Messages that a client has sent and has no reply to."""

REPLY = re.compile(rb"(\S+) server reply:(.*\n)")
"""A node's replies begin with its name."""


@define(eq=False)
class Talk:
    """
    One connection, and what there was of it.

    @ivar node: who has answered; nobody has, if it is empty.
    @ivar began: when, and C{answered} when its first reply came.
    @ivar ended: how, once it has: C{finished}, by the client, which got every reply; C{closed} or C{reset}, by others.
    """

    began: float = field(factory=time.monotonic)
    node: str = ""
    answered: float = 0.0
    sent: int = 0
    replies: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    ended: str = ""


class Crowd(AbstractContextManager["Crowd"]):
    """
    Clients that talk until they are told to stop.

    Every reply is checked: it is the next one that is owed, whole, and of the node of the one before.

    @param dial: connects to where they are served.
    @param stayers: how many talk for as long as they can on one connection.
    @param comers: how many come anew after some messages.
    @ivar talks: all connections that there have been.
    """

    def __init__(self, dial: Callable[[], Wire], stayers: int = 6, comers: int = 6) -> None:
        self.talks: list[Talk] = []
        self._dial = dial
        self._stopped = threading.Event()
        self._changed = threading.Condition()
        self._pool = ThreadPoolExecutor(stayers + comers)
        self._clients: list[Future[None]] = [
            self._pool.submit(self._come, name, 0 if name < stayers else 20) for name in range(stayers + comers)
        ]

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._pool.shutdown()

    def stop(self) -> None:
        """Let them finish, and check that none has seen anything wrong."""
        self._stopped.set()
        for client in self._clients:
            client.result(PATIENCE)

    def by(self, node: str) -> list[Talk]:
        """Give the connections that a node has answered on."""
        return [talk for talk in list(self.talks) if talk.node == node]

    def failed(self) -> list[Talk]:
        """Give the connections that have been ended by others."""
        return [talk for talk in list(self.talks) if talk.ended in ("closed", "reset")]

    def wait_for(self, so: Callable[[], bool]) -> None:
        """Wait until something is so of what they have seen."""
        with self._changed:
            assert self._changed.wait_for(lambda: so() or self._anything_wrong(), PATIENCE), "it never was"
        if self._anything_wrong():
            self.stop()

    def _anything_wrong(self) -> bool:
        return any(client.done() for client in self._clients)

    def _come(self, name: int, length: int) -> None:
        try:
            while not self._stopped.is_set():
                talk = Talk()
                self.talks.append(talk)
                with self._dial() as wire:
                    talk.ended = self._talk(talk, wire, f"{name}, {len(self.talks)}".encode(), length)
                self._tell()
        finally:
            self._tell()

    def _talk(self, talk: Talk, wire: Wire, name: bytes, length: int) -> str:
        owed: list[bytes] = []

        def say() -> None:
            message = b"message %d of connection %s\n" % (talk.sent, name)
            owed.append(message)
            talk.sent += 1
            # Who can't be sent any more may still have sent something.
            with suppress(ConnectionError):
                wire.send(message)

        finished = False
        with wire.socket.makefile("rb") as replies:
            for _ in range(WINDOW):
                say()
            while True:
                try:
                    line = replies.readline()
                except ConnectionError:
                    return "reset"
                if not line:
                    return "finished" if finished and not owed else "closed"
                self._check(talk, line, owed.pop(0))
                if finished:
                    continue
                # That is how fast they talk: others use this machine, too.
                if self._stopped.wait(0.005) or talk.sent == length:
                    finished = True
                    with suppress(OSError):
                        wire.finish()
                else:
                    say()

    def _check(self, talk: Talk, line: bytes, message: bytes) -> None:
        reply = REPLY.fullmatch(line)
        assert reply, line
        assert reply[2] == message
        node = reply[1].decode()
        assert talk.node in ("", node)
        talk.answered = talk.answered or time.monotonic()
        talk.replies += 1
        talk.bytes_in += len(message)
        talk.bytes_out += len(line)
        talk.node = node
        self._tell()

    def _tell(self) -> None:
        with self._changed:
            self._changed.notify_all()
