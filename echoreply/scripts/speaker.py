"""What a script says: the bytes that a message is answered with."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from attrs import field, frozen

from echoreply.core.connection_info import ConnectionInfo, PortNumbers
from echoreply.core.replies import Replies, error_line
from echoreply.scripts.conversation import Answer
from echoreply.scripts.script import GREETING, REPLY, Script
from echoreply.scripts.template import Moment

LONGEST_FAULT = 256
"""Characters of what a template has run into, at most."""


@frozen(kw_only=True)
class Speaker:
    """
    Says what a script has for an occasion, or why it can't be said.

    @param replies: the prefix that the script may use, and what is done to messages in their replies.
    @param ports: those that the script may tell of.
    @param seconds: gives the time, in seconds since 1970, as a reactor does.
    @param report: is told of each reply that it could not be made, and why; of each only once.
    """

    _script: Script
    _replies: Replies
    _ports: PortNumbers
    _seconds: Callable[[], float]
    _report: Callable[[str], object]
    _reported: set[str] = field(init=False, factory=set)

    def greet(self, connection_info: ConnectionInfo) -> bytes:
        """Give what a client gets that has connected."""
        greeting = self.greeting(connection_info)
        return error_line(greeting.fault) if greeting.fault else greeting.reply

    def greeting(self, connection_info: ConnectionInfo) -> Answer:
        """Give the same as if it were an answer."""
        template = self._script.greeting
        try:
            return Answer(GREETING, template.render(self._moment(connection_info)) if template else b"", "", False)
        except Exception as error:
            return Answer(GREETING, b"", self._fault(GREETING, error), False)

    def answer(self, connection_info: ConnectionInfo, count: int, message: bytes) -> Answer:
        """Answer a message, terminator included, the how manyth of its client it is."""
        text, end = split(message)
        moment = self._moment(connection_info, self._replies.transformed(text), end, count)
        name = REPLY
        try:
            for case in self._script.cases:
                match = case.matches(text)
                if match is None:
                    continue
                moment.match = match
                name = case.name
                if not case.when or case.when.render(moment):
                    return Answer(name, case.reply.render(moment), "", case.close)
            name, moment.match = REPLY, {}
            return Answer(name, self._script.reply.render(moment), "", False)
        except Exception as error:
            return Answer(name, b"", self._fault(name, error), False)

    def _moment(
        self, connection_info: ConnectionInfo, message: bytes = b"", end: bytes = b"", count: int = 0
    ) -> Moment:
        return Moment(connection_info, self._ports, self._replies.prefix, self._now, message, end, count)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._seconds(), UTC)

    def _fault(self, name: str, error: Exception) -> str:
        """Say in a line what a template has run into, which is up to it, and report it if that is the first time."""
        # It may have the whole message in it.
        why = " ".join(str(error)[:LONGEST_FAULT].split())
        fault = f"{name}: {why or type(error).__name__}"
        if name not in self._reported:
            self._reported.add(name)
            self._report(fault)
        return fault


def split(message: bytes) -> tuple[bytes, bytes]:
    """Part a message and its terminator: the LF at its end, and CRs before that."""
    text = message.removesuffix(b"\n")
    if text != message:
        text = text.rstrip(b"\r")
    return text, message[len(text) :]
