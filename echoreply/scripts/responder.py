"""Choosing the reply of a script to a message, and rendering it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from attrs import field, frozen

from echoreply.core.connection_info import ConnectionInfo, PortNumbers
from echoreply.core.replies import Replies, error_line
from echoreply.scripts.script import GREETING, REPLY, Script
from echoreply.scripts.scripted_conversation import Answer
from echoreply.scripts.template import TemplateContext

MAX_FAULT = 256
"""Maximum characters of a template's error that are shown."""


@frozen(kw_only=True)
class Responder:
    """
    Renders the replies of a script.

    @param replies: the prefix that the script may use, and the transform of messages in their replies.
    @param ports: the ports that templates may show.
    @param seconds: returns the time in seconds since 1970, as a reactor does.
    @param report: called with the error when a reply can't be rendered; once for each rule.
    """

    _script: Script
    _replies: Replies
    _ports: PortNumbers
    _seconds: Callable[[], float]
    _report: Callable[[str], object]
    _reported: set[str] = field(init=False, factory=set)

    def greet(self, connection_info: ConnectionInfo) -> bytes:
        """Return the bytes that are sent when a client has connected: the greeting, or an error line."""
        greeting = self.greeting(connection_info)
        return error_line(greeting.fault) if greeting.fault else greeting.reply

    def greeting(self, connection_info: ConnectionInfo) -> Answer:
        """Return the greeting, or why it can't be rendered."""
        template = self._script.greeting
        try:
            return Answer(GREETING, template.render(self._context(connection_info)) if template else b"", "", False)
        except Exception as error:
            return Answer(GREETING, b"", self._fault(GREETING, error), False)

    def answer(self, connection_info: ConnectionInfo, count: int, body: bytes, terminator: bytes) -> Answer:
        """
        Return the answer to a message.

        @param count: the message's number in its conversation, from 1.
        """
        context = self._context(connection_info, self._replies.transformed(body), terminator, count)
        name = REPLY
        try:
            for rule in self._script.rules:
                match = rule.match(body)
                if match is None:
                    continue
                context.match = match
                name = rule.name
                if not rule.when or rule.when.render(context):
                    return Answer(name, rule.reply.render(context), "", rule.close)
            name, context.match = REPLY, {}
            return Answer(name, self._script.reply.render(context), "", False)
        except Exception as error:
            return Answer(name, b"", self._fault(name, error), False)

    def _context(
        self, connection_info: ConnectionInfo, message: bytes = b"", end: bytes = b"", count: int = 0
    ) -> TemplateContext:
        return TemplateContext(connection_info, self._ports, self._replies.prefix, self._now, message, end, count)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._seconds(), UTC)

    def _fault(self, name: str, error: Exception) -> str:
        """Return a rendering error as one line, and report it if it is the first of its rule."""
        # The error may quote the whole message.
        why = " ".join(str(error)[:MAX_FAULT].split())
        fault = f"{name}: {why or type(error).__name__}"
        if name not in self._reported:
            self._reported.add(name)
            self._report(fault)
        return fault
