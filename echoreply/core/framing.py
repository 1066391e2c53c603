"""
Framing: where a message ends, and which of its bytes are its body and which its terminator.

No other module knows this. A framing of another kind, such as one by length, is a new L{Framer} that returns a subclass
of L{Block}, and a member of L{Framing} with that framer; conversations, scripts, options and logs need no change.

The costs of a framer:

- C{receive} takes a read of any size and returns the messages that it completes, in order: O(length of the read), with
  no Python code for each message, since a read of 64 KiB may hold 65,536 of them;
- an unfinished message is kept until its end, or until the caller ends it: amortized O(1) a byte;
- a message that is longer than the limit is noticed before it is complete, so memory is bounded by the limit, the
  longest terminator and one read.

So messages are handled as L{Block}s, runs of messages in the bytes that they came in, and are split only where each one
matters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from io import BytesIO
from itertools import islice
from typing import Self

from attrs import define

from echoreply.core.close_words import CloseWords

MAX_TERMINATOR = 1024
"""Maximum number of CR bytes before an LF that belong to its terminator."""

_CR = ord("\r")


@define  # Not frozen: that would triple the cost of making one, and every read makes one.
class Block:
    """
    One or more whole messages, one after the other, in the bytes that they came in; and the replies to them.

    If there are several, each has exactly one LF, at its end. A single message may lack it, and under L{Framing.READ}
    may contain others. A framing of another kind has a subclass, which overrides all methods but C{bodies} and
    C{first}.

    @ivar data: all bytes of the messages, terminators included.
    @ivar count: how many messages there are. 0 if C{replies} is a greeting or an error line alone.
    @ivar replies: the bytes to send, once the messages have been answered. They may end with an error line.
    """

    data: bytes
    count: int
    replies: bytes = b""

    def messages(self) -> Iterable[bytes]:
        """Return the messages in order, each with its terminator. They are split lazily."""
        return (self.data,) if self.count == 1 else BytesIO(self.data)

    @staticmethod
    def split(message: bytes) -> tuple[bytes, bytes]:
        """Split a message into its body and its terminator: the LF at its end and the CRs before that."""
        body = message.removesuffix(b"\n")
        if body != message:
            body = body.rstrip(b"\r")
        return body, message[len(body) :]

    @staticmethod
    def too_long(message: bytes, max_message: int) -> bool:
        """Return whether a message, terminator included, is longer than the limit. A shorter one never is."""
        return too_long(message.removesuffix(b"\n"), max_message)

    def may_hold(self, close_words: CloseWords) -> bool:
        """
        Return whether a message may be a close word, so that each has to be compared with them: a fast, inexact check.

        Searching for several bytes takes longer than everything else that is done with a block. So messages of one
        length, which are common in test traffic, are ruled out by their length alone.
        """
        data = self.data
        if self.count == 1:
            return data.strip(b"\r\n") in close_words.words
        if not close_words.words:
            return False
        if _CR not in data:
            length, rest = divmod(len(data), self.count)
            if not rest and length > close_words.longest + 1 and data[length - 1 :: length] == b"\n" * self.count:
                return False
        tail, before_lf, before_cr = close_words.tails
        return data.find(before_lf) >= 0 or data.find(before_cr) >= 0 or data.endswith(tail)

    def prefixed(self, prefix: bytes, transform: Callable[[bytes], bytes] | None) -> bytes:
        """Return the replies that are a prefix and the message, each with the terminator of its message."""
        data = transform(self.data) if transform else self.data
        if not prefix:
            return data
        return prefix + data.replace(b"\n", b"\n" + prefix, self.count - 1)

    def fitting(self, size: int, prefix: int) -> Self:
        """
        Return the first messages, as many as have replies that are no longer than a limit, but at least one.

        @param size: maximum bytes of all replies.
        @param prefix: how many bytes longer each reply is than its message.
        """
        data, count = self.data, self.count
        while count > 1 and len(data) + count * prefix > size:
            cut = data.rfind(b"\n", 0, len(data) // 2) + 1 or data.find(b"\n") + 1
            data = data[:cut]
            count = data.count(b"\n")
        return self.first(len(data), count)

    def bodies(self, at_most: int | None = None) -> list[bytes]:
        """Return the messages in order without their terminators, C{at_most} of them."""
        return [self.split(message)[0] for message in islice(self.messages(), at_most)]

    def first(self, length: int, count: int) -> Self:
        """Return the first C{count} messages, which are C{length} bytes."""
        return self if count == self.count else type(self)(self.data[:length], count)

    def after(self, first: Block) -> Self:
        """Return the messages that follow the first ones."""
        return type(self)(self.data[len(first.data) :], self.count - first.count)


def too_long(message: bytes | bytearray, limit: int, checked: int = 0) -> bool:
    """
    Return whether a line, without its LF, is longer than C{limit} bytes.

    CR bytes at the end are its terminator's and do not count, up to C{MAX_TERMINATOR} of them.

    @param checked: how many leading bytes earlier calls have checked.
    """
    return len(message) > limit and (
        len(message) > limit + MAX_TERMINATOR or bool(message[max(limit, checked) :].strip(b"\r"))
    )


class Framer:
    """
    Splits the bytes of one connection into messages, and frames what the server sends besides replies.

    @ivar ends_at_lf: whether a run of bytes that ends with LF is always whole messages, each up to its LF, so that
        L{Conversation.answer <echoreply.core.conversation.Conversation.answer>} can answer it without this framer.
    @ivar lf_seen: whether an LF has been received. Only framers with C{ends_at_lf} have it; C{Conversation.answer}
        sets it, too.
    @ivar overflow: whether the message that is being received is longer than the limit. What follows it is dropped.
    """

    __slots__ = ("lf_seen",)

    lf_seen: bool
    ends_at_lf = False
    overflow = False

    @property
    def unfinished(self) -> bool:
        """Whether part of a message has been received."""
        return False

    @property
    def awaits_silence(self) -> bool:
        """Whether silence of the client would end the unfinished message."""
        return False

    def receive(self, data: bytes) -> Block | None:
        """Receive a read; return the messages that it completes, if any."""
        raise NotImplementedError

    def finish(self) -> Block | None:
        """Return the unfinished message, if there is one that can end here."""
        return None

    def frame(self, text: bytes) -> bytes:
        """Return the bytes to send for a greeting, a script's reply or an error line."""
        return text

    def leaves_line_open(self, sent: bytes) -> bool:
        """Return whether an error line needs a line break before it to be a line of its own."""
        return not sent.endswith(b"\n")


