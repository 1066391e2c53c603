"""
One client's conversation: what it sent goes in, what it is owed comes out.

Nothing here knows about sockets or clocks. The caller hands in what was read, and takes out batches of replies as fast
as the client takes them: what has not been asked for yet is kept as the messages that came, which are no longer than
their replies.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field, frozen

from echoreply.core.close_words import EXIT_OR_QUIT, CloseWords
from echoreply.core.connection_info import ConnectionInfo
from echoreply.core.defaults import DEFAULT_MAX_MESSAGE
from echoreply.core.framing import Block, Framer, Framing, LineFramer, ReadFramer, too_long
from echoreply.core.reasons import EndReason, RefusalReason
from echoreply.core.replies import Replies, error_line

BATCH = 20480
"""Bytes of replies in a batch, at most, unless one reply alone is longer."""


MOST_AT_ONCE = 1 << 20
"""Bytes of replies that are made before it is known that they are too many for a batch, at most."""


@frozen
class Rules:
    """
    What a server's conversations have in common.

    @ivar replies: what a message is answered with.
    @ivar framing: where a message ends.
    @ivar max_message: the longest message, in bytes without its terminator.
    @ivar close_words: which messages get no reply, and end the conversation.
    @ivar greeting: gives what is sent first.
    """

    replies: Replies = field(factory=Replies)
    framing: Framing = Framing.AUTO
    max_message: int = DEFAULT_MAX_MESSAGE
    close_words: CloseWords = EXIT_OR_QUIT
    greeting: Callable[[ConnectionInfo], bytes] | None = None

    def converse(self) -> Conversation:
        """Begin a conversation."""
        return Conversation(self)

    def answer_datagram(self, datagram: bytes, connection_info: Callable[[], ConnectionInfo]) -> list[bytes]:
        """
        Give the replies to a datagram, which is a conversation of its own: one message, and no farewell.

        @param connection_info: is called if somebody wants to know.
        """
        greeting = self.greeting(connection_info()) if self.greeting else b""
        return [*([greeting] if greeting else []), *self._replies_to(datagram, connection_info)]

    @property
    def mark(self) -> bytes:
        """What every reply begins with, so that another server's can be told from a message."""
        return self.replies.prefix

    def _replies_to(self, datagram: bytes, connection_info: Callable[[], ConnectionInfo]) -> list[bytes]:
        return [self.replies.to(Block(datagram, 1))]


@define
class Batch(Block):
    """Messages and the replies to them. C{replies} may end with an error line, and be all there is."""

    replies: bytes


