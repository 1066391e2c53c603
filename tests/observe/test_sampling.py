"""The sampling clock, and the service times that a server reports with it."""

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from echoreply.net.listener import Listener
from echoreply.observe.sampling import SAMPLES, WINDOW, SamplingClock
from echoreply.protocol import ReplyFactory, ReplyProtocol
from tests.support.fake_transports import TCPStringTransport
from tests.support.memory_observer import Memory


class SamplingClockTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.now = 50.0
        self.sampling_clock = SamplingClock(self.clock, lambda: self.now)

    def test_readings_are_limited_in_each_window(self) -> None:
        for _ in range(3):
            self.assertEqual([self.sampling_clock.sample() for _ in range(SAMPLES)], [self.now] * SAMPLES)
            self.assertEqual(self.sampling_clock.remaining, 0)
            self.clock.advance(WINDOW)
            self.assertEqual(self.sampling_clock.remaining, SAMPLES)

    def test_without_readings_there_is_no_timer(self) -> None:
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.sampling_clock.sample()
        self.clock.advance(WINDOW)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class TimedTests(SynchronousTestCase):
    """The service times that a server reports."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.now = 50.0
        self.observer = Memory()
        sampling_clock = SamplingClock(self.clock, lambda: self.now)
        self.factory = ReplyFactory(self.clock, pause=0.25, observers=[self.observer], sampling_clock=sampling_clock)
        protocol = self.factory.build(None, Listener())
        assert isinstance(protocol, ReplyProtocol)
        self.protocol = protocol
        self.transport = TCPStringTransport(protocol)
        protocol.makeConnection(self.transport)

    def test_messages_are_timed_from_the_read_that_completed_them(self) -> None:
        self.protocol.dataReceived(b"a\nb\nc")
        self.now += 9
        self.protocol.dataReceived(b"\n")
        self.assertEqual(self.observer.times, [(2, 0.0), (1, 0.0)])

    def test_waiting_for_a_slow_reader_counts_in_the_service_time(self) -> None:
        self.protocol.pauseProducing()
        self.protocol.dataReceived(b"a\n")
        self.now += 3
        self.protocol.resumeProducing()
        self.assertEqual(self.observer.times, [(1, 3.0)])

    def test_the_pause_that_ends_a_message_does_not_count_in_its_service_time(self) -> None:
        self.protocol.dataReceived(b"a")
        self.now += 0.25
        self.clock.advance(0.25)
        self.assertEqual(self.observer.times, [(1, 0.0)])

    def test_messages_beyond_the_sample_are_not_timed(self) -> None:
        for _ in range(SAMPLES - 1):
            self.protocol.dataReceived(b"a\n")
        self.protocol.dataReceived(b"b")
        self.now += 9
        self.protocol.dataReceived(b"\n")
        self.assertEqual(self.observer.times, [(1, 0.0)] * (SAMPLES - 1))
        self.clock.advance(WINDOW)
        self.protocol.dataReceived(b"c\n")
        self.assertEqual(self.observer.times[SAMPLES - 1 :], [(1, 0.0)])

    def test_connections_know_when_they_were_accepted_and_heard_of(self) -> None:
        self.now += 2
        self.protocol.dataReceived(b"a\n")
        self.assertEqual((self.protocol.connection.opened, self.protocol.connection.heard), (50.0, 52.0))

    def test_without_a_sampling_clock_nothing_is_timed(self) -> None:
        factory = ReplyFactory(self.clock, observers=[self.observer])
        protocol = factory.buildProtocol(None)
        assert isinstance(protocol, ReplyProtocol)
        protocol.makeConnection(TCPStringTransport(protocol))
        protocol.dataReceived(b"a\n")
        self.assertEqual(self.observer.times, [])
        self.assertEqual((protocol.connection.opened, protocol.connection.heard), (0.0, 0.0))
