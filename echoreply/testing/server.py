"""A reply server for tests that run on a Twisted reactor, such as trial's."""

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

POLL_INTERVAL = 0.05
"""Seconds between two checks of conditions, which may depend on bytes that do not complete a message yet."""

MAX_SHOWN = 256
"""Maximum bytes of a message that are shown in an error."""


def serve(reactor: IServerReactor) -> Server:
    """
    Start a server on a free port of 127.0.0.1. It is listening when this returns.

    @param reactor: the reactor that runs the test.
    @return: the server. The test has to call its C{stop}, and wait for it.
    @raise twisted.internet.error.CannotListenError: there is no free port.
    """
    return Server(reactor)


@define(eq=False)
class _Waiter:
    condition: Callable[[Server], object]
    met: Deferred[None]
    timeout: IDelayedCall | None = None


class Server:
    """
    A reply server that records what it receives. Made by L{serve}.

    Its properties return copies, which do not change when more is received.

    @ivar host: the IP address of the listener.
    @ivar port: the TCP port of the listener.
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
        self._changes = Timer(reactor, 0, self._check_all)
        self._poll = Timer(reactor, POLL_INTERVAL, self._check_all)

    @property
    def address(self) -> tuple[str, int]:
        """The host and the port, as a pair for C{socket.create_connection}."""
        return self.host, self.port

    @property
    def script(self) -> str:
        """
        The reply script, in TOML, of connections from now on; an empty text for the server's default replies.

        @raise ValueError: the script that is being set is not valid. The message has the place and the reason.
        """
        return self._script

    @script.setter
    def script(self, script: str) -> None:
        self.rules = rules_of_script(script_of_toml(script), ports=PortNumbers(tcp=self.port))
        self._script = script

    @property
    def rules(self) -> Rules:
        """The rules made from the script, for connections from now on."""
        return self._factory.rules

    @rules.setter
    def rules(self, rules: Rules) -> None:
        self._factory.rules = rules

    @property
    def messages(self) -> list[bytes]:
        """
        The messages that have been answered on all connections, in order, without their terminators.

        Messages that end the conversation instead are not included: C{exit}, C{quit}, and any that are too long.
        """
        return self._recorder.messages

    @property
    def connections(self) -> list[ReceivedConnection]:
        """The connections, open and ended, in the order in which they were accepted."""
        return self._recorder.connections

    def wait_for(self, condition: Callable[[Server], object], timeout: float = DEFAULT_TIMEOUT) -> Deferred[None]:
        """
        Wait until a condition is true.

        @param condition: called with this server: at once, whenever something was recorded, and every
            L{POLL_INTERVAL} seconds.
        @param timeout: seconds after which the test fails.
        @return: fires when the condition is true; fails with what the condition raises, or with C{TimeoutError}, whose
            text lists the connections.
        """
        waiter = _Waiter(condition, Deferred(lambda _met: self._forget(waiter)))
        waiter.timeout = self._reactor.callLater(timeout, self._give_up, waiter, timeout)
        self._waiters.append(waiter)
        self._poll.start()
        self._check(waiter)
        return waiter.met

    def stop(self) -> Deferred[None]:
        """
        Stop listening, and close all connections. The records stay.

        @return: fires when the reactor is clean: soon, or half a second later if a client does not read.
        """
        for waiter in list(self._waiters):
            waiter.met.cancel()
        return self._service.stopService()

    def _changed(self) -> None:
        """Schedule a check of the conditions, outside of the connection's own call."""
        if self._waiters:
            self._changes.start()

    def _check_all(self) -> None:
        for waiter in list(self._waiters):
            # A condition that is true may have cancelled another waiter.
            if waiter in self._waiters:
                self._check(waiter)
        if self._waiters:
            self._poll.start()

    def _check(self, waiter: _Waiter) -> None:
        try:
            if not waiter.condition(self):
                return
        except BaseException:  # pytest.fail raises one, too
            self._forget(waiter)
            waiter.met.errback(Failure())
        else:
            self._forget(waiter)
            waiter.met.callback(None)

    def _give_up(self, waiter: _Waiter, timeout: float) -> None:
        waiter.timeout = None
        # On a slow machine the timeout may precede a check that is already scheduled.
        self._check(waiter)
        if waiter not in self._waiters:
            return
        self._forget(waiter)
        seen = "\n".join(map(_description, self.connections)) or "no connection"
        waiter.met.errback(TimeoutError(f"the condition was not met within {timeout:g} s; received so far:\n{seen}"))

    def _forget(self, waiter: _Waiter) -> None:
        self._waiters.remove(waiter)
        if waiter.timeout:
            waiter.timeout.cancel()
        if not self._waiters:
            self._changes.stop()
            self._poll.stop()


def _description(connection: ReceivedConnection) -> str:
    """Return a connection as a line of text."""
    host, port = connection.peer
    last = f", the last {quote(connection.messages[-1], MAX_SHOWN)}" if connection.messages else ""
    end = f"ended: {connection.ended.value}" if connection.ended else "open"
    return f"{host}:{port}: {len(connection.messages)} messages{last}; {connection.received} bytes; {end}"
