"""The server as a Twisted service: it listens when it starts, and drains its connections when it stops."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from twisted.application.service import Service
from twisted.internet import tcp, unix
from twisted.internet.defer import Deferred, ensureDeferred, maybeDeferred
from twisted.internet.interfaces import IListeningPort, IReactorTime

from echoreply.net.binding import Binding, SocketOwner
from echoreply.net.sockets import BACKLOG
from echoreply.net.transport import ImmediateServer, set_socket_options
from echoreply.net.udp_port import DatagramPort
from echoreply.net.unix_sockets import remove_only_own_file
from echoreply.protocol import ReplyFactory
from echoreply.server.accepting import accept_queued, retry_accept
from echoreply.server.datagrams import DATAGRAMS_AT_STOP

ABORT_SECONDS = 0.5
"""Seconds between the end of the drain, when connections start to close, and aborting the remaining ones."""


class ReplyService(Service):
    """
    Serves a L{ReplyFactory} on its bindings.

    @param clock: schedules the drain, such as the reactor.
    @param drain: the graceful-shutdown timeout: the seconds that clients get to take their replies when it stops.
    @param reloads: functions that reload files besides those of bindings, and log the result.
    """

    _skips_drain = False

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
        Listen, while the process may still bind any port.

        @raise CannotListen: an address is in use or not available.
        """
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        self._listen()

    def startService(self) -> None:
        """
        Listen, unless C{privilegedStartService} has.

        @raise CannotListen: an address is in use or not available.
        """
        super().startService()  # type: ignore[no-untyped-call]
        if not self._ports:
            self._listen()

    def stopService(self) -> Deferred[None]:
        """
        Stop listening, and drain the connections.

        @return: fires when no connection is left: at the latest C{drain} seconds and one more after this call.
        """
        super().stopService()  # type: ignore[no-untyped-call]
        return ensureDeferred(self._stop())

    @property
    def reloadable(self) -> bool:
        """Whether there are files to reload."""
        return bool(self._reloads)

    def reload(self) -> None:
        """Reload the files, and log the results. Files that can't be used change nothing."""
        for reload in self._reloads:
            reload()

    def skip_drain(self) -> None:
        """Abort all connections: at once if the service is stopping, or else as soon as it stops."""
        self._skips_drain = True
        if not self.running:
            self._factory.abort()

    def _listen(self) -> None:
        for binding in self._bindings:
            port = binding.listen()
            self._ports.append((binding, port))
            if isinstance(port, tcp.Port):
                set_socket_options(port.socket)
                if port.transport is tcp.Server:
                    port.transport = ImmediateServer
                retry_accept(port, self._clock)
            if isinstance(port, unix.Port):
                remove_only_own_file(port, keep=binding.owner is not SocketOwner.PROCESS)
            # Observers are notified once the reactor runs: only then are clients served and signals handled.
            self._clock.callLater(0, self._factory.observer.listening, binding.listener)

    async def _stop(self) -> None:
        self._factory.observer.stopping()
        closed = []
        for binding, port in self._ports:
            if isinstance(port, tcp.Port) and binding.owner is not SocketOwner.SERVICE_MANAGER:
                # The port closes in the reactor's next turn, just after this call. The clients in its queue regard
                # themselves as connected, and may have sent messages. Any beyond its length have connected since.
                self._clock.callLater(0, accept_queued, port, BACKLOG)
            elif isinstance(port, DatagramPort):
                port.answer_waiting(DATAGRAMS_AT_STOP)
            closed.append(maybeDeferred(port.stopListening))
        self._ports.clear()
        for port_closed in closed:
            await port_closed
        for accepting in [binding.finish_accepting() for binding in self._bindings]:
            await accepting
        gone = self._factory.drain()
        deadlines = (
            self._clock.callLater(self._drain, self._factory.end_drain),
            self._clock.callLater(self._drain + ABORT_SECONDS, self._factory.abort),
        )
        if self._skips_drain:
            self._factory.abort()
        await gone
        for deadline in deadlines:
            if deadline.active():
                deadline.cancel()
        self._factory.observer.stopped()
