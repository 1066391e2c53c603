"""A dry run of a reply script, without a connection: the replies that the server would send."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from time import time

from attrs import frozen

from echoreply.core.connection_info import Address, ConnectionInfo, PortNumbers
from echoreply.core.framing import Block
from echoreply.core.quoting import quote
from echoreply.core.replies import Replies
from echoreply.scripts.responder import Responder
from echoreply.scripts.script import Script
from echoreply.scripts.scripted_conversation import Answer

_CLIENT = ConnectionInfo(1, Address("127.0.0.1", 50000), Address("127.0.0.1", 8088), "tcp")


@frozen
class Outcome:
    """
    The outcome of a message, or of connecting.

    @ivar text: a line for people.
    @ivar fault: whether a reply could not be rendered.
    """

    text: str
    fault: bool = False


def dry_run(script: Script, replies: Replies, max_message: int, messages: Iterable[bytes]) -> Iterator[Outcome]:
    """
    Yield the greeting for a TCP client on this machine, and the outcome of each of its messages.

    @param messages: the messages, with their terminators. The one after the end of a connection begins a new one.
    """
    responder = Responder(script=script, replies=replies, ports=PortNumbers(), seconds=time, report=lambda _fault: None)
    greeting = [_outcome(responder.greeting(_CLIENT))] if script.greeting else []
    yield from greeting
    count = 0
    closed = False
    for message in messages:
        if closed:
            yield from greeting
            count = 0
        count += 1
        body, terminator = Block.split(message)
        text = quote(body)
        closed = True
        if Block.too_long(message, max_message):
            yield Outcome(f"{text}: longer than {max_message} bytes, closes")
        elif body in script.close_words:
            yield Outcome(f"{text}: close_on, closes")
        else:
            answer = responder.answer(_CLIENT, count, body, terminator)
            closed = answer.close
            yield _outcome(answer, f"{text}: ", ", closes" if closed else "")


def _outcome(answer: Answer, before: str = "", after: str = "") -> Outcome:
    if answer.fault:
        return Outcome(f"{before}server error: {answer.fault}{after}", fault=True)
    return Outcome(f"{before}{answer.rule}: {quote(answer.reply) if answer.reply else 'nothing'}{after}")
