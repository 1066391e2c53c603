"""Accepting connections within the limit on file descriptors, and waiting while none is free."""

from __future__ import annotations

import errno
import socket
from math import inf
from typing import Any, cast

from twisted.internet import tcp
from twisted.internet.interfaces import IReactorTime
from twisted.internet.selectreactor import SelectReactor

from echoreply.net.file_limits import SELECTABLE, connections_within, set_limit
from echoreply.observe.event import log_event
from echoreply.observe.events import ConnectionsAllowed, NoDescriptors, TooManyWanted

try:
    import resource
except ImportError:  # pragma: no cover  # Windows
    resource = None  # type: ignore[assignment]

RETRY_SECONDS = 0.1
"""Seconds after which it is tried again to accept, when there was no descriptor."""


LOG_SECONDS = 60.0
"""Seconds between two log lines that say so."""


_NONE_LEFT = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


def connections_allowed(reactor: object, wanted: int, others: int = 0) -> int:
    """
    Raise the limit on open files as far as is of use, and log how many connections it allows.

    @param wanted: how many a person wants; 0 is as many as may be.
    @param others: see L{connections_within}.
    @return: how many connections there may be; 0 is no limit.
    """
    if resource is None:  # pragma: no cover  # Windows
        return wanted
    # A descriptor that a reactor can't wait for must not come to be.
    before, limit = set_limit(SELECTABLE) if isinstance(reactor, SelectReactor) else set_limit()
    if limit == resource.RLIM_INFINITY:
        return wanted
    room = connections_within(limit, others)
    allowed = min(wanted, room) if wanted else room
    log_event(ConnectionsAllowed(allowed=allowed, limit=limit, before=before))
    if wanted > room:
        log_event(TooManyWanted(wanted=wanted))
    return allowed


class PatientSocket:
    """
    A listening socket for a L{tcp.Port}, that leaves clients in its queue while there is no descriptor for them.

    A port by itself accepts them with one that it keeps in reserve, and closes them at once; when that fails, it tries
    again without a pause. To them, a server that is slow to answer is better than one that hangs up.

    @ivar accepted: how many it has accepted.
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

        @raise BlockingIOError: there is none, or there is no descriptor for it.
        """
        try:
            client = self._socket.accept()
        except OSError as error:
            if error.errno not in _NONE_LEFT:
                raise
            self._wait(error)
            raise BlockingIOError(errno.EAGAIN, "there is no descriptor for it") from None
        self.accepted += 1
        return client

    def _wait(self, error: OSError) -> None:
        now = self._clock.seconds()
        if now >= self._logged + LOG_SECONDS:
            self._logged = now
            log_event(NoDescriptors(why=error.strerror or str(error)))
        self._port.pauseProducing()
        # A port that has been closed meanwhile does nothing.
        self._clock.callLater(RETRY_SECONDS, self._port.resumeProducing)


def wait_for_descriptors(port: tcp.Port, clock: IReactorTime) -> None:
    """Have a port wait while there is no descriptor for another client."""
    port.socket = PatientSocket(port, clock)


def accept_waiting(port: tcp.Port, at_most: int) -> None:
    """Accept those who wait in the queue of a port that waits for descriptors."""
    listener = cast(PatientSocket, port.socket)
    before, last = -1, listener.accepted + at_most
    while before < listener.accepted <= last:
        before = listener.accepted
        port.doRead()
