"""Accepting connections within the limit on open files, and pausing while no descriptor is free."""

from __future__ import annotations

import errno
import socket
from math import inf
from typing import Any, cast

from twisted.internet import tcp
from twisted.internet.interfaces import IReactorTime
from twisted.internet.selectreactor import SelectReactor

from echoreply.net.file_limits import SELECTABLE, max_connections_for, set_limit
from echoreply.observe.event_logging import log_event
from echoreply.observe.events import ConnectionsAllowed, NoDescriptors, TooManyWanted

RETRY_SECONDS = 0.1
"""Seconds between attempts to accept while no descriptor is free."""

LOG_SECONDS = 60.0
"""Minimum seconds between two log lines about that."""

_NONE_LEFT = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


def raise_connection_limit(reactor: object, wanted: int, reserved: int = 0) -> int:
    """
    Raise the limit on open files as far as is useful, and log the number of connections that it allows.

    @param wanted: maximum connections by the settings; 0 is no limit.
    @param reserved: as for L{max_connections_for}.
    @return: maximum connections to accept; 0 is no limit.
    """
    # With a higher limit there could be descriptors that this reactor can't wait for.
    limits = set_limit(SELECTABLE) if isinstance(reactor, SelectReactor) else set_limit()
    if not limits:
        return wanted
    before, limit = limits
    room = max_connections_for(limit, reserved)
    allowed = min(wanted, room) if wanted else room
    log_event(ConnectionsAllowed(allowed=allowed, limit=limit, before=before))
    if wanted > room:
        log_event(TooManyWanted(wanted=wanted))
    return allowed


class RetryingSocket:
    """
    The listening socket of a L{tcp.Port}, which leaves clients in its queue while no descriptor is free for them.

    Twisted's port would accept such clients with a reserved descriptor and close them immediately; if that fails, it
    retries without a pause. A late reply is better for clients than a closed connection.

    @ivar accepted: the number of clients accepted so far.
    """

    def __init__(self, port: tcp.Port, clock: IReactorTime) -> None:
        self._port = port
        self._clock = clock
        self._socket: socket.socket = port.socket
        self._logged = -inf
        self.accepted = 0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._socket, name)

    def accept(self) -> tuple[socket.socket, Any]:
        """
        Accept a client.

        @raise BlockingIOError: no client is waiting, or no descriptor is free.
        """
        try:
            client = self._socket.accept()
        except OSError as error:
            if error.errno not in _NONE_LEFT:
                raise
            self._wait(error)
            raise BlockingIOError(errno.EAGAIN, "no descriptor is free") from None
        self.accepted += 1
        return client

    def _wait(self, error: OSError) -> None:
        now = self._clock.seconds()
        if now >= self._logged + LOG_SECONDS:
            self._logged = now
            log_event(NoDescriptors(why=error.strerror or str(error)))
        self._port.pauseProducing()
        # This has no effect on a port that was closed meanwhile.
        self._clock.callLater(RETRY_SECONDS, self._port.resumeProducing)


def retry_accept(port: tcp.Port, clock: IReactorTime) -> None:
    """Change a port so that it retries later when no descriptor is free for a client: L{RetryingSocket}."""
    port.socket = RetryingSocket(port, clock)


def accept_queued(port: tcp.Port, at_most: int) -> None:
    """Accept the clients in the queue of a port that L{retry_accept} was called for."""
    listening = cast(RetryingSocket, port.socket)
    before, last = -1, listening.accepted + at_most
    while before < listening.accepted <= last:
        before = listening.accepted
        port.doRead()
