"""Lines that could not be sent yet."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from echoreply.client.line_queue import LineQueue, counted


class LineQueueTests(SynchronousTestCase):
    def test_lines_leave_in_the_order_in_which_they_were_added(self) -> None:
        queue = LineQueue()
        self.assertFalse(queue)
        for line in (b"a\n", b"b\n"):
            queue.add(line)
        self.assertEqual((len(queue), queue.next(), queue.next(), len(queue)), (2, b"a\n", b"b\n", 0))

    def test_the_end_of_the_input_leaves_the_lines(self) -> None:
        queue = LineQueue()
        queue.add(b"a\n")
        queue.ended = True
        self.assertEqual(queue.next(), b"a\n")

    def test_a_number_of_lines_in_words(self) -> None:
        self.assertEqual((counted(1), counted(2)), ("1 line", "2 lines"))
        self.assertEqual((counted(1, "queued"), counted(3, "queued")), ("1 queued line", "3 queued lines"))
