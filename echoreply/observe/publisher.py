"""One observer that is several, and that no fault of theirs can harm."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.interfaces import IAddress
from zope.interface import implementer

from echoreply.core.connection_info import TLSDetails
from echoreply.core.framing import Block
from echoreply.core.reasons import DropReason, EndReason, RefusalReason
from echoreply.net.listener import Layer, Listener
from echoreply.observe.events import ObserverFault, tell
from echoreply.observe.observer import Connection, IReplyObserver, NoObserver, Peer
from echoreply.observe.totals import Totals


@implementer(IReplyObserver)
class Publisher:
    """
    Tells several observers. One that raises an exception harms neither the others nor the server.

    The first fault of each is logged, with its traceback, since a fault that is met at every message would fill the
    log with itself.
    """

    def __init__(self, observers: Iterable[IReplyObserver]) -> None:
        self._observers = list(observers)
        self._faulty: list[object] = []
        self._listeners = {event: self._who_hear(event) for event in IReplyObserver.names()}
        self._answered = self._listeners["answered"]

    def listening(self, listener: Listener) -> None:
        self._tell("listening", listener)

    def failed(self, listener: Listener, peer: IAddress, layer: Layer, why: str) -> None:
        self._tell("failed", listener, peer, layer, why)

    def refused(self, listener: Listener, peer: IAddress, reason: RefusalReason) -> None:
        self._tell("refused", listener, peer, reason)

    def opened(self, connection: Connection) -> None:
        self._tell("opened", connection)

    def secured(self, connection: Connection, details: TLSDetails) -> None:
        self._tell("secured", connection, details)

    def answered(self, connection: Connection, messages: Block) -> None:
        # Unrolled, since it is every message's: what _tell does.
        for observer, hear in self._answered:
            try:
                hear(connection, messages)
            except Exception:
                self._found_faulty(observer)

    def closed(self, connection: Connection, reason: EndReason) -> None:
        self._tell("closed", connection, reason)

    def answered_datagram(self, listener: Listener, peer: Peer, message: bytes, sent: int) -> None:
        self._tell("answered_datagram", listener, peer, message, sent)

    def timed(self, listener: Listener, messages: int, seconds: float) -> None:
        self._tell("timed", listener, messages, seconds)

    def dropped(self, listener: Listener, peer: Peer, message: bytes, reason: DropReason) -> None:
        self._tell("dropped", listener, peer, message, reason)

    def stopping(self) -> None:
        self._tell("stopping")

    def stopped(self, totals: Totals) -> None:
        self._tell("stopped", totals)

    def _who_hear(self, event: str) -> list[tuple[object, Callable[..., object]]]:
        """Give the observers that do not ignore an event, each with its method for it."""
        ignore = getattr(NoObserver, event)
        return [
            (observer, getattr(observer, event))
            for observer in self._observers
            if getattr(type(observer), event, None) is not ignore
        ]

    def _tell(self, event: str, *facts: Any) -> None:  # noqa: ANN401
        for observer, hear in self._listeners[event]:
            try:
                hear(*facts)
            except Exception:
                self._found_faulty(observer)

    def _found_faulty(self, observer: object) -> None:
        if observer not in self._faulty:
            self._faulty.append(observer)
            tell(ObserverFault(observer=type(observer).__name__))
