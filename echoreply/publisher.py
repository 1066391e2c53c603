"""One observer that is several, and that no fault of theirs can harm."""

from __future__ import annotations

from collections.abc import Iterable

from twisted.internet.interfaces import IAddress
from twisted.logger import Logger
from zope.interface import implementer

from echoreply.framing import Block
from echoreply.observer import Connection, Counts, IReplyObserver
from echoreply.reasons import CloseReason

_log = Logger("echoreply")


@implementer(IReplyObserver)
class Publisher:
    """
    Tells several observers. One that raises an exception harms neither the others nor the server.

    The first fault of each is logged, with its traceback, since a fault that is met at every message would fill the
    log with itself.
    """

    def __init__(self, observers: Iterable[IReplyObserver]) -> None:
        self._observers = list(observers)
        self._faulty: list[IReplyObserver] = []

    def listening(self, host: IAddress) -> None:
        self._tell("listening", host)

    def refused(self, connection: Connection, reason: CloseReason) -> None:
        self._tell("refused", connection, reason)

    def opened(self, connection: Connection) -> None:
        self._tell("opened", connection)

    def answered(self, connection: Connection, messages: Block) -> None:
        self._tell("answered", connection, messages)

    def closed(self, connection: Connection, reason: CloseReason) -> None:
        self._tell("closed", connection, reason)

    def stopped(self, counts: Counts) -> None:
        self._tell("stopped", counts)

    def _tell(self, event: str, *facts: object) -> None:
        for observer in self._observers:
            try:
                getattr(observer, event)(*facts)
            except Exception:
                if observer not in self._faulty:
                    self._faulty.append(observer)
                    _log.failure(
                        "a fault in {observer}, of which no more will be logged", observer=type(observer).__name__
                    )
