"""A reply script: which reply a message gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import frozen

from echoreply.core.close_words import EXIT_OR_QUIT, CloseWords
from echoreply.core.framing import Framing
from echoreply.scripts.template import Template

GREETING, REPLY = "greeting", "reply"
"""What people know what is sent first by, and the reply that a message gets which is no case."""

Matches = Callable[[bytes], Mapping[str, str] | None]
"""Tells whether a message, without its terminator, is meant: if so, by the named groups that it has found."""


@frozen
class Case:
    """
    Messages of a kind, and what they are answered with.

    @ivar name: what people know it by, such as C{rule 1}.
    @ivar when: is empty when the case is none, whatever the message is.
    @ivar close: whether the reply is the last.
    """

    name: str
    matches: Matches
    when: Template | None
    reply: Template
    close: bool


@frozen
class Script:
    """
    What a person has written down of how a server is to answer.

    @ivar cases: the first that a message is.
    @ivar reply: what it gets if it is none.
    @ivar greeting: what is sent when a client has connected.
    @ivar framing: where a message ends, if the script says so.
    """

    cases: tuple[Case, ...]
    reply: Template
    greeting: Template | None = None
    close_words: CloseWords = EXIT_OR_QUIT
    framing: Framing | None = None

    def head(self, prefix: bytes) -> bytes | None:
        """Give what stands before the message in all replies, if they are no more than that, message and end."""
        parts = self.reply.parts
        if self.cases or parts is None or parts[-2:] != ["message", "end"]:
            return None
        head = b""
        for part in parts[:-2]:
            if part in ("message", "end"):
                return None
            head += part if isinstance(part, bytes) else prefix
        return head
