"""The service that runs the monitoring site: from before the server accepts clients until after it has drained."""

from __future__ import annotations

import secrets
import socket
from functools import partial
from time import time

from twisted.application.service import MultiService
from twisted.internet import tcp, unix
from twisted.internet.defer import Deferred, ensureDeferred, maybeDeferred
from twisted.internet.interfaces import IListeningPort

from echoreply import __version__
from echoreply.net.binding import Binding, SocketOwner, owner_of, report_listen_errors
from echoreply.net.endpoints import IServerReactor, stream_endpoint
from echoreply.net.transport import set_socket_options
from echoreply.net.unix_sockets import remove_only_own_file
from echoreply.observe.connection_table import Table
from echoreply.observe.event_logging import log_event
from echoreply.observe.events import WebListening
from echoreply.observe.statistics import Statistics
from echoreply.web.feed import Feed
from echoreply.web.metrics import Metrics
from echoreply.web.site import site


class WebService(MultiService):
    """
    Serves the monitoring site.

    @param description: the endpoint to serve it on, as Twisted's C{serverFromString} takes it.
    @param engine: the name of the I/O engine.
    @param workers: the number of processes that serve clients.
    @raise CannotListen: the description of the endpoint is wrong.
    """

    _port: IListeningPort | None = None

    def __init__(
        self,
        reactor: IServerReactor,
        description: str,
        statistics: Statistics,
        table: Table,
        engine: str,
        workers: int,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._reactor = reactor
        metrics = Metrics(statistics, engine, several=workers > 1)
        about = {
            "id": secrets.token_hex(8),
            "version": __version__,
            "engine": engine,
            "workers": workers,
            "name": socket.gethostname(),
            "started": round(time(), 1),
        }
        feed = Feed(reactor, time, statistics, table, about)
        feed.setServiceParent(self)  # type: ignore[no-untyped-call]
        with report_listen_errors(description):
            endpoint = stream_endpoint(reactor, description)
        served = site(reactor, statistics, feed, metrics)
        self._binding = Binding(description, partial(endpoint.listen, served), owner=owner_of(description))

    def privilegedStartService(self) -> None:
        """
        Listen, while the process may still bind any port.

        @raise CannotListen: the address is in use, or the process may not use it.
        """
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        self._listen()

    def startService(self) -> None:
        """
        Listen, unless C{privilegedStartService} has.

        @raise CannotListen: the address is in use, or the process may not use it.
        """
        super().startService()  # type: ignore[no-untyped-call]
        if not self._port:
            self._listen()

    def stopService(self) -> Deferred[None]:
        return ensureDeferred(self._stop())

    def _listen(self) -> None:
        self._port = self._binding.listen()
        if isinstance(self._port, tcp.Port):
            set_socket_options(self._port.socket)
        if isinstance(self._port, unix.Port):
            remove_only_own_file(self._port, keep=self._binding.owner is not SocketOwner.PROCESS)
        self._reactor.callLater(0, self._log)

    async def _stop(self) -> None:
        port, self._port = self._port, None
        if port:
            await maybeDeferred(port.stopListening)
        await super().stopService()  # type: ignore[no-untyped-call]

    def _log(self) -> None:
        host = self._binding.listener.name
        log_event(WebListening(url=host if host.startswith("unix:") else f"http://{host}/"))
