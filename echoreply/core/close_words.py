"""Messages by which a client says goodbye."""

from __future__ import annotations

from attrs import field, frozen

from echoreply.core.framing import Block

_CR = ord("\r")


@frozen
class CloseWords:
    """
    Messages that ask the server to close, instead of wanting a reply.

    @ivar words: what such a message is, once CR and LF are stripped from both its ends.
    """

    words: frozenset[bytes]
    _longest: int = field(init=False, repr=False, eq=False)
    _ends: tuple[bytes, ...] = field(init=False, repr=False, eq=False)

    @_longest.default
    def _length_of_longest(self) -> int:
        return max(map(len, self.words), default=0)

    @_ends.default
    def _common_ends(self) -> tuple[bytes, ...]:
        tail = min(self.words, key=len, default=b"")
        while not all(word.endswith(tail) for word in self.words):
            tail = tail[1:]
        return tail, tail + b"\n", tail + b"\r"

    def __contains__(self, message: bytes) -> bool:
        """Tell whether a message is one of them."""
        return message.strip(b"\r\n") in self.words

    def may_be_in(self, block: Block) -> bool:
        """
        Tell quickly whether it is worth asking of each message of a block.

        Looking for several bytes takes longer than all else that is done to a block, so messages of the same length,
        as test traffic often has, are known by it.
        """
        data = block.data
        if block.count == 1:
            return data.strip(b"\r\n") in self.words
        if not self.words:
            return False
        if _CR not in data:
            length, rest = divmod(len(data), block.count)
            if not rest and length > self._longest + 1 and data[length - 1 :: length] == b"\n" * block.count:
                return False
        tail, before_lf, before_cr = self._ends
        return data.find(before_lf) >= 0 or data.find(before_cr) >= 0 or data.endswith(tail)


EXIT_OR_QUIT = CloseWords(frozenset({b"exit", b"quit"}))
