"""
A reply server in a thread of its own, for tests without a reactor.

The reactor of the thread is private: Twisted's global reactor is neither imported nor installed, no signal handlers are
installed, and the thread is not registered as Twisted's I/O thread.
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
    # Unlike epoll it has no descriptor that a forked process would share; unlike select(2) it has no limit.
    from twisted.internet.pollreactor import PollReactor as PlatformReactor
except ImportError:  # pragma: no cover  # Windows
    from twisted.internet.selectreactor import SelectReactor as PlatformReactor

T = TypeVar("T")


class PrivateReactor(PlatformReactor):
    """A reactor that is independent of the global one. It can run once."""

    _registerAsIOThread = False

    def close(self) -> None:
        """Close the descriptors that wake the reactor, after it has stopped."""
        close_wakers(self)


class ReactorThread:
    """A thread that runs a private reactor."""

    def __init__(self) -> None:
        self._reactor = PrivateReactor()  # type: ignore[no-untyped-call]
        self._thread = Thread(target=self._reactor.run, args=(False,), name="echoreply", daemon=True)
        self._thread.start()

    @property
    def reactor(self) -> IServerReactor:
        """The reactor, to be used only within L{ReactorThread.call}."""
        return cast(IServerReactor, self._reactor)

    def call(self, function: Callable[[], T]) -> T:
        """
        Call a function in the thread, and return its result.

        @raise RuntimeError: the thread has ended, as in a forked process.
        """
        if current_thread() is self._thread:
            return function()
        return self.wait(lambda: execute(function))

    def wait(self, function: Callable[[], Deferred[T]]) -> T:
        """
        Call a function in the thread, and wait for the result of its Deferred.

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
        """End the thread, and close its descriptors."""
        self._reactor.callFromThread(self._reactor.stop)
        self._thread.join()
        self._reactor.close()


class ThreadedServer:
    """
    A L{Server} that can be used from any thread but its own.

    A message is recorded before the client can read its reply. Properties return copies.

    @ivar host: the IP address of the listener.
    @ivar port: the TCP port of the listener.
    """

    host = HOST
    port: int

    def __init__(self, thread: ReactorThread) -> None:
        self._thread = thread
        self._server: Server = thread.call(lambda: serve(thread.reactor))
        self.port = self._server.port

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
        return self._thread.call(lambda: self._server.script)

    @script.setter
    def script(self, script: str) -> None:
        self._thread.call(lambda: setattr(self._server, "script", script))

    @property
    def rules(self) -> Rules:
        """The rules made from the script, for connections from now on."""
        return self._thread.call(lambda: self._server.rules)

    @rules.setter
    def rules(self, rules: Rules) -> None:
        self._thread.call(lambda: setattr(self._server, "rules", rules))

    @property
    def messages(self) -> list[bytes]:
        """
        The messages that have been answered on all connections, in order, without their terminators.

        Messages that end the conversation instead are not included: C{exit}, C{quit}, and any that are too long.
        """
        return self._thread.call(lambda: self._server.messages)

    @property
    def connections(self) -> list[ReceivedConnection]:
        """The connections, open and ended, in the order in which they were accepted."""
        return self._thread.call(lambda: self._server.connections)

    def wait_for(self, condition: Callable[[Server], object], timeout: float = DEFAULT_TIMEOUT) -> None:
        """
        Wait until a condition is true.

        @param condition: called with the server, in the server's thread, so it must not block: at once, whenever
            something was recorded, and every 0.05 s. What it raises is raised here.
        @param timeout: seconds after which the test fails.
        @raise TimeoutError: the condition was not met in time. The message lists the connections.
        """
        self._thread.wait(lambda: self._server.wait_for(condition, timeout))

    def stop(self) -> None:
        """Stop listening, and close all connections. The records stay."""
        self._thread.wait(self._server.stop)
