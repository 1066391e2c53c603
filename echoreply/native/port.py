"""A listening port whose connections are the event loop's."""

from __future__ import annotations

import socket
from asyncio import AbstractEventLoop
from contextlib import suppress
from typing import Any, Self, cast

from twisted.internet import tcp
from twisted.internet.interfaces import IProtocol, IReactorCore
from twisted.python.failure import Failure

from echoreply.native.private_names import PLAIN_FAMILY, PLAIN_TYPE, accept_descriptor
from echoreply.native.transport import NativeTransport, Shared


class PlainSocket(socket.socket):
    """
    A socket whose family and type are plain numbers, as are those of the sockets that it accepts.

    To make enums of them, as Python's own does whenever it is asked, takes a tenth of what we do for a connection.
    """

    __slots__ = ()

    family = PLAIN_FAMILY  # type: ignore[assignment]
    type = PLAIN_TYPE  # type: ignore[assignment]

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept a client."""
        descriptor, peer = accept_descriptor(self)
        return PlainSocket(self.family, self.type, self.proto, descriptor), peer


class NativePort(tcp.Port):
    """A TCP port that accepts as Twisted's own does, and leaves the rest to the event loop of its reactor."""

    _loop: AbstractEventLoop
    _shared: Shared
    _trigger: object

    def start(self, loop: AbstractEventLoop) -> Self:
        """
        Listen.

        @raise CannotListenError: if the address is taken, or not ours to take.
        """
        self._loop = loop
        self.startListening()
        return self

    def startListening(self) -> None:
        """Listen, and let the connections end with the reactor, which does not know of them."""
        super().startListening()
        self.socket = PlainSocket(fileno=self.socket.detach())
        self.fileno = self.socket.fileno  # type: ignore[method-assign]
        self._shared = Shared()
        core = cast(IReactorCore, self.reactor)
        self._trigger = core.addSystemEventTrigger("during", "shutdown", self._shared.leave)

    def connectionLost(self, reason: Failure) -> None:
        """Close the port; the connections stay."""
        super().connectionLost(reason)  # type: ignore[no-untyped-call]
        if not self._shared.connections:
            # The reactor may have stopped before.
            with suppress(ValueError):
                cast(IReactorCore, self.reactor).removeSystemEventTrigger(self._trigger)

    def transport(  # type: ignore[override]  # what tcp.Port calls for a transport is meant to be replaced
        self, skt: socket.socket, protocol: IProtocol, peer: tuple[Any, ...], _port: tcp.Port, session: int, _: object
    ) -> NativeTransport:
        """Make the transport of an accepted socket."""
        skt.setblocking(False)
        transport = NativeTransport(self._loop, skt, protocol, peer, session, self._shared)
        self._loop.create_task(transport.take_over())
        return transport
