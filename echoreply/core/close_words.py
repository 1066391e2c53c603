"""Messages that ask the server to close the connection: C{exit} and C{quit}, or those that a reply script names."""

from __future__ import annotations

from attrs import field, frozen


@frozen
class CloseWords:
    """
    The messages that get no reply: the server closes instead.

    @ivar words: the messages, without CR and LF at either end.
    @ivar longest: length of the longest word, in bytes.
    @ivar tails: the bytes that every word ends with, alone, with an LF and with a CR. A search through many messages
        looks for these.
    """

    words: frozenset[bytes]
    longest: int = field(init=False, repr=False, eq=False)
    tails: tuple[bytes, bytes, bytes] = field(init=False, repr=False, eq=False)

    @longest.default
    def _length_of_longest(self) -> int:
        return max(map(len, self.words), default=0)

    @tails.default
    def _common_tails(self) -> tuple[bytes, bytes, bytes]:
        tail = min(self.words, key=len, default=b"")
        while not all(word.endswith(tail) for word in self.words):
            tail = tail[1:]
        return tail, tail + b"\n", tail + b"\r"

    def __contains__(self, message: bytes) -> bool:
        """Return whether a message, with or without its terminator, is one of the words."""
        return message.strip(b"\r\n") in self.words


EXIT_OR_QUIT = CloseWords(frozenset({b"exit", b"quit"}))
