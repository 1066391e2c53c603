"""Converting a script to the rules of a server's conversations."""

from __future__ import annotations

from collections.abc import Callable
from time import time

from echoreply.core.connection_info import PortNumbers
from echoreply.core.conversation import Rules
from echoreply.core.defaults import DEFAULT_MAX_MESSAGE
from echoreply.core.framing import Framing, FramingEnum
from echoreply.core.replies import Replies
from echoreply.scripts.responder import Responder
from echoreply.scripts.script import Script
from echoreply.scripts.scripted_conversation import ScriptedRules


def rules_of_script(
    script: Script,
    replies: Replies | None = None,
    *,
    framing: FramingEnum | None = None,
    max_message: int = DEFAULT_MAX_MESSAGE,
    ports: PortNumbers | None = None,
    seconds: Callable[[], float] = time,
    report: Callable[[str], object] = lambda _fault: None,
) -> Rules:
    """
    Return the rules of a server with a script.

    If all replies are a constant prefix and the message, the rules are as fast as those without a script.

    @param replies: the prefix that the script may use, and the transform of messages in their replies.
    @param framing: where a message ends, whatever the script says.
    @param max_message: bytes in the longest message, without its terminator.
    @param ports: the ports that templates may show.
    @param seconds: returns the time in seconds since 1970, as a reactor does.
    @param report: called with the error when a reply can't be rendered; once for each rule.
    """
    replies = replies or Replies()
    responder = Responder(script=script, replies=replies, ports=ports or PortNumbers(), seconds=seconds, report=report)
    framing = framing or script.framing or Framing.AUTO
    greeting = responder.greet if script.greeting else None
    prefix = script.constant_prefix(replies.prefix)
    if prefix is None:
        return ScriptedRules(replies, framing, max_message, script.close_words, greeting, answer=responder.answer)
    return Rules(Replies(prefix, replies.transform), framing, max_message, script.close_words, greeting)
