"""Conversations by a reply script, in which each message is answered separately."""

from __future__ import annotations

from collections.abc import Callable

from attrs import field, frozen

from echoreply.core.connection_info import ConnectionInfo
from echoreply.core.conversation import REPLIES_AT_ONCE, Conversation, Rules
from echoreply.core.framing import Block
from echoreply.core.reasons import EndReason
from echoreply.core.replies import error_line


@frozen
class Answer:
    """
    A script's answer to a message.

    @ivar rule: the name of the part of the script that it comes from, such as C{rule 1}.
    @ivar reply: the reply, which may be empty.
    @ivar fault: the rendering error, which the client gets as an error line; empty if there is none.
    @ivar close: whether the connection is closed after the reply.
    """

    rule: str
    reply: bytes
    fault: str
    close: bool


@frozen
class ScriptedRules(Rules):
    """
    Rules by which each message is answered separately.

    @ivar answer: returns the answer to a message. It takes the facts about the client, the message's number in its
        conversation, from 1, its body and its terminator.
    """

    answer: Callable[[ConnectionInfo, int, bytes, bytes], Answer] = field(kw_only=True)

    def new_conversation(self) -> Conversation:
        return ScriptedConversation(self)

    @property
    def common_prefix(self) -> bytes:
        """Nothing: replies may be anything."""
        return b""

    def _replies_to(self, datagram: bytes, connection_info: Callable[[], ConnectionInfo]) -> list[bytes]:
        answer = self.answer(connection_info(), 1, *Block.split(datagram))
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

    def greet(self, connection_info: ConnectionInfo) -> Block:
        self._connection_info = connection_info
        return super().greet(connection_info)

    def answer(self, data: bytes) -> None:
        """Return C{None}: there is no fast path, since each message is answered separately."""
        return

    def _answer_waiting(self) -> Block:
        block = self._waiting[0]
        replies: list[bytes] = []
        length = number = size = 0
        ending: tuple[EndReason, str] | None = None
        for message in block.messages():
            body, terminator = block.split(message)
            ending = self._ending_by(block, message, body)
            if ending:
                break
            self._count += 1
            answer = self._answer_to(self._connection_info, self._count, body, terminator)
            reply = answer.reply
            if answer.fault:
                reply = self._error_after(replies[-1] if replies else b"", answer.fault)
            elif reply:
                reply = self._framer.frame(reply)
            if reply:
                replies.append(reply)
                size += len(reply)
            length += len(message)
            number += 1
            if answer.close:
                ending = EndReason.RULE, ""
                break
            if size >= REPLIES_AT_ONCE:
                break
        answered = block.first(length, number)
        self._take(answered)
        answered.replies = b"".join(replies)
        return self._finish(answered, *ending) if ending else answered
