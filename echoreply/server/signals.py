"""The service that twistd runs: start-up errors in one line, graceful shutdown by a signal, and reload by SIGHUP."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Protocol

from twisted.application.service import IService, MultiService
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.logger import ILogObserver
from twisted.python.components import Componentized

from echoreply.net.endpoints import IServerReactor
from echoreply.net.errors import CannotStart


@contextmanager
def hide_start_traceback() -> Iterator[None]:
    """
    Make Python report a start-up error in one line. For twistd only, since this affects the whole process.

    @raise CannotStart: twistd raises it again, after it has removed its pid file and, as a daemon, notified the process
        that waits for the start.
    """
    try:
        yield
    except CannotStart:
        sys.tracebacklimit = 0
        sys.excepthook = _print_start_error
        raise


def _print_start_error(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """Print a L{CannotStart} as one line, and any other error as Python does."""
    if isinstance(error, CannotStart):
        print(f"twistd echoreply: {error}", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, traceback)


class SignalledService(Protocol):
    """The interface of a service that is stopped and reloaded by signals."""

    def setServiceParent(self, parent: object) -> object:
        """Set the parent: L{twisted.application.service.IService}."""

    def skip_drain(self) -> None:
        """Abort all connections: at once if the service is stopping, or else as soon as it stops."""

    @property
    def reloadable(self) -> bool:
        """Whether there are files to reload."""

    def reload(self) -> None:
        """Reload the files."""


class TwistdService(MultiService):
    """
    The top service of the process. The first SIGTERM or SIGINT drains the server, the second one ends the drain.

    @param reply_service: the server.
    @param watchers: services that start after the server, and stop once it has stopped.
    @param log_observer: makes the observer that writes the log in place of twistd's own.
    """

    def __init__(
        self,
        reactor: IServerReactor,
        reply_service: SignalledService,
        watchers: Iterable[IService] = (),
        log_observer: Callable[[], ILogObserver] | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._watchers = MultiService()
        for watcher in watchers:
            watcher.setServiceParent(self._watchers)
        self._reactor = reactor
        self._reply_service = reply_service
        self._log_observer = log_observer
        self._handlers: dict[int, Callable[[int, FrameType | None], object]] = {}
        self._stopping = False
        reply_service.setServiceParent(self)

    def setServiceParent(self, parent: Componentized) -> None:
        """Become part of the application, where twistd looks for its log observer."""
        super().setServiceParent(parent)  # type: ignore[no-untyped-call]
        if self._log_observer:
            parent.setComponent(ILogObserver, self._log_observer())

    def privilegedStartService(self) -> None:
        """
        Open the ports while the process may still bind any port.

        @raise CannotStart: see L{hide_start_traceback}.
        """
        with hide_start_traceback():
            super().privilegedStartService()  # type: ignore[no-untyped-call]
            self._watchers.privilegedStartService()

    def startService(self) -> None:
        """
        Start, and handle signals once the reactor runs.

        @raise CannotStart: see L{hide_start_traceback}.
        """
        with hide_start_traceback():
            super().startService()  # type: ignore[no-untyped-call]
            self._watchers.startService()
        self._reactor.callWhenRunning(self._watch_signals)

    def stopService(self) -> Deferred[None]:
        """Drain. Another signal, before or during the drain, ends it at once."""
        return ensureDeferred(self._stop())

    async def _stop(self) -> None:
        await super().stopService()  # type: ignore[no-untyped-call]
        await self._watchers.stopService()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _watch_signals(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            handler = signal.getsignal(number)
            if callable(handler):
                self._handlers[number] = handler
                signal.signal(number, self._signalled)
        if self._reply_service.reloadable and hasattr(signal, "SIGHUP"):
            signal.signal(signal.SIGHUP, lambda *_: self._reactor.callFromThread(self._reply_service.reload))
            # The supervisor starts a worker with SIGHUP blocked.
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGHUP])

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        """Call the reactor's handler, which stops it; if it is stopping already, end the drain."""
        if self._stopping or not self.running:
            self._reactor.callFromThread(self._reply_service.skip_drain)
        else:
            self._stopping = True
            self._handlers[number](number, frame)
