"""What a reply script would do, told without a connection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from time import time

from echoreply.circumstances import Address, Circumstances, Ports
from echoreply.framing import too_long
from echoreply.quoting import quote
from echoreply.replies import Replies
from echoreply.scripts.script import Script
from echoreply.scripts.speaker import Speaker, split

_CLIENT = Circumstances(1, Address("127.0.0.1", 50000), Address("127.0.0.1", 8088), "tcp")


def foretell(script: Script, replies: Replies, max_message: int, messages: Iterable[bytes]) -> Iterator[str]:
    """
    Tell what becomes of messages, in a line each, and how their client is greeted: one by TCP on this machine.

    @param messages: with their terminators. After one that ends the connection, the next begins another.
    """
    speaker = Speaker(script=script, replies=replies, ports=Ports(), seconds=time, report=lambda _fault: None)
    count = 0
    for message in messages:
        if not count and script.greeting:
            yield f"greeting: {quote(speaker.greet(_CLIENT))}"
        count += 1
        what, closes = _answer(script, speaker, max_message, count, message)
        yield f"{quote(split(message)[0])}: {what}{', closes' if closes else ''}"
        if closes:
            count = 0


def _answer(script: Script, speaker: Speaker, max_message: int, count: int, message: bytes) -> tuple[str, bool]:
    if too_long(message.removesuffix(b"\n"), max_message):
        return f"longer than {max_message} bytes", True
    if message in script.farewells:
        return "close_on", True
    answer = speaker.answer(_CLIENT, count, message)
    if answer.fault:
        return f"server error: {answer.fault}", answer.close
    return f"{answer.case}: {quote(answer.reply) if answer.reply else 'nothing'}", answer.close
