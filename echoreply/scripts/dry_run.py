"""What a reply script would do, told without a connection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from time import time

from attrs import frozen

from echoreply.core.connection_info import Address, ConnectionInfo, PortNumbers
from echoreply.core.framing import too_long
from echoreply.core.quoting import quote
from echoreply.core.replies import Replies
from echoreply.scripts.conversation import Answer
from echoreply.scripts.script import Script
from echoreply.scripts.speaker import Speaker, split

_CLIENT = ConnectionInfo(1, Address("127.0.0.1", 50000), Address("127.0.0.1", 8088), "tcp")


@frozen
class Prediction:
    """
    What becomes of a message, or of a client that has connected.

    @ivar words: say it, in a line.
    @ivar fault: whether that is that something can't be said.
    """

    words: str
    fault: bool = False


def predict(script: Script, replies: Replies, max_message: int, messages: Iterable[bytes]) -> Iterator[Prediction]:
    """
    Tell how a client is greeted, which comes by TCP on this machine, and what becomes of its messages.

    @param messages: with their terminators. After one that ends the connection, the next begins another.
    """
    speaker = Speaker(script=script, replies=replies, ports=PortNumbers(), seconds=time, report=lambda _fault: None)
    greeting = [_told(speaker.greeting(_CLIENT))] if script.greeting else []
    yield from greeting
    count = 0
    closed = False
    for message in messages:
        if closed:
            yield from greeting
            count = 0
        count += 1
        text = quote(split(message)[0])
        closed = True
        if too_long(message.removesuffix(b"\n"), max_message):
            yield Prediction(f"{text}: longer than {max_message} bytes, closes")
        elif message in script.close_words:
            yield Prediction(f"{text}: close_on, closes")
        else:
            answer = speaker.answer(_CLIENT, count, message)
            closed = answer.close
            yield _told(answer, f"{text}: ", ", closes" if closed else "")


def _told(answer: Answer, before: str = "", after: str = "") -> Prediction:
    if answer.fault:
        return Prediction(f"{before}server error: {answer.fault}{after}", fault=True)
    return Prediction(f"{before}{answer.case}: {quote(answer.reply) if answer.reply else 'nothing'}{after}")
