"""The reply to a message: the prefix, then the message, perhaps transformed; and the server's error lines."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from attrs import field, frozen

from echoreply.core.defaults import DEFAULT_PREFIX
from echoreply.core.framing import Block


class Transform(Enum):
    """The change of a message's ASCII letters in its reply."""

    NONE = "none"
    UPPER = "upper"
    LOWER = "lower"


_CHANGES: dict[Transform, Callable[[bytes], bytes]] = {Transform.UPPER: bytes.upper, Transform.LOWER: bytes.lower}


@frozen
class Replies:
    """
    Makes the replies to whole blocks of messages.

    @ivar prefix: the bytes that each reply begins with.
    @ivar transform: how the message changes.
    """

    prefix: bytes = DEFAULT_PREFIX
    transform: Transform = Transform.NONE
    _between: bytes = field(init=False, repr=False)
    _change: Callable[[bytes], bytes] | None = field(init=False, repr=False)

    @_between.default
    def _between_messages(self) -> bytes:
        return b"\n" + self.prefix

    @_change.default
    def _change_of_messages(self) -> Callable[[bytes], bytes] | None:
        # Stored, since looking it up for each read takes a quarter of the time of a reply to a small message.
        return _CHANGES.get(self.transform)

    def transformed(self, message: bytes) -> bytes:
        """Return a message as it stands in its reply."""
        return self._change(message) if self._change else message

    def to(self, block: Block) -> bytes:
        """Return the replies to all messages of a block, in order."""
        return block.prefixed(self.prefix, self._change)

    def to_lines(self, lines: bytes) -> tuple[bytes, int]:
        """
        Return the replies to lines, in order, and how many lines there are: 0 if the last does not end with LF.

        This combines L{Replies.to} and the framing, for nearly every read of a framing whose messages end at LF.
        """
        if self._change:
            lines = self._change(lines)
        prefix = self.prefix
        if 0 <= lines.find(b"\n") == len(lines) - 1:
            return prefix + lines, 1
        if not lines.endswith(b"\n"):
            return b"", 0
        if not prefix:
            return lines, lines.count(b"\n")
        replies = lines.replace(b"\n", self._between)
        # Counting LFs takes longer than replacing them.
        count = (len(replies) - len(lines)) // len(prefix)
        return prefix + replies[: -len(prefix)], count


def error_line(reason: str) -> bytes:
    """Return the line that a server sends before it closes for a reason of its own."""
    return f"server error: {reason}\n".encode(errors="backslashreplace")
