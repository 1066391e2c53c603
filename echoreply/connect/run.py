"""Running the reactor for a command, until its main coroutine has returned an exit status, or a signal ends it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import ensureDeferred
from twisted.logger import Logger

from echoreply.connect.target import IClientReactor


def status_of_signal(number: int) -> int:
    """Return the exit status that a shell reports for a process ended by a signal."""
    return 128 + number


def run_reactor(
    reactor: IClientReactor,
    main: Callable[[], Coroutine[Any, Any, int]],
    interrupt: Callable[[int], int | None] = status_of_signal,
) -> int:
    """
    Run the reactor until C{main} has returned the exit status, or a signal ends it.

    @param interrupt: called with the number of a SIGINT or SIGTERM. It returns the status to end with at once, or
        C{None} if C{main} will return soon.
    @return: the exit status; 1 if C{main} has raised an exception, which is logged.
    """
    statuses: list[int] = []

    def end(status: int) -> None:
        statuses.append(status)
        # Skips the shutdown events: there is nothing left to wait for.
        reactor.crash()

    def interrupted(number: int) -> None:
        status = interrupt(number)
        if status is not None:
            end(status)

    def signalled(number: int, _frame: object) -> None:
        reactor.callFromThread(interrupted, number)

    async def run() -> None:
        try:
            status = await main()
        except Exception:
            Logger("echoreply").failure("internal error")
            status = 1
        end(status)

    def started() -> None:
        # Twisted installs its own handler for SIGTERM when it starts.
        signal.signal(signal.SIGTERM, signalled)
        ensureDeferred(run())

    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signalled)
    reactor.callWhenRunning(started)
    reactor.run()
    return statuses[0] if statuses else status_of_signal(signal.SIGTERM)
