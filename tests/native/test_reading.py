"""The reading side of native transports: pauses, the end of input, and the size of reads."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from echoreply.native.reading import SMALL_READS, BoundedReads
from tests.support.fake_event_loop import HalfCloseable, Stage


class ReadingTests(SynchronousTestCase):
    @given(st.lists(st.sampled_from(["data", "end", "pause", "resume", "deliver"]), max_size=30))
    def test_nothing_is_lost_or_passed_on_during_a_pause_and_the_end_comes_last(self, events: list[str]) -> None:
        stage, sent, paused, ended = Stage(protocol := HalfCloseable()), b"", False, False
        for event in events:
            if event in ("data", "end") and ended:
                continue
            before = len(protocol.received), protocol.ended
            stage.happen(event)
            sent += b"data" if event == "data" else b""
            ended = ended or event == "end"
            paused = event == "pause" or (paused and event != "resume")
            if paused:
                self.assertEqual((len(protocol.received), protocol.ended), before)
            self.assertTrue(sent.startswith(protocol.received))
            self.assertFalse(protocol.ended and protocol.received != sent)
        stage.happen("resume")
        stage.loop.turn()
        self.assertEqual((protocol.received, protocol.ended), (sent, ended))
        self.assertTrue(stage.native.reading or ended)
        stage.socket.close()

    def test_what_is_read_after_the_connection_is_closed_is_discarded(self) -> None:
        stage = Stage(protocol := HalfCloseable())
        for event in ("pause", "data", "stop", "data", "end", "resume", "deliver"):
            stage.happen(event)
            if event == "stop":
                self.assertEqual(stage.transport._reading._held, b"")
        self.assertEqual((protocol.received, protocol.ended, stage.native.reading), (b"", False, False))
        self.assertEqual(stage.transport._reading._held, b"")
        stage.socket.close()

    def test_a_pause_during_the_delivery_of_data_holds_back_the_end(self) -> None:
        stage = Stage(protocol := HalfCloseable())
        protocol.in_callback = stage.transport.pauseProducing
        for event in ("pause", "data", "end", "resume", "deliver"):
            stage.happen(event)
        self.assertEqual((protocol.received, protocol.ended), (b"data", False))
        stage.happen("resume")
        stage.happen("deliver")
        self.assertTrue(protocol.ended)
        stage.socket.close()


class BoundedReadsTests(SynchronousTestCase):
    def read(self, reads: BoundedReads, size: int) -> None:
        buffer = reads.get_buffer(-1)
        buffer[:size] = bytes(size)
        reads.buffer_updated(size)

    def test_reads_are_bounded_until_several_were_small_and_after_one_too_long(self) -> None:
        stage = Stage(HalfCloseable(), attached=False)
        stage.transport.bufferSize = 100
        reads = BoundedReads(stage.transport, SMALL_READS)
        reads.connection_made(stage.native)
        self.assertEqual(len(reads.get_buffer(-1)), 100)
        for _ in range(SMALL_READS - 1):
            self.read(reads, 99)
            self.read(reads, 100)
        self.assertEqual(stage.native.protocols, [])
        self.read(reads, 99)
        self.assertEqual(stage.native.protocols, [stage.transport])
        stage.transport.data_received(bytes(100))
        self.assertEqual(stage.native.protocols, [stage.transport])
        stage.transport.data_received(bytes(101))
        bounded = stage.native.protocols[-1]
        assert isinstance(bounded, BoundedReads)
        for _ in range(10 * SMALL_READS):
            self.read(bounded, 1)
        self.assertEqual(stage.native.protocols, [stage.transport, bounded])
        stage.socket.close()

    def test_a_transport_s_buffer_has_the_size_that_the_protocol_wants_and_is_shared(self) -> None:
        stage = Stage(HalfCloseable())
        first, second = (BoundedReads(stage.transport, SMALL_READS) for _ in range(2))
        for reads in (first, second):
            reads.allocate()
        self.assertIs(first.get_buffer(-1), second.get_buffer(-1))
        stage.transport.bufferSize = 10
        second.allocate()
        self.assertEqual((len(first.get_buffer(-1)), len(second.get_buffer(-1))), (65536, 10))
        stage.socket.close()
