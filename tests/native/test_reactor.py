"""A program on a native reactor: its child processes, signals that stop it, and a fork before it runs."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

_BEGIN = """
    import os, signal, sys
    from tests.native.loops import {loop}
    from echoreply.native.reactor import NativeReactor
    from twisted.internet.main import installReactor
    loop = {loop}()
    reactor = NativeReactor(loop)
    installReactor(reactor)
    from twisted.internet import protocol
"""

_CHILD = """
    class Child(protocol.ProcessProtocol):
        def processEnded(self, reason):
            print("ended", reason.value.status, flush=True)
            reactor.stop()
    # Without pipes, whose end of file would reveal that the child has ended.
    descriptors = dict.fromkeys([0, 1, 2], 1)
    child = [sys.executable, "-c", ""]
    reactor.callWhenRunning(reactor.spawnProcess, Child(), child[0], child, childFDs=descriptors)
    reactor.run()
"""

_SIGNAL = """
    import threading
    reactor.addSystemEventTrigger("before", "shutdown", print, "stopped", flush=True)
    reactor.callWhenRunning(lambda: reactor.callLater(0, lambda: threading.Timer(
        0.1, os.kill, (os.getpid(), signal.{signal})).start()))
    reactor.run()
"""

_FORK = """
    import socket
    for _ in range(2):
        if os.fork():
            os._exit(0)
    class Greeter(protocol.Protocol):
        def connectionMade(self):
            self.transport.write(b"hello from the grandchild")
            self.transport.loseConnection()
        def connectionLost(self, reason):
            reactor.stop()
    port = reactor.listenTCP(0, protocol.Factory.forProtocol(Greeter), interface="127.0.0.1")
    client = socket.create_connection(("127.0.0.1", port.getHost().port))
    reactor.run()
    print(client.makefile().read(), flush=True)
"""


class Behaviour(SynchronousTestCase):
    """The tests, for an event loop that a subclass names."""

    loop = ""

    def run_program(self, program: str, **names: str) -> str:
        if sys.platform == "win32":
            raise SkipTest("there are no such signals on Windows")
        code = textwrap.dedent(_BEGIN + program).format(loop=self.loop, **names)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
        if "uvloop is not installed" in done.stderr:
            raise SkipTest("uvloop is not installed")
        self.assertEqual(done.stderr, "")
        return done.stdout

    def test_a_child_is_reaped(self) -> None:
        self.assertEqual(self.run_program(_CHILD), "ended 0\n")

    def test_a_signal_stops_an_idle_reactor(self) -> None:
        for name in ("SIGTERM", "SIGINT"):
            self.assertEqual(self.run_program(_SIGNAL, signal=name), "stopped\n")

    def test_a_reactor_runs_in_a_process_forked_after_it_was_made(self) -> None:
        self.assertEqual(self.run_program(_FORK), "hello from the grandchild\n")


class AsyncioTests(Behaviour):
    loop = "asyncio_loop"


class UvloopTests(Behaviour):
    loop = "uvloop_loop"


del Behaviour
