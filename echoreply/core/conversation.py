"""
One client's conversation: the bytes that it sends go in, the replies that it is owed come out.

This module uses neither sockets nor clocks. The caller passes in each read, and takes the replies out as fast as the
client takes them. Until then it keeps the messages rather than their replies, which are longer.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import field, frozen

from echoreply.core.close_words import EXIT_OR_QUIT, CloseWords
from echoreply.core.connection_info import ConnectionInfo
from echoreply.core.defaults import DEFAULT_MAX_MESSAGE
from echoreply.core.framing import Block, Framing, FramingEnum
from echoreply.core.reasons import EndReason
from echoreply.core.replies import Replies, error_line

REPLIES_AT_ONCE = 20480
"""Maximum bytes of replies that are made at once, unless one reply alone is longer."""

FAST_PATH_LIMIT = 1 << 20
"""Maximum bytes of replies that L{Conversation.answer} makes before it notices that they exceed L{REPLIES_AT_ONCE}."""


@frozen
class Rules:
    """
    The rules that all conversations of a server follow.

    @ivar replies: makes the replies.
    @ivar framing: where a message ends.
    @ivar max_message: maximum bytes in a message, without its terminator.
    @ivar close_words: the messages that get no reply and end the conversation.
    @ivar greeting: returns the bytes that are sent before all replies; C{None} without a greeting.
    """

    replies: Replies = field(factory=Replies)
    framing: FramingEnum = Framing.AUTO
    max_message: int = DEFAULT_MAX_MESSAGE
    close_words: CloseWords = EXIT_OR_QUIT
    greeting: Callable[[ConnectionInfo], bytes] | None = None

    def new_conversation(self) -> Conversation:
        """Return a new conversation that follows these rules."""
        return Conversation(self)

    def answer_datagram(self, datagram: bytes, connection_info: Callable[[], ConnectionInfo]) -> list[bytes]:
        """
        Return the replies to a datagram, which is a conversation of its own: one message, and no close words.

        @param connection_info: returns the facts about the client; called only if a rule needs them.
        """
        greeting = self.greeting(connection_info()) if self.greeting else b""
        return [*([greeting] if greeting else []), *self._replies_to(datagram, connection_info)]

    @property
    def common_prefix(self) -> bytes:
        """The bytes that every reply begins with, by which a reply of another server is recognized."""
        return self.replies.prefix

    def _replies_to(self, datagram: bytes, connection_info: Callable[[], ConnectionInfo]) -> list[bytes]:
        return [self.replies.to(Block(datagram, 1))]


class Conversation:
    """
    The state of one conversation.

    @ivar ending: the reason why the server has ended the conversation; C{None} until then. No reply follows it.
    """

    __slots__ = (
        "_caught_up",
        "_close_words",
        "_final_error",
        "_framer",
        "_inside_line",
        "_longest_read",
        "_replies",
        "_rules",
        "_waiting",
        "ending",
    )

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._replies = rules.replies
        self._close_words = rules.close_words
        # A read may be all LFs, each of them a message: then its replies are 1 + len(prefix) times as long.
        self._longest_read = min(rules.max_message, FAST_PATH_LIMIT // (1 + len(rules.replies.prefix)))
        self._framer = rules.framing.framer(rules.max_message)
        # Whether the next read can be answered without the framer: no message waits, and none is unfinished.
        self._caught_up = self._framer.ends_at_lf
        # The blocks that wait to be answered. A tuple, since it is nearly always empty and seldom holds more than one.
        self._waiting: tuple[Block, ...] = ()
        self._inside_line = False
        self._final_error: tuple[EndReason, str] | None = None
        self.ending: EndReason | None = None

    @property
    def answered(self) -> bool:
        """Whether every complete message that was received is answered."""
        return self.ending is not None or not (self._waiting or self._final_error)

    @property
    def awaits_silence(self) -> bool:
        """Whether silence would now end a message."""
        return self._framer.awaits_silence and self.answered

    @property
    def wants_connection_info(self) -> bool:
        """Whether L{Conversation.greet} has to be called before anything else."""
        return self._rules.greeting is not None

    def greet(self, connection_info: ConnectionInfo) -> Block:
        """Return the greeting, as a block without messages."""
        greeting = self._rules.greeting(connection_info) if self._rules.greeting else b""
        if greeting:
            greeting = self._framer.frame(greeting)
            self._inside_line = self._framer.leaves_line_open(greeting)
            self._caught_up = self._caught_up and not self._inside_line
        return Block(b"", 0, greeting)

    def answer(self, data: bytes) -> Block | None:
        """
        Answer a read at once: the fast path for reads of whole lines, none of which may be a close word.

        @return: C{None} for any other read, which has to be passed to L{Conversation.receive}.
        """
        if not self._caught_up or len(data) > self._longest_read:
            return None
        replies, count = self._replies.to_lines(data)
        if not count or len(replies) > REPLIES_AT_ONCE:
            return None
        block = Block(data, count, replies)
        if block.may_hold(self._close_words):
            return None
        self._framer.lf_seen = True
        return block

    def receive(self, data: bytes) -> None:
        """Receive a read, for L{Conversation.next_replies} to answer."""
        self._caught_up = False
        self._add(self._framer.receive(data))
        if self._framer.overflow:
            self.end(*self._too_long)

    def finish_message(self) -> None:
        """Complete the unfinished message: the client was silent, or has closed its sending side."""
        self._caught_up = False
        self._add(self._framer.finish())

    def end(self, reason: EndReason, error: str) -> None:
        """Send an error line after the replies that are owed, and nothing more."""
        self._caught_up = False
        self._final_error = reason, error

    def next_replies(self) -> Block | None:
        """Answer the next messages that wait, as many as one write should send; return C{None} if none wait."""
        if self.ending:
            return None
        if self._waiting:
            block = self._answer_waiting()
            if block.replies:
                self._inside_line = self._framer.leaves_line_open(block.replies)
            return block
        if self._final_error:
            return self._finish(Block(b"", 0), *self._final_error)
        self._caught_up = self._framer.ends_at_lf and not (self._framer.unfinished or self._inside_line)
        return None

    @property
    def _too_long(self) -> tuple[EndReason, str]:
        return EndReason.TOO_LONG, f"message longer than {self._rules.max_message} bytes"

    def _add(self, block: Block | None) -> None:
        if block:
            self._waiting += (block,)

    def _take(self, first: Block) -> None:
        """Remove the first messages from those that wait."""
        block = self._waiting[0]
        rest = (block.after(first),) if first.count < block.count else ()
        self._waiting = rest + self._waiting[1:]

    def _answer_waiting(self) -> Block:
        prefix = self._replies.prefix
        block = self._waiting[0].fitting(REPLIES_AT_ONCE, len(prefix))
        self._take(block)
        if len(block.data) > self._rules.max_message or block.may_hold(self._close_words):
            length = 0
            for number, message in enumerate(block.messages()):
                ending = self._ending_by(block, message, block.split(message)[0])
                if ending:
                    return self._finish(self._reply(block.first(length, number)), *ending)
                length += len(message)
        return self._reply(block)

    def _reply(self, block: Block) -> Block:
        if block.count:
            block.replies = self._replies.to(block)
        return block

    def _ending_by(self, block: Block, message: bytes, body: bytes) -> tuple[EndReason, str] | None:
        """Return why a message ends the conversation, and the error line; C{None} if the message gets a reply."""
        limit = self._rules.max_message
        if len(message) > limit and block.too_long(message, limit):
            return self._too_long
        return (EndReason.CLOSE_WORD, "") if body in self._close_words else None

    def _finish(self, last: Block, reason: EndReason, error: str) -> Block:
        """End the conversation with the last replies, and the error line if there is one."""
        self.ending = reason
        self._waiting = ()
        if error:
            last.replies += self._error_after(last.replies, error)
        return last

    def _error_after(self, replies: bytes, error: str) -> bytes:
        """Return an error line that begins as a line of its own after these replies."""
        inside_line = self._framer.leaves_line_open(replies) if replies else self._inside_line
        return self._framer.frame((b"\n" if inside_line else b"") + error_line(error))
