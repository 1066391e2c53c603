"""Replies matched to lines, and their times."""

from hypothesis import given, strategies
from twisted.trial.unittest import SynchronousTestCase

from echoreply.client.round_trips import Piece, RoundTrips, lines


def times(pieces: list[Piece]) -> list[float | None]:
    return [piece.seconds for piece in pieces]


class RoundTripsTests(SynchronousTestCase):
    def test_replies_are_matched_to_lines_in_order(self) -> None:
        trips = RoundTrips()
        trips.sent(10)
        trips.sent(11)
        self.assertEqual(trips.received(b"a\nb\n", 13), [Piece(b"a\n", True, True, 3), Piece(b"b\n", True, True, 2)])

    def test_a_reply_has_arrived_when_its_first_byte_has(self) -> None:
        trips = RoundTrips()
        trips.sent(10)
        self.assertEqual(trips.received(b"a", 11), [Piece(b"a", True, False, 1)])
        self.assertEqual(trips.received(b"b\n", 15), [Piece(b"b\n", False, True, None)])

    def test_an_unsolicited_reply_has_no_time(self) -> None:
        trips = RoundTrips()
        self.assertEqual(times(trips.received(b"hello\n", 1)), [None])

    def test_surplus_replies_are_matched_to_the_next_lines_or_to_none(self) -> None:
        trips = RoundTrips()
        trips.sent(10)
        trips.sent(11)
        self.assertEqual(times(trips.received(b"1\n2\n3\n", 12)), [2, 1, None])

    def test_a_line_without_a_reply_gets_the_next_one(self) -> None:
        trips = RoundTrips()
        trips.sent(10)
        trips.sent(20)
        self.assertEqual(times(trips.received(b"of the second\n", 21)), [11])
        self.assertEqual(trips.unanswered, 1)

    def test_where_replies_have_no_lf_the_next_line_ends_one(self) -> None:
        trips = RoundTrips(unterminated=True)
        trips.sent(10)
        self.assertEqual(times(trips.received(b"a", 11)), [1])
        trips.sent(20)
        self.assertEqual(trips.received(b"b", 22), [Piece(b"b", True, False, 2)])

    def test_a_datagram_is_a_reply_whatever_is_in_it(self) -> None:
        trips = RoundTrips(whole=True)
        for _ in range(2):
            trips.sent(10)
        self.assertEqual(trips.received(b"a\nb", 11), [Piece(b"a\nb", True, True, 1)])
        self.assertEqual(trips.received(b"", 12), [Piece(b"", True, True, 2)])

    @given(strategies.lists(strategies.text("ab\n\r").map(str.encode)))
    def test_however_it_is_cut_no_byte_is_lost_and_each_line_is_matched_once(self, reads: list[bytes]) -> None:
        trips = RoundTrips()
        whole = b"".join(reads)
        count = len(lines(whole))
        for _ in range(count):
            trips.sent(0)
        pieces = [piece for read in reads for piece in trips.received(read, 1)]
        self.assertEqual(b"".join(piece.data for piece in pieces), whole)
        self.assertEqual(times(pieces).count(1), count)
        self.assertEqual(trips.unanswered, 0)
