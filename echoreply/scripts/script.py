"""A parsed reply script: its rules, its default reply and its greeting."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import frozen

from echoreply.core.close_words import EXIT_OR_QUIT, CloseWords
from echoreply.core.framing import Framing
from echoreply.scripts.template import Template

GREETING, REPLY = "greeting", "reply"
"""The names of the greeting, and of the reply to messages that match no rule, in texts for people."""

Matcher = Callable[[bytes], Mapping[str, str] | None]
"""Takes a message without its terminator. Returns the named groups, or C{None} if it does not match."""


@frozen
class ScriptRule:
    """
    A C{[[rule]]} of a script: a condition on messages, and the reply to those that meet it.

    @ivar name: its name for people, such as C{rule 1}.
    @ivar match: returns the named groups of a match, or C{None} if the message does not match.
    @ivar when: a further condition: if it renders as an empty text, the message does not match.
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

    @ivar rules: the rules in order: the first that a message matches answers it.
    @ivar reply: the reply to messages that match no rule.
    @ivar greeting: sent when a client has connected.
    @ivar framing: the framing that the script sets; C{None} if it sets none.
    """

    rules: tuple[ScriptRule, ...]
    reply: Template
    greeting: Template | None = None
    close_words: CloseWords = EXIT_OR_QUIT
    framing: Framing | None = None

    def constant_prefix(self, prefix: bytes) -> bytes | None:
        """Return the constant that every reply puts before the message and its terminator; C{None} if one differs."""
        parts = self.reply.parts
        if self.rules or parts is None or parts[-2:] != ["message", "end"]:
            return None
        constant = b""
        for part in parts[:-2]:
            if part in ("message", "end"):
                return None
            constant += part if isinstance(part, bytes) else prefix
        return constant
