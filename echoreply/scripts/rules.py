"""The rules of a server that a script makes."""

from __future__ import annotations

from collections.abc import Callable
from time import time

from echoreply.core.connection_info import PortNumbers
from echoreply.core.conversation import Rules
from echoreply.core.defaults import DEFAULT_MAX_MESSAGE
from echoreply.core.framing import Framing
from echoreply.core.replies import Replies
from echoreply.scripts.conversation import ScriptedRules
from echoreply.scripts.script import Script
from echoreply.scripts.speaker import Speaker


def rules_of_script(
    script: Script,
    replies: Replies | None = None,
    *,
    framing: Framing | None = None,
    max_message: int = DEFAULT_MAX_MESSAGE,
    ports: PortNumbers | None = None,
    seconds: Callable[[], float] = time,
    report: Callable[[str], object] = lambda _fault: None,
) -> Rules:
    """
    Make a server's rules of a script.

    If it is no more than something before each message, they are as fast as without a script.

    @param replies: the prefix that the script may use, and what is done to messages in their replies.
    @param framing: where a message ends, whatever the script says.
    @param max_message: the longest message, in bytes without its terminator.
    @param ports: those that the script may tell of.
    @param seconds: gives the time, in seconds since 1970, as a reactor does.
    @param report: is told of each reply that it could not be made, and why; of each only once.
    """
    replies = replies or Replies()
    speaker = Speaker(script=script, replies=replies, ports=ports or PortNumbers(), seconds=seconds, report=report)
    framing = framing or script.framing or Framing.AUTO
    greeting = speaker.greet if script.greeting else None
    head = script.head(replies.prefix)
    if head is None:
        return ScriptedRules(replies, framing, max_message, script.close_words, greeting, answer=speaker.answer)
    return Rules(Replies(head, replies.transform), framing, max_message, script.close_words, greeting)
