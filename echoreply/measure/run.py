"""A run: its connections, its clock, and its end."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from attrs import frozen
from twisted.internet import error
from twisted.internet.defer import Deferred, FirstError, ensureDeferred, gatherResults
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from echoreply.measure.load import Load, LoadFactory, Told
from echoreply.measure.recording import Recording, Wrong
from echoreply.measure.result import Result
from echoreply.measure.schedule import Schedule

OPENING = 32
"""Connections that are made at once, at most: fewer than wait in any server's queue."""

TICK = 0.1
"""Seconds between two looks at how it goes."""

TICKS_A_TURN = 10
"""Of these, how many there are to a turn of L{Load.give_up}."""

DRAIN = 5.0
"""
Seconds for the replies that are still awaited when all is asked. When a person ends the run, those that have waited for
less are still on their way, and so are those that have waited for no longer than some reply took.
"""

FAREWELL = 1.0
"""Seconds for the connections to close."""


@frozen
class Plan:
    """
    What is to be done.

    @ivar depth: messages of one connection that are on their way at once, at most.
    @ivar size: bytes in a message, with its LF.
    @ivar prefix: what is before a message in its reply; None if any reply is right.
    @ivar duration: seconds after which nothing more is asked; None for the schedule's end.
    @ivar datagrams: whether each read is a reply.
    @ivar connect_timeout: seconds to connect.
    """

    schedule: Schedule
    connections: int
    depth: int
    size: int
    prefix: bytes | None
    duration: float | None
    datagrams: bool
    connect_timeout: float


class Run:
    """
    Connects, asks, and counts.

    @param reactor: where time comes from.
    @param endpoint: takes a connection to the server.
    @param told: is called with the number and the time, in seconds, of each reply that is right.
    @param wrong: is called with each reply that is not.
    @param progress: is called now and then, with the seconds since the beginning, and what has been recorded.
    @param cpu: gives the seconds of CPU time that this process has used.
    @ivar begun: whether all connections have been made.
    @ivar failure: why a connection was lost, if one was.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        endpoint: IStreamClientEndpoint,
        plan: Plan,
        *,
        told: Told | None = None,
        wrong: Callable[[Wrong], object] = lambda _: None,
        progress: Callable[[float, Recording], object] = lambda _seconds, _recording: None,
        cpu: Callable[[], float] = time.process_time,
    ) -> None:
        self._reactor = reactor
        self._endpoint = endpoint
        self._plan = plan
        self._progress = progress
        self._cpu = cpu
        self._recording = Recording()
        self._load = Load(reactor, plan.schedule, self._recording, plan.depth, told, wrong)
        self._load.lost = self._lost
        self._load.answered = self._end
        self._ended: Deferred[None] = Deferred()
        self._interrupted = False
        self._asked: float | None = None
        self._ticks = 0
        self._closed = 0
        self._leaving = False
        self._left: Deferred[None] = Deferred()
        self.begun = False
        self.failure: Failure | None = None

    async def connect(self) -> None:
        """
        Make the connections.

        @raise Exception: one could not be made, and how L{IStreamClientEndpoint} says so.
        """
        plan, numbers = self._plan, iter(range(self._plan.connections))
        factory = LoadFactory(self._load, plan.size, plan.prefix, whole=plan.datagrams)

        async def connect_one_after_other() -> None:
            for _ in numbers:
                connecting = self._endpoint.connect(factory)
                connecting.addTimeout(plan.connect_timeout, self._reactor, _timed_out)
                await connecting

        several = [ensureDeferred(connect_one_after_other()) for _ in range(min(OPENING, plan.connections))]
        try:
            await gatherResults(several, consumeErrors=True)
        except FirstError as first:
            first.subFailure.raiseException()

    async def measure(self, target: str, settings: dict[str, Any]) -> Result:
        """
        Ask, until all is asked and answered, a person ends it, or a connection is lost; then close the connections.

        @param target: says where the server is, for people.
        @param settings: are noted in the result.
        """
        began = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._begun = self._reactor.seconds()
        self._used = self._cpu()
        self.begun = True
        clock = LoopingCall(self._tick)
        clock.clock = self._reactor
        end = None
        if not self.failure:
            self._load.begin()
            clock.start(TICK, now=False)
            if self._plan.duration is not None:
                end = self._reactor.callLater(self._plan.duration, self._time_is_up)
            await self._ended
            clock.stop()
            if end and end.active():
                end.cancel()
        self._stop_asking()
        result = self._result(target, began, settings)
        await self._leave()
        return result

    def interrupt(self) -> None:
        """End it now, since a person wants that."""
        self._interrupted = True
        self._end()

    # What happens meanwhile.

    def _tick(self) -> None:
        seconds = self._reactor.seconds() - self._begun
        self._recording.sample(seconds)
        self._progress(seconds, self._recording)
        self._ticks += 1
        if self._plan.schedule.over:
            self._stop_asking()
        if self._ticks % TICKS_A_TURN == 0:
            self._load.give_up()

    def _time_is_up(self) -> None:
        # What has become due in this very moment is still asked.
        self._load.ask_due()
        self._stop_asking()

    def _stop_asking(self) -> None:
        """Ask no more, and wait for what is still to come, but not for ever."""
        if self._asked is None:
            self._asked = self._reactor.seconds()
            self._used = self._cpu() - self._used
            self._drain = self._reactor.callLater(DRAIN, self._end)
            self._load.close()

    def _end(self) -> None:
        if not self._ended.called:
            self._ended.callback(None)

    def _lost(self, failure: Failure) -> None:
        """Take note that a connection is lost: what the others would still measure is not what was asked for."""
        self._closed += 1
        if not self._leaving:
            self.failure = self.failure or failure
            self._end()
        elif self._closed == len(self._load.connections) and not self._left.called:
            self._left.callback(None)

    # How it ends.

    def _result(self, target: str, began: str, settings: dict[str, Any]) -> Result:
        recording, plan = self._recording, self._plan
        now = self._reactor.seconds()
        asked = now if self._asked is None else self._asked
        seconds = max(asked, recording.last) - self._begun
        histogram = recording.histogram()
        since = None
        if self._interrupted:
            since = now - max(DRAIN, histogram.get_max_value() / 1e6)
        connections = self._load.connections
        on_their_way = sum(connection.end(since) for connection in connections)
        lost = [connection.first_lost for connection in connections if connection.first_lost]
        return Result(
            target=target,
            began=began,
            settings=settings,
            seconds=seconds,
            sent=plan.schedule.taken,
            answered=recording.answered,
            lost=sum(connection.lost for connection in connections),
            wrong=recording.wrong,
            on_their_way=on_their_way,
            unsent=plan.schedule.untaken,
            cpu=self._used / (asked - self._begun) if asked > self._begun else 0.0,
            histogram=histogram,
            throughput=[*recording.samples, (round(seconds, 6), recording.answered)],
            first_wrong=recording.first_wrong,
            first_lost=min(lost)[1] if lost else None,
        )

    async def _leave(self) -> None:
        """Close the connections, and wait until they are, but not for ever."""
        if self._drain.active():
            self._drain.cancel()
        self._leaving = True
        if self._closed == len(self._load.connections):
            return
        patience = self._reactor.callLater(FAREWELL, self._left.callback, None)
        for connection in self._load.connections:
            connection.transport.loseConnection()
        await self._left
        if patience.active():
            patience.cancel()


def _timed_out(_value: object, _timeout: float) -> Failure:
    """Say that there was no answer in time, as Twisted's endpoints do."""
    return Failure(error.TimeoutError())
