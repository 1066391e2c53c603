"""The server as a service: it listens when it starts, and lets its clients go when it stops."""

from __future__ import annotations

from twisted.application.service import Service
from twisted.internet import tcp
from twisted.internet.defer import Deferred, ensureDeferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IReactorTime, IReadDescriptor, IStreamServerEndpoint

from echoreply.descriptors import wait_for_descriptors
from echoreply.listeners import BACKLOG
from echoreply.protocol import ReplyFactory
from echoreply.transport import PromptServer, prepare

ABORT_SECONDS = 0.5
"""Seconds between giving up those clients who have to be asked, and ending what then is left."""


class ReplyService(Service):
    """
    Serves a L{ReplyFactory} on an endpoint.

    @param clock: where time comes from, such as the reactor.
    @param drain: how many seconds clients get, when the service stops, to take their replies.
    @param passed_on: whether somebody else will go on to listen with the same socket. Then those who wait in its queue
        when the service stops are theirs.
    """

    _port: IListeningPort | None = None
    _last_arrival = 0
    _hurried = False

    def __init__(
        self,
        clock: IReactorTime,
        endpoint: IStreamServerEndpoint,
        factory: ReplyFactory,
        drain: float,
        *,
        passed_on: bool = False,
    ) -> None:
        self._clock = clock
        self._endpoint = endpoint
        self._factory = factory
        self._drain = drain
        self._passed_on = passed_on

    def privilegedStartService(self) -> None:
        """
        Listen, while the process may still take any port.

        @raise CannotListenError: if the address is taken, or not ours to take.
        """
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        self._listen()

    def startService(self) -> None:
        """
        Listen, unless that has been done.

        @raise CannotListenError: if the address is taken, or not ours to take.
        """
        super().startService()  # type: ignore[no-untyped-call]
        if not self._port:
            self._listen()

    def stopService(self) -> Deferred[None]:
        """
        Stop listening, and let the clients go.

        @return: fires when no connection is left, at the latest a second after C{drain} seconds.
        """
        super().stopService()  # type: ignore[no-untyped-call]
        return ensureDeferred(self._stop())

    def hurry(self) -> None:
        """Wait for no client: now, if it is stopping, or when it will."""
        self._hurried = True
        if not self.running:
            self._factory.abort()

    def _listen(self) -> None:
        failures: list[CannotListenError] = []
        # An endpoint on an address that needs no looking up has listened or failed when C{listen} returns.
        self._endpoint.listen(self._factory).addCallbacks(
            self._listening, lambda failure: failures.append(failure.value)
        )
        if failures:
            raise failures[0]

    def _listening(self, port: IListeningPort) -> None:
        self._port = port
        if isinstance(port, tcp.Port):
            prepare(port.socket)
            if port.transport is tcp.Server:
                port.transport = PromptServer
        wait_for_descriptors(port, self._clock)
        # It is told once the reactor runs: then clients are served, and a signal ends the process as it should.
        self._clock.callLater(0, self._factory.observer.listening, port.getHost())

    async def _stop(self) -> None:
        if self._port:
            port, self._port = self._port, None
            # More than the queue holds can only be newcomers.
            self._last_arrival = self._factory.arrived + BACKLOG
            if not self._passed_on:
                # The port closes in the reactor's next turn, just after this call.
                self._clock.callLater(0, self._accept_all, port)
            await maybeDeferred(port.stopListening)
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
        self._factory.observer.stopped(self._factory.counts)

    def _accept_all(self, port: IListeningPort) -> None:
        """Accept those who wait in the listen queue: they have connected, as far as they know, and sent messages."""
        before = -1
        while IReadDescriptor.providedBy(port) and before < self._factory.arrived <= self._last_arrival:
            before = self._factory.arrived
            port.doRead()
