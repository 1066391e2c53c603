"""The push or pull producer registered with a L{NativeTransport <echoreply.native.transport.NativeTransport>}."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import Literal

from twisted.internet.interfaces import IPullProducer, IPushProducer

from echoreply.native.states import Pull, Push

# Module-level names: looking a member up in its enum takes longer, and every connection may have a producer.
_FLOWING, _PAUSED, _IDLE = Push.FLOWING, Push.PAUSED, Pull.IDLE


class PushProducer:
    """
    A producer that writes until it is paused.

    @ivar pull: distinguishes it from a L{PullProducer}. It is read at every write, and a class attribute is slower.
    """

    __slots__ = ("producer", "pull", "state")

    pull: Literal[False]

    def __init__(self, producer: IPushProducer) -> None:
        self.producer = producer
        self.pull = False
        self.state = _FLOWING

    @property
    def unfinished(self) -> bool:
        """Whether it is paused, so that the connection waits for the rest of its data before it closes."""
        return self.state is _PAUSED

    def pause(self) -> None:
        """Pause the producer, also again if it has written while it was paused."""
        self.state = self.state.after["full"]
        self.producer.pauseProducing()

    def resume(self) -> None:
        """Resume the producer."""
        self.state = self.state.after["room"]
        self.producer.resumeProducing()


class PullProducer:
    """
    A producer that writes once each time that it is asked.

    @ivar pull: distinguishes it from a L{PushProducer}.
    @param loop: the event loop of the transport.
    @param ask: called with this object in the event loop's next turn after C{ask_soon}.
    """

    __slots__ = ("_ask", "_loop", "producer", "pull", "state")

    pull: Literal[True]
    unfinished = True

    def __init__(self, producer: IPullProducer, loop: AbstractEventLoop, ask: Callable[[PullProducer], object]) -> None:
        self.producer = producer
        self.pull = True
        self.state = _IDLE
        self._loop = loop
        self._ask = ask

    def ask_soon(self) -> None:
        """Schedule asking the producer for more, in the event loop's next turn."""
        before, self.state = self.state, self.state.after["ask"]
        if before is _IDLE:
            self._loop.call_soon(self._turn)

    def resume(self) -> None:
        """Ask the producer for more."""
        self.producer.resumeProducing()

    def _turn(self) -> None:
        self.state = self.state.after["turn"]
        self._ask(self)
