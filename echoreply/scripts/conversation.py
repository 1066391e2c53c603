"""A conversation in which each message is looked at."""

from __future__ import annotations

from collections.abc import Callable

from attrs import field, frozen

from echoreply.core.connection_info import ConnectionInfo
from echoreply.core.conversation import BATCH, Batch, Conversation, Rules
from echoreply.core.framing import Block, too_long
from echoreply.core.reasons import EndReason
from echoreply.core.replies import error_line


@frozen
class Answer:
    """
    What a message gets.

    @ivar case: what of the script it is by, as people know it.
    @ivar reply: may be empty.
    @ivar fault: why there is no reply, if there should have been one. It is told to the client.
    @ivar close: whether the conversation is over.
    """

    case: str
    reply: bytes
    fault: str
    close: bool


@frozen
class ScriptedRules(Rules):
    """
    Rules by which each message is answered by itself.

    @ivar answer: gives the answer to a message, terminator included, in its connection_info: the how manyth of this
        client it is, from 1.
    """

    answer: Callable[[ConnectionInfo, int, bytes], Answer] = field(kw_only=True)

    def converse(self) -> Conversation:
        return ScriptedConversation(self)

    @property
    def mark(self) -> bytes:
        """Nothing: replies may be anything."""
        return b""

    def _replies_to(self, datagram: bytes, connection_info: Callable[[], ConnectionInfo]) -> list[bytes]:
        answer = self.answer(connection_info(), 1, datagram)
        reply = error_line(answer.fault) if answer.fault else answer.reply
        return [reply] if reply else []


class ScriptedConversation(Conversation):
    """A L{Conversation} by L{ScriptedRules}."""

    __slots__ = ("_answer_to", "_connection_info", "_count")

    _connection_info: ConnectionInfo
    wants_connection_info = True

    def __init__(self, rules: ScriptedRules) -> None:
        super().__init__(rules)
        self._answer_to = rules.answer
        self._count = 0

    def begin(self, connection_info: ConnectionInfo) -> Batch:
        self._connection_info = connection_info
        return super().begin(connection_info)

    def answer(self, data: bytes) -> None:
        """Answer no read at once."""
        return

    def _answer_next(self) -> Batch:
        block, later = self._unanswered[0], self._unanswered[1:]
        data = block.data
        replies: list[bytes] = []
        start = number = size = 0
        ending: tuple[EndReason, str] | None = None
        while number < block.count and size < BATCH and not ending:
            end = len(data) if block.count == 1 else data.index(b"\n", start) + 1
            message = data[start:end]
            ending = self._objection(message)
            if ending:
                break
            self._count += 1
            answer = self._answer_to(self._connection_info, self._count, message)
            reply = answer.reply
            if answer.fault:
                reply = self._line_after(replies[-1] if replies else b"", answer.fault)
            if reply:
                replies.append(reply)
                size += len(reply)
            if answer.close:
                ending = EndReason.RULE, ""
            start = end
            number += 1
        batch = Batch(data[:start], number, b"".join(replies))
        if ending:
            return self._finish(*ending, batch)
        rest = (Block(data[start:], block.count - number),) if number < block.count else ()
        self._unanswered = rest + later
        return batch

    def _objection(self, message: bytes) -> tuple[EndReason, str] | None:
        """Say why a message gets no reply and ends the conversation, if so."""
        if too_long(message.removesuffix(b"\n"), self._rules.max_message):
            return self._too_long
        return (EndReason.FAREWELL, "") if message in self._close_words else None
