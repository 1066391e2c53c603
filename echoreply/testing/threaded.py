"""
A reply server with a thread of its own, for programs that have no reactor, or one that is not to know of it.

The reactor is a private one: Twisted's global reactor is neither imported nor installed, no signal is handled, and
Twisted is not told that this is the thread for I/O.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread, current_thread
from typing import TypeVar, cast

from twisted.internet.defer import Deferred, execute, maybeDeferred

from echoreply.core.conversation import Rules
from echoreply.native.private_names import close_wakers
from echoreply.net.endpoints import IServerReactor
from echoreply.testing.recorder import ReceivedConnection
from echoreply.testing.server import DEFAULT_TIMEOUT, HOST, Server, serve

try:
    # It needs no descriptor of its own that a forked child would share, and knows no limit as select(2) does.
    from twisted.internet.pollreactor import PollReactor as PlatformReactor
except ImportError:  # pragma: no cover  # Windows
    from twisted.internet.selectreactor import SelectReactor as PlatformReactor

T = TypeVar("T")


class PrivateReactor(PlatformReactor):
    """A reactor beside that of the process, if it has one. It runs once."""

    _registerAsIOThread = False

    def close(self) -> None:
        """Close what it is woken by, once it has ended."""
        close_wakers(self)


class ReactorThread:
    """A thread in which a private reactor runs."""

    def __init__(self) -> None:
        self._reactor = PrivateReactor()  # type: ignore[no-untyped-call]
        self._thread = Thread(target=self._reactor.run, args=(False,), name="echoreply", daemon=True)
        self._thread.start()

    @property
    def reactor(self) -> IServerReactor:
        """The reactor, which is to be touched only within L{call}."""
        return cast(IServerReactor, self._reactor)

    def call(self, function: Callable[[], T]) -> T:
        """
        Call a function in the thread, and give what it returns.

        @raise RuntimeError: the thread has ended, as it has in a forked process.
        """
        if current_thread() is self._thread:
            return function()
        return self.wait(lambda: execute(function))

    def wait(self, function: Callable[[], Deferred[T]]) -> T:
        """
        Call a function in the thread, and wait for its result.

        @raise RuntimeError: the thread has ended, or would wait for itself.
        """
        if current_thread() is self._thread:
            raise RuntimeError("the server's own thread can't wait for it")
        if not self._thread.is_alive():
            raise RuntimeError("the server's thread has ended, or is another process's")
        future: Future[T] = Future()

        def call() -> None:
            maybeDeferred(function).addCallbacks(future.set_result, lambda why: future.set_exception(why.value))

        self._reactor.callFromThread(call)
        return future.result()

    def stop(self) -> None:
        """End the thread, and leave nothing."""
        self._reactor.callFromThread(self._reactor.stop)
        self._thread.join()
        self._reactor.close()


class ThreadedServer:
    """
    A L{Server}, for any thread but its own.

    What a client got a reply to is there when it is looked for. What is looked at are copies.

    @ivar host: the IP address that it listens on.
    @ivar port: the TCP port.
    """

    host = HOST
    port: int

    def __init__(self, thread: ReactorThread) -> None:
        self._thread = thread
        self._server: Server = thread.call(lambda: serve(thread.reactor))
        self.port = self._server.port

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
        return self._thread.call(lambda: self._server.script)

    @script.setter
    def script(self, script: str) -> None:
        self._thread.call(lambda: setattr(self._server, "script", script))

    @property
    def rules(self) -> Rules:
        """What the script is made into: what connections are answered with from now on."""
        return self._thread.call(lambda: self._server.rules)

    @rules.setter
    def rules(self, rules: Rules) -> None:
        self._thread.call(lambda: setattr(self._server, "rules", rules))

    @property
    def messages(self) -> list[bytes]:
        """
        The messages that have been answered, on all connections, without their terminators, in this order.

        What ends a conversation instead is none of them: C{exit}, C{quit}, a message that is too long.
        """
        return self._thread.call(lambda: self._server.messages)

    @property
    def connections(self) -> list[ReceivedConnection]:
        """The connections that have been accepted, in this order, those that have ended included."""
        return self._thread.call(lambda: self._server.connections)

    def wait_for(self, condition: Callable[[Server], object], timeout: float = DEFAULT_TIMEOUT) -> None:
        """
        Wait until something holds of this server.

        @param condition: tells whether it does. It is asked at once, whenever there is something new, and now and
            then; in the server's thread, so it must not block. What it raises is raised here.
        @param timeout: after how many seconds the test is to fail.
        @raise TimeoutError: it did not come true. The text says what there was.
        """
        self._thread.wait(lambda: self._server.wait_for(condition, timeout))

    def stop(self) -> None:
        """Stop listening, and close all connections. What was received stays."""
        self._thread.wait(self._server.stop)
