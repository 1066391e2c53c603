"""A reply script after parsing: its rules, its default reply and its greeting."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import frozen

from echoreply.core.close_words import EXIT_OR_QUIT, CloseWords
from echoreply.core.framing import Framing
from echoreply.scripts.template import Template

GREETING, REPLY = "greeting", "reply"
"""The names that people know the greeting by, and the reply to messages that no rule is for."""

Matcher = Callable[[bytes], Mapping[str, str] | None]
"""Takes a message without its terminator. Returns the named groups it found, or C{None} if the message is another."""


@frozen
class ScriptRule:
    """
    A C{[[rule]]} of a script: a kind of message, and the reply to it.

    @ivar name: the name that people know it by, such as C{rule 1}.
    @ivar match: returns the named groups that were found, or C{None} if the rule is not for the message.
    @ivar when: if there is one, and it renders as an empty text, the rule is not for the message after all.
    @ivar close: whether the connection is closed after the reply.
    """

    name: str
    match: Matcher
    when: Template | None
    reply: Template
    close: bool


@frozen
class Script:
    """
    A parsed reply script.

    @ivar rules: in order; the first that is for a message answers it.
    @ivar reply: the reply to messages that no rule is for.
    @ivar greeting: sent when a client has connected.
    @ivar framing: where a message ends, if the script says so.
    """

    rules: tuple[ScriptRule, ...]
    reply: Template
    greeting: Template | None = None
    close_words: CloseWords = EXIT_OR_QUIT
    framing: Framing | None = None

    def constant_prefix(self, prefix: bytes) -> bytes | None:
        """Return the bytes before the message, if every reply is only those, the message and its terminator."""
        parts = self.reply.parts
        if self.rules or parts is None or parts[-2:] != ["message", "end"]:
            return None
        constant = b""
        for part in parts[:-2]:
            if part in ("message", "end"):
                return None
            constant += part if isinstance(part, bytes) else prefix
        return constant
