"""The process that twistd runs: what it says if it can't start, and the signals that end it."""

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
def report_start_errors() -> Iterator[None]:
    """
    Let Python say in one line why it can't start. For twistd only, since this speaks for the whole process.

    @raise CannotStart: twistd passes it on, having removed its pid file and, if it is a daemon, told the process that
        waits for it to start.
    """
    try:
        yield
    except CannotStart:
        sys.tracebacklimit = 0
        sys.excepthook = _print_start_error
        raise


def _print_start_error(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """Print an error that the user can correct without the names of Python, and any other as Python does."""
    if isinstance(error, CannotStart):
        print(f"twistd echoreply: {error}", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, traceback)


class SignalledService(Protocol):
    """A service that can be told what signals mean: not to wait when it stops, and to read its files again."""

    def setServiceParent(self, parent: object) -> object:
        """As L{twisted.application.service.IService} has it."""

    def hurry(self) -> None:
        """Wait for no client: now, if it is stopping, or when it will."""

    @property
    def reloadable(self) -> bool:
        """Whether there are files that can be read again."""

    def reload(self) -> None:
        """Read them again."""


class TwistdService(MultiService):
    """
    The service as twistd runs it, which ends by signals.

    @param reply_service: the server.
    @param watchers: what starts after it, and stops once it has stopped.
    @param log_observer: makes what is to write the log, in place of twistd's own.
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
        self._stops = False
        reply_service.setServiceParent(self)

    def setServiceParent(self, parent: Componentized) -> None:
        """Become part of the application, which is where twistd then looks for what writes its log."""
        super().setServiceParent(parent)  # type: ignore[no-untyped-call]
        if self._log_observer:
            parent.setComponent(ILogObserver, self._log_observer())

    def privilegedStartService(self) -> None:
        """
        Start what needs privileges.

        @raise CannotStart: see L{report_start_errors}.
        """
        with report_start_errors():
            super().privilegedStartService()  # type: ignore[no-untyped-call]
            self._watchers.privilegedStartService()

    def startService(self) -> None:
        """
        Start, and watch for signals once the reactor does.

        @raise CannotStart: see L{report_start_errors}.
        """
        with report_start_errors():
            super().startService()  # type: ignore[no-untyped-call]
            self._watchers.startService()
        self._reactor.callWhenRunning(self._watch_signals)

    def stopService(self) -> Deferred[None]:
        """Let the clients go; another signal, before or while that takes its time, ends it now."""
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
            # A worker has it held back until now.
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGHUP])

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        """Have the reactor stop, as by the handler that it has for the signal, or if it is to, have it stop now."""
        if self._stops:
            self._reactor.callFromThread(self._reply_service.hurry)
        else:
            self._stops = True
            self._handlers[number](number, frame)
