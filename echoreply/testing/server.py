"""A reply server on the reactor that runs a test: for trial, and for whoever has a reactor."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from attrs import define
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IListeningPort
from twisted.python.failure import Failure

from echoreply.core.connection_info import PortNumbers
from echoreply.core.conversation import Rules
from echoreply.core.quoting import quote
from echoreply.net.binding import Binding
from echoreply.net.endpoints import IServerReactor
from echoreply.net.sockets import BACKLOG
from echoreply.net.timer import Timer
from echoreply.protocol import ReplyFactory
from echoreply.scripts.rules import rules_of_script
from echoreply.scripts.source import script_of_toml
from echoreply.server.service import ReplyService
from echoreply.testing.recorder import ReceivedConnection, Recorder

HOST = "127.0.0.1"

DEFAULT_TIMEOUT = 10.0

LOOK_SECONDS = 0.05
"""Seconds without news after which a condition is asked all the same: reads are no news until they make a message."""

SHOWN = 256
"""Bytes of a message that are shown, when there was not what a test has waited for."""


def serve(reactor: IServerReactor) -> Server:
    """
    Serve on a free port of 127.0.0.1. It listens when this returns.

    @param reactor: the one that runs the test.
    @return: the server, whose C{stop} the test has to call, and to wait for.
    @raise twisted.internet.error.CannotListenError: there is no free port.
    """
    return Server(reactor)


@define(eq=False)
class _Waiter:
    condition: Callable[[Server], object]
    met: Deferred[None]
    too_late: IDelayedCall | None = None


class Server:
    """
    A reply server that remembers. Made by L{serve}.

    What it remembers are copies: they do not change when more is received.

    @ivar host: the IP address that it listens on.
    @ivar port: the TCP port.
    """

    host = HOST
    port: int

    def __init__(self, reactor: IServerReactor) -> None:
        self._reactor = reactor
        self._recorder = Recorder(self._changed)
        self._factory = ReplyFactory(reactor, observers=[self._recorder])
        port: IListeningPort = reactor.listenTCP(0, self._factory, BACKLOG, HOST)
        self.port = cast(IPv4Address, port.getHost()).port
        self._service = ReplyService(reactor, [Binding(HOST, lambda: succeed(port))], self._factory, drain=0)
        self._service.startService()
        self._script = ""
        self._waiters: list[_Waiter] = []
        self._news = Timer(reactor, 0, self._ask_all)
        self._no_news = Timer(reactor, LOOK_SECONDS, self._ask_all)

    @property
    def address(self) -> tuple[str, int]:
        """The host and the port, as C{socket.create_connection} takes them."""
        return self.host, self.port

    @property
    def script(self) -> str:
        """
        What connections are answered with from now on: a reply script, in TOML. Without one, as the server does.

        @raise ValueError: when it is set, and is not right. The text says what is wrong.
        """
        return self._script

    @script.setter
    def script(self, script: str) -> None:
        self.rules = rules_of_script(script_of_toml(script), ports=PortNumbers(tcp=self.port))
        self._script = script

    @property
    def rules(self) -> Rules:
        """What the script is made into: what connections are answered with from now on."""
        return self._factory.rules

    @rules.setter
    def rules(self, rules: Rules) -> None:
        self._factory.rules = rules

    @property
    def messages(self) -> list[bytes]:
        """
        The messages that have been answered, on all connections, without their terminators, in this order.

        What ends a conversation instead is none of them: C{exit}, C{quit}, a message that is too long.
        """
        return self._recorder.messages

    @property
    def connections(self) -> list[ReceivedConnection]:
        """The connections that have been accepted, in this order, those that have ended included."""
        return self._recorder.connections

    def wait_for(self, condition: Callable[[Server], object], timeout: float = DEFAULT_TIMEOUT) -> Deferred[None]:
        """
        Wait until something holds of this server.

        @param condition: tells whether it does. It is asked at once, whenever there is something new, and now and
            then.
        @param timeout: after how many seconds the test is to fail.
        @return: fires when it holds; or fails with what the condition raises, or with C{TimeoutError}, whose text says
            what there was.
        """
        waiter = _Waiter(condition, Deferred(lambda _met: self._forget(waiter)))
        waiter.too_late = self._reactor.callLater(timeout, self._give_up, waiter, timeout)
        self._waiters.append(waiter)
        self._no_news.start()
        self._ask(waiter)
        return waiter.met

    def stop(self) -> Deferred[None]:
        """
        Stop listening, and close all connections. What was received stays.

        @return: fires when nothing is left of it on the reactor: soon, half a second later if a client takes nothing.
        """
        for waiter in list(self._waiters):
            waiter.met.cancel()
        return self._service.stopService()

    def _changed(self) -> None:
        """Ask the conditions again, but not within the connection's own call."""
        if self._waiters:
            self._news.start()

    def _ask_all(self) -> None:
        for waiter in list(self._waiters):
            # One may have been cancelled when another's condition was met.
            if waiter in self._waiters:
                self._ask(waiter)
        if self._waiters:
            self._no_news.start()

    def _ask(self, waiter: _Waiter) -> None:
        try:
            if not waiter.condition(self):
                return
        except BaseException:  # pytest.fail's, too
            self._forget(waiter)
            waiter.met.errback(Failure())
        else:
            self._forget(waiter)
            waiter.met.callback(None)

    def _give_up(self, waiter: _Waiter, timeout: float) -> None:
        waiter.too_late = None
        # On a slow machine the time may be over before the news is told.
        self._ask(waiter)
        if waiter not in self._waiters:
            return
        self._forget(waiter)
        seen = "\n".join(map(_described, self.connections)) or "no connection"
        waiter.met.errback(TimeoutError(f"it did not come true in {timeout:g} seconds; there was:\n{seen}"))

    def _forget(self, waiter: _Waiter) -> None:
        self._waiters.remove(waiter)
        if waiter.too_late:
            waiter.too_late.cancel()
        if not self._waiters:
            self._news.stop()
            self._no_news.stop()


def _described(connection: ReceivedConnection) -> str:
    """Say in a line what there was of a connection."""
    host, port = connection.peer
    last = f", the last {quote(connection.messages[-1], SHOWN)}" if connection.messages else ""
    end = f"ended: {connection.ended.value}" if connection.ended else "open"
    return f"{host}:{port}: {len(connection.messages)} messages{last}; {connection.received} bytes; {end}"