class LineFramer(Framer):
    """A framer whose messages end at LF."""

    __slots__ = ("_max_message", "_rest", "overflow")

    ends_at_lf = True

    def __init__(self, max_message: int) -> None:
        self._max_message = max_message
        # Most connections never have an unfinished message, and need no buffer of their own.
        self._rest: bytes | bytearray = b""
        self.lf_seen = False
        self.overflow = False

    @property
    def unfinished(self) -> bool:
        return bool(self._rest)

    def receive(self, data: bytes) -> Block | None:
        if self.overflow:
            return None
        block = None
        end = data.rfind(b"\n") + 1
        if end:
            self.lf_seen = True
            lines = data[:end]
            data = data[end:]
            if self._rest:
                lines = b"".join((self._rest, lines))
                self._rest = b""
            block = Block(lines, lines.count(b"\n"))
        if data:
            checked = len(self._rest)
            if not checked:
                self._rest = bytearray()
            self._rest += data
            self.overflow = too_long(self._rest, self._max_message, checked)
        return block

    def finish(self) -> Block | None:
        if self.overflow or not self._rest:
            return None
        block = Block(bytes(self._rest), 1)
        self._rest = b""
        return block


class AutoFramer(LineFramer):
    """A framer whose messages end at LF; as long as no LF has been received, a silence ends them, too."""

    __slots__ = ()

    @property
    def awaits_silence(self) -> bool:
        return not self.lf_seen and bool(self._rest)


class ReadFramer(Framer):
    """A framer for which every read is a message, however long it is."""

    __slots__ = ()

    def __init__(self, max_message: int) -> None:
        pass

    def receive(self, data: bytes) -> Block | None:
        return Block(data, 1)


class FramingEnum(Enum):
    """
    An enum of framings: each member has a name, which is its value, and makes the framers of connections.

    @ivar framer: returns a new framer for one connection. Its argument is the maximum bytes in a message.
    """

    framer: Callable[[int], Framer]

    def __new__(cls, name: str, framer: Callable[[int], Framer]) -> Self:
        framing = object.__new__(cls)
        framing._value_ = name
        framing.framer = framer
        return framing


class Framing(FramingEnum):
    """The rule for where a message ends."""

    AUTO = "auto", AutoFramer
    """At LF; before a connection's first LF also after a silence."""
    LINE = "line", LineFramer
    """At LF, or at the end of the input."""
    READ = "read", ReadFramer
    """At the end of each read."""
