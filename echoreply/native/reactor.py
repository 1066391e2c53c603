"""A Twisted reactor on an asyncio event loop that reads and writes the TCP connections of all ports itself."""

from __future__ import annotations

import signal
import socket
from asyncio import AbstractEventLoop
from typing import cast

from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.internet.interfaces import IListeningPort, IProtocolFactory

from echoreply.native.port import NativePort
from echoreply.native.private_names import adopt_listening_port, installs_signal_handlers


class NativeReactor(AsyncioSelectorReactor):
    """
    Twisted's reactor on an asyncio event loop, with L{NativePort} in place of L{twisted.internet.tcp.Port}.

    Outgoing connections, and sockets of other kinds, are Twisted's own. The outgoing connections of a
    L{ConnectingReactor <echoreply.native.client.ConnectingReactor>} are native as well.

    @param loop: the event loop to run on, such as uvloop's.
    """

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        super().__init__(loop)
        self.addSystemEventTrigger("after", "startup", self._reap_children_on_sigchld)

    def listenTCP(self, port: int, factory: IProtocolFactory, backlog: int = 50, interface: str = "") -> NativePort:
        """Return a native port that listens on an address: L{twisted.internet.interfaces.IReactorTCP}."""
        return NativePort(port, factory, backlog, interface, self).start(self._loop)

    def adoptStreamPort(self, fileDescriptor: int, addressFamily: int, factory: IProtocolFactory) -> IListeningPort:
        """Return a port on a socket that listens already: L{twisted.internet.interfaces.IReactorSocket}."""
        if addressFamily not in (socket.AF_INET, socket.AF_INET6):
            other = super().adoptStreamPort(fileDescriptor, addressFamily, factory)  # type: ignore[no-untyped-call]
            return cast(IListeningPort, other)
        port = adopt_listening_port(NativePort, self, fileDescriptor, addressFamily, factory)
        return port.start(self._loop)

    def _reap_children_on_sigchld(self) -> None:
        """
        Install a handler of SIGCHLD that reaps children.

        Twisted's own handler relies on the wake-up descriptor of signals, which uvloop replaces.
        """
        if installs_signal_handlers(self) and hasattr(signal, "SIGCHLD"):
            from twisted.internet.process import reapAllProcesses  # not on Windows

            signal.signal(signal.SIGCHLD, lambda *_: self.callFromThread(reapAllProcesses))  # type: ignore[no-untyped-call]
            signal.siginterrupt(signal.SIGCHLD, False)
