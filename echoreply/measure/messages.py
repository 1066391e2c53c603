"""
What is asked, and what is to come back.

A message says which of its connection's it is, and of which connection: C{12:0000000345 xxxx}. So a reply that was
meant for another message, or for somebody else, is never taken for the right one.
"""

from __future__ import annotations

NUMBER = 10
"""Digits of a message's number, if there is room for them."""

SHORTEST_NUMBER = 4
"""Digits of a message's number that are worth more than the connection's."""

SHORTEST, LONGEST = 2, 65507
"""Bytes in a message: a digit and its LF at least, and no more than a datagram holds."""


class Messages:
    r"""
    The messages of one connection, and their replies.

    All are of one length. Of what has no room in it the end of the number is left: with C{size} 4, message 1,234 is
    C{b"234\n"}.

    @param connection: its number.
    @param size: bytes in a message, with its LF; from L{SHORTEST}.
    @param prefix: what is before a message in its reply; has no LF.
    @ivar message: a message is C{message % (number % modulus)}. So it is made where there is no time for a call.
    @ivar reply: likewise, its reply.
    """

    __slots__ = ("_digits", "message", "modulus", "reply")

    def __init__(self, connection: int, size: int, prefix: bytes) -> None:
        room = size - 1
        head = b"%d:" % connection
        if room - len(head) < SHORTEST_NUMBER:
            head = b""
        digits = min(NUMBER, room - len(head))
        rest = room - len(head) - digits
        tail = (b" " + b"x" * (rest - 1) if rest else b"") + b"\n"
        self.modulus: int = 10**digits
        self.message: bytes = head + b"%%0%dd" % digits + tail
        self.reply: bytes = prefix.replace(b"%", b"%%") + self.message
        before = len(prefix + head)
        self._digits = slice(before, before + digits)

    def ask(self, number: int) -> bytes:
        """Give a message."""
        return self.message % (number % self.modulus)

    def answer(self, number: int) -> bytes:
        """Give the reply to a message."""
        return self.reply % (number % self.modulus)

    def answered_by(self, reply: bytes) -> int | None:
        """Give the number, less than C{modulus}, of the message that this is the reply to; None if it is of none."""
        digits = reply[self._digits]
        return int(digits) if digits.isdigit() and reply == self.answer(int(digits)) else None
