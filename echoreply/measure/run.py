"""A run of the load tester: it makes the connections, starts and stops sending, and waits for the last replies."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Any

from twisted.internet import error
from twisted.internet.defer import Deferred, FirstError, ensureDeferred, gatherResults
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from echoreply.core.state_machine import StateMachine, Transitions, strict
from echoreply.measure.connection import LoadFactory
from echoreply.measure.load import Load, ReplyCallback
from echoreply.measure.measurements import Measurements, WrongReply
from echoreply.measure.plan import Plan
from echoreply.measure.result import Result

MAX_CONNECTING = 32
"""Maximum connections that are made at the same time: fewer than the listen queue of any server holds."""

TICK = 0.1
"""Seconds between two samples of throughput."""

TICKS_PER_TURN = 10
"""Ticks between two calls of L{Load.free_slots}."""

DRAIN_TIMEOUT = 5.0
"""
Seconds to wait for the remaining replies once all messages have been sent. When the user ends the run, messages that
have waited for less are in flight, not lost; so are those that have waited for no longer than the slowest reply took.
"""

CLOSE_TIMEOUT = 1.0
"""Seconds to wait for the connections to close."""


class RunState(Enum):
    """The state of a run."""

    CONNECTING = auto()
    """Connections are being made."""
    SENDING = auto()
    """Messages are sent when they are due."""
    DRAINING = auto()
    """All messages have been sent; the run waits for the remaining replies."""
    CLOSING = auto()
    """The result is known; connections are closing."""
    CLOSED = auto()


class RunEvent(Enum):
    """An event that changes a L{RunState}."""

    START = auto()
    """All connections have been made."""
    STOP = auto()
    """The schedule or the duration has ended, or the run has to end."""
    END = auto()
    """The wait for replies ends: all have arrived, it timed out, a connection was lost, or the user ends the run."""
    CLOSE = auto()
    """All connections have been closed, or closing timed out."""


RUN: Transitions[RunState, RunEvent] = strict(
    {
        RunState.CONNECTING: {RunEvent.START: RunState.SENDING},
        RunState.SENDING: {RunEvent.STOP: RunState.DRAINING},
        RunState.DRAINING: {RunEvent.END: RunState.CLOSING},
        RunState.CLOSING: {RunEvent.CLOSE: RunState.CLOSED},
        RunState.CLOSED: {},
    }
)


class Run:
    """
    Connects, sends messages, and measures. Its states are those of L{RunState}.

    @param reactor: the reactor, or another source of time.
    @param endpoint: connects to the server.
    @param on_reply: called with the number and the latency, in seconds, of each correct reply.
    @param on_wrong_reply: called with each wrong reply.
    @param progress: called every L{TICK} with the seconds since the start and the measurements.
    @param cpu: returns the seconds of CPU time that this process has used.
    @ivar failure: why a connection was lost; C{None} if none was. A lost connection ends the run.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        endpoint: IStreamClientEndpoint,
        plan: Plan,
        *,
        on_reply: ReplyCallback | None = None,
        on_wrong_reply: Callable[[WrongReply], object] = lambda _: None,
        progress: Callable[[float, Measurements], object] = lambda _seconds, _measurements: None,
        cpu: Callable[[], float] = time.process_time,
    ) -> None:
        self._reactor = reactor
        self._endpoint = endpoint
        self._plan = plan
        self._progress = progress
        self._cpu = cpu
        self._measurements = Measurements()
        self._load = Load(reactor, plan.schedule, self._measurements, plan.depth, on_reply, on_wrong_reply)
        self._load.on_connection_lost = self._connection_lost
        self._load.on_complete = self._end
        self._machine = StateMachine(RUN, RunState.CONNECTING)
        self._interrupted = False
        self._ended: Deferred[None] = Deferred()
        self._closed: Deferred[None] = Deferred()
        self._ticks = 0
        self._lost_connections = 0
        self.failure: Failure | None = None

    @property
    def state(self) -> RunState:
        """The current state."""
        return self._machine.state

    async def connect(self) -> None:
        """
        Establish the connections.

        @raise Exception: a connection failed, with the exceptions of L{IStreamClientEndpoint}.
        """
        plan, numbers = self._plan, iter(range(self._plan.connections))
        factory = LoadFactory(self._load, plan.size, plan.prefix, whole=plan.datagrams)

        async def connect_in_turn() -> None:
            for _ in numbers:
                connecting = self._endpoint.connect(factory)
                connecting.addTimeout(plan.connect_timeout, self._reactor, _timed_out)
                await connecting

        several = [ensureDeferred(connect_in_turn()) for _ in range(min(MAX_CONNECTING, plan.connections))]
        try:
            await gatherResults(several, consumeErrors=True)
        except FirstError as first:
            first.subFailure.raiseException()

    async def measure(self, target: str, settings: dict[str, Any]) -> Result:
        """
        Send until the plan ends, the user interrupts, or a connection is lost; then close the connections.

        @param target: the address of the server, for the result.
        @param settings: the options, for the result.
        """
        began = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._started_at = self._reactor.seconds()
        self._cpu_used = self._cpu()
        self._machine.process(RunEvent.START)
        ticker = LoopingCall(self._tick)
        ticker.clock = self._reactor
        stop = None
        if self.failure:
            self._end()
        else:
            self._load.start()
            ticker.start(TICK, now=False)
            if self._plan.duration is not None:
                stop = self._reactor.callLater(self._plan.duration, self._duration_over)
        await self._ended
        if ticker.running:
            ticker.stop()
        if stop and stop.active():
            stop.cancel()
        result = self._result(target, began, settings)
        await self._close()
        return result

    def interrupt(self) -> None:
        """End the run at the user's request. This has no effect before the run starts and after it ends."""
        self._interrupted = True
        self._end()

    # While it runs.

    def _tick(self) -> None:
        seconds = self._reactor.seconds() - self._started_at
        self._measurements.sample(seconds)
        self._progress(seconds, self._measurements)
        self._ticks += 1
        if self._plan.schedule.over:
            self._stop_sending()
        if self._ticks % TICKS_PER_TURN == 0:
            self._load.free_slots()

    def _duration_over(self) -> None:
        # Messages that became due up to this moment are still sent.
        self._load.send_due()
        self._stop_sending()

    def _stop_sending(self) -> None:
        """Stop sending, and wait up to L{DRAIN_TIMEOUT} for the remaining replies."""
        if self.state is not RunState.SENDING:
            return
        self._machine.process(RunEvent.STOP)
        self._stopped_at = self._reactor.seconds()
        self._cpu_used = self._cpu() - self._cpu_used
        self._drain = self._reactor.callLater(DRAIN_TIMEOUT, self._end)
        self._load.stop()

    def _end(self) -> None:
        """Stop sending, and stop waiting for replies."""
        self._stop_sending()
        if self.state is RunState.DRAINING:
            self._machine.process(RunEvent.END)
            self._ended.callback(None)

    def _connection_lost(self, failure: Failure) -> None:
        """End the run: with fewer connections it would not measure the load that was requested."""
        self._lost_connections += 1
        if self.state in (RunState.CLOSING, RunState.CLOSED):
            self._check_closed()
        else:
            self.failure = self.failure or failure
            self._end()

    # When it ends.

    def _result(self, target: str, began: str, settings: dict[str, Any]) -> Result:
        measurements, plan = self._measurements, self._plan
        now, sending = self._reactor.seconds(), self._stopped_at - self._started_at
        seconds = max(self._stopped_at, measurements.last_reply) - self._started_at
        histogram = measurements.histogram()
        since = None
        if self._interrupted:
            since = now - max(DRAIN_TIMEOUT, histogram.get_max_value() / 1e6)
        connections = self._load.connections
        in_flight = sum(connection.finish(since) for connection in connections)
        lost = [connection.first_lost for connection in connections if connection.first_lost]
        return Result(
            target=target,
            began=began,
            settings=settings,
            seconds=seconds,
            sent=plan.schedule.taken,
            answered=measurements.answered,
            lost=sum(connection.lost for connection in connections),
            wrong=measurements.wrong,
            in_flight=in_flight,
            unsent=plan.schedule.untaken,
            cpu=self._cpu_used / sending if sending > 0 else 0.0,
            histogram=histogram,
            throughput=[*measurements.samples, (round(seconds, 6), measurements.answered)],
            first_wrong=measurements.first_wrong,
            first_lost=min(lost)[1] if lost else None,
        )

    async def _close(self) -> None:
        """Close the connections, and wait for them up to L{CLOSE_TIMEOUT}."""
        if self._drain.active():
            self._drain.cancel()
        timeout = self._reactor.callLater(CLOSE_TIMEOUT, self._all_closed)
        for connection in self._load.connections:
            connection.transport.loseConnection()
        self._check_closed()
        await self._closed
        if timeout.active():
            timeout.cancel()

    def _check_closed(self) -> None:
        if self._lost_connections == len(self._load.connections):
            self._all_closed()

    def _all_closed(self) -> None:
        if self.state is RunState.CLOSING:
            self._machine.process(RunEvent.CLOSE)
            self._closed.callback(None)


def _timed_out(_value: object, _timeout: float) -> Failure:
    """Return the failure with which Twisted's endpoints report that there was no answer in time."""
    return Failure(error.TimeoutError())