class Conversation:
    """
    The state of one conversation.

    @ivar ending: why it has ended by the server's doing, once it has; then no more batches come.
    """

    __slots__ = (
        "_close_words",
        "_framer",
        "_in_step",
        "_inside_line",
        "_last_word",
        "_lines",
        "_longest",
        "_replies",
        "_rules",
        "_unanswered",
        "ending",
    )

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._replies = rules.replies
        self._close_words = rules.close_words
        # A message may be no more than its LF.
        self._longest = min(rules.max_message, MOST_AT_ONCE // (1 + len(rules.replies.prefix)))
        self._lines = rules.framing is not Framing.READ
        self._framer: Framer = LineFramer(rules.max_message) if self._lines else ReadFramer()
        self._in_step = self._lines
        # No list: it is nearly always empty, and seldom holds more than one.
        self._unanswered: tuple[Block, ...] = ()
        self._inside_line = False
        self._last_word: tuple[EndReason | RefusalReason, str] | None = None
        self.ending: EndReason | RefusalReason | None = None

    @property
    def answered(self) -> bool:
        """Whether every batch that is owed so far has been taken."""
        return self.ending is not None or not (self._unanswered or self._last_word)

    @property
    def awaits_silence(self) -> bool:
        """Whether a silence would now end a message."""
        return (
            self._rules.framing is Framing.AUTO
            and self._framer.unfinished
            and not self._framer.speaks_in_lines
            and self.answered
        )

    @property
    def wants_connection_info(self) -> bool:
        """Whether L{begin} is to be called."""
        return self._rules.greeting is not None

    def begin(self, connection_info: ConnectionInfo) -> Batch:
        """Give what is sent before all replies."""
        greeting = self._rules.greeting(connection_info) if self._rules.greeting else b""
        self._inside_line = bool(greeting) and not greeting.endswith(b"\n")
        self._in_step = self._in_step and not self._inside_line
        return Batch(b"", 0, greeting)

    def answer(self, data: bytes) -> Batch | None:
        """
        Answer a read at once, as nearly every one can be: it is whole lines, of which none needs a look of its own.

        @return: nothing if it can't be. Then L{receive} takes it.
        """
        if not self._in_step or len(data) > self._longest:
            return None
        replies, count = self._replies.to_lines(data)
        if not count or len(replies) > BATCH or self._close_words.may_be_in(batch := Batch(data, count, replies)):
            return None
        self._framer.speaks_in_lines = True
        return batch

    def receive(self, data: bytes) -> None:
        """Take what was read."""
        self._in_step = False
        self._add(self._framer.receive(data))
        if self._framer.overflow:
            self.end(*self._too_long)

    def finish_message(self) -> None:
        """Take what is unfinished as a message: the client was silent, or has closed its sending side."""
        self._in_step = False
        self._add(self._framer.finish())

    def end(self, reason: EndReason | RefusalReason, error: str) -> None:
        """Let an error line follow the replies that are owed, and nothing that one."""
        self._in_step = False
        self._last_word = reason, error

    def next_batch(self) -> Batch | None:
        """Give the next replies that are owed, if any are."""
        if self.ending:
            return None
        if self._unanswered:
            batch = self._answer_next()
            if batch.replies:
                self._inside_line = not batch.replies.endswith(b"\n")
            return batch
        if self._last_word:
            return self._finish(*self._last_word)
        self._in_step = self._lines and not (self._framer.unfinished or self._inside_line)
        return None

    @property
    def _too_long(self) -> tuple[EndReason, str]:
        return EndReason.TOO_LONG, f"message longer than {self._rules.max_message} bytes"

    def _add(self, block: Block | None) -> None:
        if block:
            self._unanswered += (block,)

    def _next_block(self) -> Block:
        """Take as many of the unanswered messages as a batch has room for the replies to."""
        block, self._unanswered = self._unanswered[0], self._unanswered[1:]
        prefix = len(self._replies.prefix)
        data, count = block.data, block.count
        while count > 1 and len(data) + count * prefix > BATCH:
            cut = data.rfind(b"\n", 0, len(data) // 2) + 1 or data.find(b"\n") + 1
            data = data[:cut]
            count = data.count(b"\n")
        if count == block.count:
            return block
        self._unanswered = (Block(block.data[len(data) :], block.count - count), *self._unanswered)
        return Block(data, count)

    def _answer_next(self) -> Batch:
        """Answer some of the messages that are unanswered."""
        block = self._next_block()
        limit = self._rules.max_message
        if len(block.data) > limit or self._close_words.may_be_in(block):
            start = 0
            for number, message in enumerate(block.messages()):
                if too_long(message, limit):
                    return self._finish(*self._too_long, self._answered(Block(block.data[:start], number)))
                if message in self._close_words:
                    return self._finish(EndReason.FAREWELL, "", self._answered(Block(block.data[:start], number)))
                start += len(message) + 1
        return self._answered(block)

    def _answered(self, block: Block) -> Batch:
        return Batch(block.data, block.count, self._replies.to(block) if block.count else b"")

    def _finish(self, reason: EndReason | RefusalReason, error: str, last: Batch | None = None) -> Batch:
        """End the conversation with the last replies, and the error line if there is one."""
        self.ending = reason
        self._unanswered = ()
        last = last or Batch(b"", 0, b"")
        if error:
            last.replies += self._line_after(last.replies, error)
        return last

    def _line_after(self, replies: bytes, error: str) -> bytes:
        """Give an error line that begins as a line does, after these replies."""
        inside_line = not replies.endswith(b"\n") if replies else self._inside_line
        return (b"\n" if inside_line else b"") + error_line(error)
