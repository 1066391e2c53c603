"""A timer that can be restarted and stopped."""

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from echoreply.net.timer import Timer


class TimerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.expired: list[float] = []
        self.timer = Timer(self.clock, 2.0, lambda: self.expired.append(self.clock.seconds()))

    def test_the_timer_expires_once(self) -> None:
        self.timer.start()
        self.clock.advance(1.9)
        self.assertEqual(self.expired, [])
        self.clock.pump([0.1, 5])
        self.assertEqual(self.expired, [2.0])

    def test_starting_again_restarts_the_timer(self) -> None:
        self.timer.start()
        self.clock.advance(1.9)
        self.timer.start()
        self.clock.advance(1.9)
        self.assertEqual(self.expired, [])
        self.clock.advance(0.1)
        self.assertEqual(len(self.expired), 1)

    def test_a_stopped_timer_does_not_expire(self) -> None:
        self.timer.stop()
        self.timer.start()
        self.timer.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_an_expired_timer_can_be_started_again(self) -> None:
        self.timer.start()
        self.clock.advance(2)
        self.timer.start()
        self.clock.advance(2)
        self.assertEqual(self.expired, [2.0, 4.0])
