"""The lag of an event loop."""

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from echoreply.observe.loop_lag import INTERVAL, LoopLag


class LoopLagTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.lags: list[float] = []
        self.service = LoopLag(self.clock, self.clock.seconds, self.lags.append)

    def test_it_records_how_late_the_timer_fires(self) -> None:
        self.service.startService()
        for late in (0.0, 0.25, 0.0):
            self.clock.advance(INTERVAL + late)
        self.assertEqual([round(lag, 6) for lag in self.lags], [0.0, 0.25, 0.0])
        self.service.stopService()

    def test_stopping_leaves_no_timer(self) -> None:
        self.service.startService()
        self.service.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])
