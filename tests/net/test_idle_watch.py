"""How long a connection has made no progress."""

from collections.abc import Callable

from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from echoreply.net import idle_watch as idle_watch_module
from echoreply.net.idle_watch import IdleWatch


class IdleWatchTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.watch = IdleWatch(100.0)
        self.asked = 0
        self.unsent_is(lambda: 0)

    def unsent_is(self, unsent: Callable[[], int]) -> None:
        def ask(_transport: object) -> int:
            self.asked += 1
            return unsent()

        self.patch(idle_watch_module, "unsent", ask)

    def idle(self, now: float, messages: int = 0, sent: int = 0) -> float:
        return self.watch.idle_seconds(now, messages, sent, StringTransport())

    def test_without_progress_idle_time_counts_from_the_connection(self) -> None:
        self.assertEqual([self.idle(now) for now in (100.0, 105.0, 130.0)], [0.0, 5.0, 30.0])

    def test_an_answered_message_is_progress_also_without_a_reply(self) -> None:
        self.assertEqual(self.idle(110, messages=1), 0.0)
        self.assertEqual(self.idle(115, messages=1), 5.0)

    def test_a_written_byte_is_progress(self) -> None:
        self.assertEqual(self.idle(110, messages=1, sent=5), 0.0)
        self.assertEqual(self.idle(120, messages=1, sent=6), 0.0)

    def test_a_byte_that_the_client_takes_is_progress(self) -> None:
        left = [1000]
        self.unsent_is(lambda: left[0])
        self.idle(101, sent=5)
        left[0] = 999
        self.assertEqual(self.idle(110, sent=5), 0.0)
        self.assertEqual(self.idle(120, sent=5), 10.0)

    def test_the_kernel_is_not_asked_again_once_all_bytes_are_taken(self) -> None:
        self.idle(101, sent=5)
        self.idle(102, sent=5)
        asked = self.asked
        self.assertEqual(self.idle(130, sent=5), 29.0)
        self.assertEqual(self.asked, asked)
        self.idle(131, sent=6)
        self.assertEqual(self.asked, asked + 1)
