"""What a message is answered with."""

from __future__ import annotations

from enum import Enum

from attrs import frozen

from echoreply.framing import Block

DEFAULT_PREFIX = b"server reply:"


class Transform(Enum):
    """What is done to the ASCII letters of a message in its reply."""

    NONE = "none"
    UPPER = "upper"
    LOWER = "lower"


@frozen
class Replies:
    """
    The replies to whole blocks of messages.

    @ivar prefix: what goes before each reply, as it is.
    @ivar transform: what is done to the message.
    """

    prefix: bytes = DEFAULT_PREFIX
    transform: Transform = Transform.NONE

    def to(self, block: Block) -> bytes:
        """Give the replies to all messages of a block, in order."""
        data = block.data
        if self.transform is Transform.UPPER:
            data = data.upper()
        elif self.transform is Transform.LOWER:
            data = data.lower()
        if not self.prefix:
            return data
        return self.prefix + data.replace(b"\n", b"\n" + self.prefix, block.count - 1)


def is_farewell(message: bytes) -> bool:
    """Tell whether a message asks the server to close, instead of wanting a reply."""
    return message.strip(b"\r\n") in (b"exit", b"quit")


def may_hold_farewell(block: Block) -> bool:
    """Tell quickly whether it is worth asking L{is_farewell} of each message."""
    return b"exit" in block.data or b"quit" in block.data


def error_line(reason: str) -> bytes:
    """Give the line that a server sends before it closes for a reason of its own."""
    return f"server error: {reason}\n".encode()
