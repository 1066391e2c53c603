"""A listening port whose connections are the event loop's."""

from __future__ import annotations

import socket
from asyncio import AbstractEventLoop
from typing import Any, Self

from twisted.internet import tcp
from twisted.internet.interfaces import IProtocol

from echoreply.native.transport import LITTLE_READS, BoundedReads, Buffers, NativeTransport


class NativePort(tcp.Port):
    """A TCP port that accepts as Twisted's own does, and leaves the rest to the event loop of its reactor."""

    _loop: AbstractEventLoop
    _buffers: Buffers

    def start(self, loop: AbstractEventLoop) -> Self:
        """
        Listen.

        @raise CannotListenError: if the address is taken, or not ours to take.
        """
        self._loop = loop
        self._buffers = Buffers()
        self.startListening()
        return self

    def transport(  # type: ignore[override]  # what tcp.Port calls for a transport is meant to be replaced
        self, skt: socket.socket, protocol: IProtocol, peer: tuple[Any, ...], _port: tcp.Port, session: int, _: object
    ) -> NativeTransport:
        """Make the transport of an accepted socket."""
        skt.setblocking(False)
        transport = NativeTransport(self._loop, skt, protocol, peer, session, self._buffers)
        reads = BoundedReads(transport, LITTLE_READS)
        self._loop.create_task(self._loop.connect_accepted_socket(lambda: reads, skt))
        return transport
