"""A listening TCP port whose connections have native transports."""

from __future__ import annotations

import socket
from asyncio import AbstractEventLoop
from contextlib import suppress
from typing import Any, Self, cast

from twisted.internet import tcp
from twisted.internet.interfaces import IProtocol, IReactorCore
from twisted.python.failure import Failure

from echoreply.native.connections import Connections
from echoreply.native.private_names import PLAIN_FAMILY, PLAIN_TYPE, accept_descriptor
from echoreply.native.transport import NativeTransport


class PlainSocket(socket.socket):
    """
    A socket whose family and type are plain numbers, like those of the sockets that it accepts.

    Python's own socket converts them to enums at every access, a tenth of the cost of accepting a connection.
    """

    __slots__ = ()

    family = PLAIN_FAMILY  # type: ignore[assignment]
    type = PLAIN_TYPE  # type: ignore[assignment]

    def accept(self) -> tuple[socket.socket, Any]:
        """Return the socket of the next connection, and the address of its peer."""
        descriptor, peer = accept_descriptor(self)
        return PlainSocket(self.family, self.type, self.proto, descriptor), peer


class NativePort(tcp.Port):
    """A TCP port that accepts connections as Twisted's own does, and makes native transports for them."""

    _loop: AbstractEventLoop
    _connections: Connections
    _trigger: object

    def start(self, loop: AbstractEventLoop) -> Self:
        """
        Listen. Return the port itself.

        @param loop: the event loop that reads and writes the connections.
        @raise CannotListenError: the address is in use, or the system does not permit it.
        """
        self._loop = loop
        self.startListening()
        return self

    def startListening(self) -> None:
        """Listen. The connections are closed when the reactor stops."""
        super().startListening()
        self.socket = PlainSocket(fileno=self.socket.detach())
        self.fileno = self.socket.fileno  # type: ignore[method-assign]
        self._connections = Connections()
        core = cast(IReactorCore, self.reactor)
        self._trigger = core.addSystemEventTrigger("during", "shutdown", self._connections.shut_down)

    def connectionLost(self, reason: Failure) -> None:
        """Close the port. Its connections stay open."""
        super().connectionLost(reason)  # type: ignore[no-untyped-call]
        if not self._connections.connections:
            # The trigger is gone once the reactor has stopped.
            with suppress(ValueError):
                cast(IReactorCore, self.reactor).removeSystemEventTrigger(self._trigger)

    def transport(  # type: ignore[override]  # tcp.Port has a class here, which subclasses may replace
        self, skt: socket.socket, protocol: IProtocol, peer: tuple[Any, ...], _port: tcp.Port, session: int, _: object
    ) -> NativeTransport:
        """Return the transport of an accepted socket, which the event loop attaches in its next turn."""
        skt.setblocking(False)
        transport = NativeTransport(self._loop, skt, protocol, peer, session, self._connections)
        self._loop.create_task(transport.attach())
        return transport
