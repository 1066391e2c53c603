"""The producers of native transports: when they are paused, resumed and asked for more."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.support.fake_event_loop import HalfCloseable, Stage


class Counting(HalfCloseable):
    """A producer that counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def pauseProducing(self) -> None:
        self.calls.append("pause")

    def resumeProducing(self) -> None:
        self.calls.append("resume")

    def stopProducing(self) -> None:
        self.calls.append("stop")


def registered(*, streaming: bool) -> tuple[Stage, Counting]:
    stage = Stage(producer := Counting())
    stage.transport.registerProducer(producer, streaming)  # type: ignore[arg-type]
    return stage, producer


class PushTests(SynchronousTestCase):
    def test_a_producer_is_paused_at_every_write_while_there_is_no_room_and_resumed_once(self) -> None:
        stage, producer = registered(streaming=True)
        stage.transport.write(b"data")
        self.assertEqual(producer.calls, [])
        stage.happen("full")
        stage.transport.write(b"data")
        stage.happen("room")
        stage.happen("room")
        self.assertEqual(producer.calls, ["pause", "pause", "resume"])
        stage.socket.close()

    def test_a_connection_is_closed_once_its_paused_producer_has_been_resumed(self) -> None:
        stage, _ = registered(streaming=True)
        stage.happen("full")
        stage.transport.loseConnection()
        stage.loop.turn()
        self.assertNotIn("close", stage.native.calls)
        stage.happen("room")
        stage.happen("room")
        stage.loop.turn()
        self.assertIn("close", stage.native.calls)
        stage.socket.close()


class PullTests(SynchronousTestCase):
    def test_a_producer_is_asked_once_a_turn_however_much_is_written(self) -> None:
        stage, producer = registered(streaming=False)
        for _ in range(3):
            stage.transport.write(b"data")
        self.assertEqual(producer.calls, ["resume"])
        stage.loop.turn()
        stage.loop.turn()
        self.assertEqual(producer.calls, ["resume", "resume"])
        stage.socket.close()

    def test_a_producer_is_not_asked_while_there_is_no_room_or_once_another_is_registered(self) -> None:
        stage, producer = registered(streaming=False)
        stage.transport.pause_writing()
        stage.loop.turn()
        self.assertEqual(producer.calls, ["resume"])
        stage.transport.resume_writing()
        self.assertEqual(producer.calls, ["resume", "resume"])
        stage.transport.write(b"data")
        stage.transport.unregisterProducer()
        stage.transport.registerProducer(other := Counting(), False)  # type: ignore[arg-type]
        stage.loop.turn()
        self.assertEqual((producer.calls, other.calls), (["resume", "resume"], ["resume", "resume"]))
        stage.socket.close()

    def test_a_producer_is_not_asked_once_the_connection_is_cut(self) -> None:
        def fail() -> None:
            raise ZeroDivisionError

        for cut in ("abort", "fail"):
            stage, producer = registered(streaming=False)
            producer.in_callback = stage.transport.abortConnection if cut == "abort" else fail
            stage.happen("data")
            stage.loop.turn()
            self.assertEqual(producer.calls, ["resume"])
            stage.socket.close()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
