"""A reactor all of whose TCP ports are native ones."""

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

    Connections that it makes, and sockets of other kinds, are Twisted's own. L{ConnectingReactor
    <echoreply.native.client.ConnectingReactor>} makes native ones, too.
    """

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        super().__init__(loop)
        self.addSystemEventTrigger("after", "startup", self._hear_of_children)

    def listenTCP(self, port: int, factory: IProtocolFactory, backlog: int = 50, interface: str = "") -> NativePort:
        """Listen on an address: L{twisted.internet.interfaces.IReactorTCP}."""
        return NativePort(port, factory, backlog, interface, self).start(self._loop)

    def adoptStreamPort(self, fileDescriptor: int, addressFamily: int, factory: IProtocolFactory) -> IListeningPort:
        """Listen on a socket that does already: L{twisted.internet.interfaces.IReactorSocket}."""
        if addressFamily not in (socket.AF_INET, socket.AF_INET6):
            other = super().adoptStreamPort(fileDescriptor, addressFamily, factory)  # type: ignore[no-untyped-call]
            return cast(IListeningPort, other)
        port = adopt_listening_port(NativePort, self, fileDescriptor, addressFamily, factory)
        return port.start(self._loop)

    def _hear_of_children(self) -> None:
        """Reap children at SIGCHLD: the event loop may have the descriptor that Twisted's reactors wait for."""
        if installs_signal_handlers(self) and hasattr(signal, "SIGCHLD"):
            from twisted.internet.process import reapAllProcesses  # Which Windows does not have.

            signal.signal(signal.SIGCHLD, lambda *_: self.callFromThread(reapAllProcesses))  # type: ignore[no-untyped-call]
            signal.siginterrupt(signal.SIGCHLD, False)
