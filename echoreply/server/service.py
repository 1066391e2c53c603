"""The server as a service: it listens when it starts, and lets its clients go when it stops."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from twisted.application.service import Service
from twisted.internet import tcp, unix
from twisted.internet.defer import Deferred, ensureDeferred, maybeDeferred
from twisted.internet.interfaces import IListeningPort, IReactorTime

from echoreply.net.binding import Binding
from echoreply.net.sockets import BACKLOG, mind_file
from echoreply.net.transport import PromptServer, prepare
from echoreply.net.udp_port import DatagramPort
from echoreply.protocol import ReplyFactory
from echoreply.server.accepting import accept_waiting, wait_for_descriptors
from echoreply.server.datagrams import AT_STOP

ABORT_SECONDS = 0.5
"""Seconds between giving up those clients who have to be asked, and ending what then is left."""


class ReplyService(Service):
    """
    Serves a L{ReplyFactory} on all the bindings there are to it.

    @param clock: where time comes from, such as the reactor.
    @param drain: how many seconds clients get, when the service stops, to take their replies.
    @param reloads: each reads again the files of something other than a binding, and logs the result.
    """

    _hurried = False

    def __init__(
        self,
        clock: IReactorTime,
        bindings: Iterable[Binding],
        factory: ReplyFactory,
        drain: float,
        reloads: Iterable[Callable[[], object]] = (),
    ) -> None:
        self._clock = clock
        self._bindings = list(bindings)
        self._reloads = [*reloads, *(binding.reload for binding in self._bindings if binding.reload)]
        self._factory = factory
        self._drain = drain
        self._ports: list[tuple[Binding, IListeningPort]] = []

    def privilegedStartService(self) -> None:
        """
        Listen, while the process may still take any port.

        @raise CannotListen: if an address is taken, or not ours to take.
        """
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        self._listen()

    def startService(self) -> None:
        """
        Listen, unless that has been done.

        @raise CannotListen: if an address is taken, or not ours to take.
        """
        super().startService()  # type: ignore[no-untyped-call]
        if not self._ports:
            self._listen()

    def stopService(self) -> Deferred[None]:
        """
        Stop listening, and let the clients go.

        @return: fires when no connection is left, at the latest a second after C{drain} seconds.
        """
        super().stopService()  # type: ignore[no-untyped-call]
        return ensureDeferred(self._stop())

    @property
    def reloadable(self) -> bool:
        """Whether there are files that can be read again."""
        return bool(self._reloads)

    def reload(self) -> None:
        """Read the files again. What can't be used changes nothing, and is logged."""
        for reload in self._reloads:
            reload()

    def hurry(self) -> None:
        """Wait for no client: now, if it is stopping, or when it will."""
        self._hurried = True
        if not self.running:
            self._factory.abort()

    def _listen(self) -> None:
        for binding in self._bindings:
            port = binding.listen()
            self._ports.append((binding, port))
            if isinstance(port, tcp.Port):
                prepare(port.socket)
                if port.transport is tcp.Server:
                    port.transport = PromptServer
                wait_for_descriptors(port, self._clock)
            if isinstance(port, unix.Port):
                mind_file(port, keep=binding.passed_on)
            # It is told once the reactor runs: then clients are served, and a signal ends the process as it should.
            self._clock.callLater(0, self._factory.observer.listening, binding.listener)

    async def _stop(self) -> None:
        self._factory.observer.stopping()
        closed = []
        for binding, port in self._ports:
            if isinstance(port, tcp.Port) and not binding.passed_on:
                # The port closes in the reactor's next turn, just after this call. Those who wait in its queue have
                # connected, as far as they know, and sent messages; more than it holds can only be newcomers.
                self._clock.callLater(0, accept_waiting, port, BACKLOG)
            elif isinstance(port, DatagramPort):
                port.answer_waiting(AT_STOP)
            closed.append(maybeDeferred(port.stopListening))
        self._ports.clear()
        for port_closed in closed:
            await port_closed
        for settled in [binding.settle() for binding in self._bindings]:
            await settled
        gone = self._factory.drain()
        deadlines = (
            self._clock.callLater(self._drain, self._factory.end_drain),
            self._clock.callLater(self._drain + ABORT_SECONDS, self._factory.abort),
        )
        if self._hurried:
            self._factory.abort()
        await gone
        for deadline in deadlines:
            if deadline.active():
                deadline.cancel()
        self._factory.observer.stopped(self._factory.counts.totals())
