"""What a message is answered with."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from attrs import field, frozen

from echoreply.core.defaults import DEFAULT_PREFIX
from echoreply.core.framing import Block


class Transform(Enum):
    """What is done to the ASCII letters of a message in its reply."""

    NONE = "none"
    UPPER = "upper"
    LOWER = "lower"


_CHANGES: dict[Transform, Callable[[bytes], bytes]] = {Transform.UPPER: bytes.upper, Transform.LOWER: bytes.lower}


@frozen
class Replies:
    """
    The replies to whole blocks of messages.

    @ivar prefix: what goes before each reply, as it is.
    @ivar transform: what is done to the message.
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
        # To ask which transform it is takes a quarter as long as the reply to a small message.
        return _CHANGES.get(self.transform)

    def transformed(self, message: bytes) -> bytes:
        """Give what stands for a message in its reply."""
        return self._change(message) if self._change else message

    def to(self, block: Block) -> bytes:
        """Give the replies to all messages of a block, in order."""
        data = self.transformed(block.data)
        if not self.prefix:
            return data
        return self.prefix + data.replace(b"\n", self._between, block.count - 1)

    def to_lines(self, lines: bytes) -> tuple[bytes, int]:
        """Give the replies to messages, in order, and how many there are: 0 if the last does not end with LF."""
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
        # To count LFs takes longer than to replace them.
        count = (len(replies) - len(lines)) // len(prefix)
        return prefix + replies[: -len(prefix)], count


def error_line(reason: str) -> bytes:
    """Give the line that a server sends before it closes for a reason of its own."""
    return f"server error: {reason}\n".encode(errors="backslashreplace")
