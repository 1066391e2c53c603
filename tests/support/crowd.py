"""Clients of a load balancer that send messages, reconnect, and record which node has answered."""

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
"""Messages in flight per client."""

REPLY = re.compile(rb"(\S+) server reply:(.*\n)")
"""The replies of a node, which begin with its name."""


@define(eq=False)
class Talk:
    """
    The record of one connection.

    @ivar node: the name of the node that has answered; empty without a reply.
    @ivar began: when it was opened.
    @ivar answered: when the first reply arrived.
    @ivar ended: how it has ended: C{finished} if the client closed it after the last reply, otherwise C{closed} or
        C{reset}; empty while it is open.
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
    Clients that send messages until they are stopped.

    Every reply is checked: it has to be the next expected one, from the same node as the one before.

    @param dial: connects to the load balancer.
    @param stayers: the number of clients that keep their connection for as long as they can.
    @param comers: the number of clients that reconnect after some messages.
    @ivar talks: the records of all connections.
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
        """Stop all clients, and raise the error of any that has failed."""
        self._stopped.set()
        for client in self._clients:
            client.result(PATIENCE)

    def by(self, node: str) -> list[Talk]:
        """Return the connections that a node has answered on."""
        return [talk for talk in list(self.talks) if talk.node == node]

    def failed(self) -> list[Talk]:
        """Return the connections that the client did not end itself."""
        return [talk for talk in list(self.talks) if talk.ended in ("closed", "reset")]

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition is true, which is checked after each reply and at the end of each connection."""
        with self._changed:
            assert self._changed.wait_for(lambda: condition() or self._anything_wrong(), PATIENCE), (
                "the condition was not met"
            )
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
            # A node that no longer reads may still have sent replies.
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
                # Limits the load: other programs use this machine, too.
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
