"""One-shot timers: the reactor's, and one of Linux on a real descriptor."""

from __future__ import annotations

import select
import sys
from unittest import skipUnless

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from echoreply.measure.precise_timer import ReactorTimer, TimerfdTimer, precise_timer

PATIENCE = 60_000
"""Milliseconds."""


class TimerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.calls = 0

    def call(self) -> None:
        self.calls += 1

    def test_it_calls_back_once(self) -> None:
        clock = Clock()
        timer = precise_timer(clock, self.call)
        self.assertIsInstance(timer, ReactorTimer)
        timer.set(1.0)
        timer.set(0.1)
        clock.advance(0.5)
        self.assertEqual((self.calls, timer.armed), (0, True))
        clock.advance(0.5)
        self.assertEqual((self.calls, timer.armed), (1, False))
        timer.set(-1.0)
        clock.advance(0)
        self.assertEqual(self.calls, 2)

    def test_stopped_it_does_not(self) -> None:
        clock = Clock()
        timer = ReactorTimer(clock, self.call)
        timer.stop()
        timer.set(1.0)
        timer.stop()
        self.assertEqual((clock.getDelayedCalls(), timer.armed), ([], False))

    @skipUnless(sys.platform == "linux", "there is no timerfd_create")
    def test_the_precise_one_calls_back_when_its_descriptor_can_be_read(self) -> None:
        reactor = MemoryReactorClock()
        timer = precise_timer(reactor, self.call)
        assert isinstance(timer, TimerfdTimer)
        self.addCleanup(timer.stop)
        verifyObject(IReadDescriptor, timer)
        self.assertEqual(reactor.getReaders(), [timer])
        poll = select.poll()
        poll.register(timer, select.POLLIN)
        timer.doRead()
        self.assertEqual(self.calls, 0, "it is not set")
        for seconds in (0.001, 0.0, -1.0):
            timer.set(seconds)
            timer.set(1e6)
            self.assertTrue(timer.armed)
            self.assertTrue(poll.poll(PATIENCE))
            before = self.calls
            timer.doRead()
            self.assertEqual((self.calls, timer.armed), (before + 1, False))

    @skipUnless(sys.platform == "linux", "there is no timerfd_create")
    def test_the_precise_one_goes_when_it_is_stopped(self) -> None:
        reactor = MemoryReactorClock()
        timer = TimerfdTimer(reactor, self.call)
        timer.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(timer.logPrefix(), "timer")
        timer.stop()
        timer.stop()
        self.assertEqual((reactor.getReaders(), timer.fileno()), ([], -1))

    def test_a_system_without_the_precise_one_has_the_other(self) -> None:
        self.patch(sys, "platform", "darwin")
        self.assertIsInstance(precise_timer(MemoryReactorClock(), self.call), ReactorTimer)
