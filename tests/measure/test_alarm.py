"""An alarm rings once, when it is time; the precise one, on a real descriptor."""

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

from echoreply.measure.alarm import Alarm, PreciseAlarm, best_alarm

PATIENCE = 60_000
"""Milliseconds."""


class AlarmTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.rung = 0

    def ring(self) -> None:
        self.rung += 1

    def test_it_rings_once(self) -> None:
        clock = Clock()
        alarm = best_alarm(clock, self.ring)
        self.assertIsInstance(alarm, Alarm)
        alarm.set(1.0)
        alarm.set(0.1)
        clock.advance(0.5)
        self.assertEqual((self.rung, alarm.armed), (0, True))
        clock.advance(0.5)
        self.assertEqual((self.rung, alarm.armed), (1, False))
        alarm.set(-1.0)
        clock.advance(0)
        self.assertEqual(self.rung, 2)

    def test_stopped_it_does_not(self) -> None:
        clock = Clock()
        alarm = Alarm(clock, self.ring)
        alarm.stop()
        alarm.set(1.0)
        alarm.stop()
        self.assertEqual((clock.getDelayedCalls(), alarm.armed), ([], False))

    @skipUnless(sys.platform == "linux", "there is no timerfd_create")
    def test_the_precise_one_rings_when_its_descriptor_can_be_read(self) -> None:
        reactor = MemoryReactorClock()
        alarm = best_alarm(reactor, self.ring)
        assert isinstance(alarm, PreciseAlarm)
        self.addCleanup(alarm.stop)
        verifyObject(IReadDescriptor, alarm)
        self.assertEqual(reactor.getReaders(), [alarm])
        poll = select.poll()
        poll.register(alarm, select.POLLIN)
        alarm.doRead()
        self.assertEqual(self.rung, 0, "it is not set")
        for seconds in (0.001, 0.0, -1.0):
            alarm.set(seconds)
            alarm.set(1e6)
            self.assertTrue(alarm.armed)
            self.assertTrue(poll.poll(PATIENCE))
            before = self.rung
            alarm.doRead()
            self.assertEqual((self.rung, alarm.armed), (before + 1, False))

    @skipUnless(sys.platform == "linux", "there is no timerfd_create")
    def test_the_precise_one_goes_when_it_is_stopped(self) -> None:
        reactor = MemoryReactorClock()
        alarm = PreciseAlarm(reactor, self.ring)
        alarm.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(alarm.logPrefix(), "alarm")
        alarm.stop()
        alarm.stop()
        self.assertEqual((reactor.getReaders(), alarm.fileno()), ([], -1))

    def test_a_system_without_the_precise_one_has_the_other(self) -> None:
        self.patch(sys, "platform", "darwin")
        self.assertIsInstance(best_alarm(MemoryReactorClock(), self.ring), Alarm)
