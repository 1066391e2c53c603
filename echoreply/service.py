"""The server as a service: it listens when it starts, and lets its clients go when it stops."""

from __future__ import annotations

from collections.abc import Iterable

from twisted.application.service import Service
from twisted.internet import tcp, unix
from twisted.internet.defer import Deferred, ensureDeferred, maybeDeferred
from twisted.internet.interfaces import IListeningPort, IReactorTime

from echoreply.datagrams import AT_STOP, DatagramPort
from echoreply.descriptors import accept_waiting, wait_for_descriptors
from echoreply.listeners import BACKLOG, mind_file
from echoreply.protocol import ReplyFactory
from echoreply.renewal import Renewal
from echoreply.roads import Road
from echoreply.transport import PromptServer, prepare

ABORT_SECONDS = 0.5
"""Seconds between giving up those clients who have to be asked, and ending what then is left."""


class ReplyService(Service):
    """
    Serves a L{ReplyFactory} on all the roads there are to it.

    @param clock: where time comes from, such as the reactor.
    @param drain: how many seconds clients get, when the service stops, to take their replies.
    @param renewals: what else than the roads is made of files.
    """

    _hurried = False

    def __init__(
        self,
        clock: IReactorTime,
        roads: Iterable[Road],
        factory: ReplyFactory,
        drain: float,
        renewals: Iterable[Renewal] = (),
    ) -> None:
        self._clock = clock
        self._roads = list(roads)
        self._renewals = [*renewals, *(road.renewal for road in self._roads if road.renewal)]
        self._factory = factory
        self._drain = drain
        self._ports: list[tuple[Road, IListeningPort]] = []

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
    def renewable(self) -> bool:
        """Whether there are files that can be read again."""
        return bool(self._renewals)

    def renew(self) -> None:
        """Read the files again. What can't be used changes nothing, and is logged."""
        for renewal in self._renewals:
            renewal.attempt()

    def hurry(self) -> None:
        """Wait for no client: now, if it is stopping, or when it will."""
        self._hurried = True
        if not self.running:
            self._factory.abort()

    def _listen(self) -> None:
        for road in self._roads:
            port = road.listen()
            self._ports.append((road, port))
            if isinstance(port, tcp.Port):
                prepare(port.socket)
                if port.transport is tcp.Server:
                    port.transport = PromptServer
                wait_for_descriptors(port, self._clock)
            if isinstance(port, unix.Port):
                mind_file(port, keep=road.passed_on)
            # It is told once the reactor runs: then clients are served, and a signal ends the process as it should.
            self._clock.callLater(0, self._factory.observer.listening, road.listener)

    async def _stop(self) -> None:
        self._factory.observer.stopping()
        closed = []
        for road, port in self._ports:
            if isinstance(port, tcp.Port) and not road.passed_on:
                # The port closes in the reactor's next turn, just after this call. Those who wait in its queue have
                # connected, as far as they know, and sent messages; more than it holds can only be newcomers.
                self._clock.callLater(0, accept_waiting, port, BACKLOG)
            elif isinstance(port, DatagramPort):
                port.answer_waiting(AT_STOP)
            closed.append(maybeDeferred(port.stopListening))
        self._ports.clear()
        for port_closed in closed:
            await port_closed
        for settled in [road.settle() for road in self._roads]:
            await settled
        gone = self._factory.drain()
        deadlines = (
            self._clock.callLater(self._drain, self._factory.give_up),
            self._clock.callLater(self._drain + ABORT_SECONDS, self._factory.abort),
        )
        if self._hurried:
            self._factory.abort()
        await gone
        for deadline in deadlines:
            if deadline.active():
                deadline.cancel()
        self._factory.observer.stopped(self._factory.counts.totals())
