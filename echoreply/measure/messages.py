"""
The messages of a load test, and the expected replies.

A message contains the number of its connection and its own number, as in C{12:0000000345 xxxx}. So a reply to another
message or another connection is recognized as wrong.
"""

from __future__ import annotations

MAX_DIGITS = 10
"""Digits of a message's number, if they fit."""

MIN_DIGITS = 4
"""If fewer digits of a message's number would fit, the connection's number is left out."""

MIN_SIZE, MAX_SIZE = 2, 65507
"""Limits on the bytes in a message: a digit and the LF, and the longest datagram."""


class Messages:
    r"""
    Makes the messages of one connection, and the expected replies.

    All messages have the same length. If a number does not fit, only its last digits are used: with C{size} 4, message
    1,234 is C{b"234\n"}.

    @param connection: the number of the connection.
    @param size: bytes in a message, including its LF; at least L{MIN_SIZE}.
    @param prefix: the prefix of replies, without LF.
    @ivar message_template: C{message_template % (number % modulus)} is a message, without the cost of a call.
    @ivar reply_template: makes the expected reply in the same way.
    @ivar modulus: numbers are used modulo this.
    """

    __slots__ = ("_digits", "message_template", "modulus", "reply_template")

    def __init__(self, connection: int, size: int, prefix: bytes) -> None:
        room = size - 1
        head = b"%d:" % connection
        if room - len(head) < MIN_DIGITS:
            head = b""
        digits = min(MAX_DIGITS, room - len(head))
        rest = room - len(head) - digits
        tail = (b" " + b"x" * (rest - 1) if rest else b"") + b"\n"
        self.modulus: int = 10**digits
        self.message_template: bytes = head + b"%%0%dd" % digits + tail
        self.reply_template: bytes = prefix.replace(b"%", b"%%") + self.message_template
        before = len(prefix + head)
        self._digits = slice(before, before + digits)

    def message(self, number: int) -> bytes:
        """Return a message by its number."""
        return self.message_template % (number % self.modulus)

    def reply(self, number: int) -> bytes:
        """Return the expected reply to a message."""
        return self.reply_template % (number % self.modulus)

    def number_of(self, reply: bytes) -> int | None:
        """Return the number, modulo C{modulus}, of the message that a reply belongs to; C{None} if there is none."""
        digits = reply[self._digits]
        return int(digits) if digits.isdigit() and reply == self.reply(int(digits)) else None
