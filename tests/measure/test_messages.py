"""Messages and expected replies."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from echoreply.measure.messages import MAX_SIZE, MIN_SIZE, Messages


class MessagesTests(SynchronousTestCase):
    def test_a_message_contains_the_numbers_of_its_connection_and_its_own(self) -> None:
        messages = Messages(12, 32, b"server reply:")
        self.assertEqual(messages.message(345), b"12:0000000345 xxxxxxxxxxxxxxxxx\n")
        self.assertEqual(messages.reply(345), b"server reply:12:0000000345 xxxxxxxxxxxxxxxxx\n")

    def test_numbers_that_do_not_fit_are_shortened(self) -> None:
        self.assertEqual(Messages(12, 14, b"").message(345), b"12:0000000345\n")
        self.assertEqual(Messages(12, 8, b"").message(12345), b"12:2345\n")
        self.assertEqual(Messages(12, 7, b"").message(12345), b"012345\n")
        self.assertEqual(Messages(12, 2, b"").message(12345), b"5\n")
        self.assertEqual(Messages(1, 14, b"").message(1), b"1:0000000001 \n")

    @given(
        st.integers(0, 100_000),
        st.one_of(st.integers(MIN_SIZE, 40), st.just(MAX_SIZE)),
        st.binary(max_size=5).filter(lambda prefix: b"\n" not in prefix),
        st.integers(0, 10**12),
    )
    def test_every_message_has_the_given_size_and_one_newline(
        self, connection: int, size: int, prefix: bytes, number: int
    ) -> None:
        messages = Messages(connection, size, prefix)
        message, reply = messages.message(number), messages.reply(number)
        self.assertEqual((len(message), message.count(b"\n"), message[-1:]), (size, 1, b"\n"))
        self.assertEqual(reply, prefix + message)
        self.assertEqual(messages.number_of(reply), number % messages.modulus)
        self.assertIsNone(messages.number_of(reply + b"\n"))
        self.assertIsNone(messages.number_of(b"x" + reply))

    @given(st.integers(0, 99), st.integers(0, 99))
    def test_the_reply_of_another_connection_is_not_ours(self, ours: int, theirs: int) -> None:
        number = Messages(ours, 64, b"%d").number_of(Messages(theirs, 64, b"%d").reply(7))
        self.assertEqual(number, 7 if ours == theirs else None)

    def test_none_is_a_close_word(self) -> None:
        for size in (5, 6):
            self.assertNotIn(Messages(0, size, b"").message(0).strip(), (b"exit", b"quit"))
