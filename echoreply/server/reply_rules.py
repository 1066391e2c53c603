"""The reply rules of the settings: from a prefix, a reply script, or a profile."""

from __future__ import annotations

from collections.abc import Callable
from time import time
from typing import TYPE_CHECKING

from echoreply.core.connection_info import PortNumbers
from echoreply.core.conversation import Rules
from echoreply.core.framing import Framing
from echoreply.core.replies import Replies
from echoreply.net.files import read_text
from echoreply.scripts.profiles import DEFAULT_PROFILE, text_of
from echoreply.server.settings import Settings

if TYPE_CHECKING:
    from echoreply.scripts.script import Script


def script_of(settings: Settings, read: Callable[[str], str] = read_text) -> Script:
    """
    Read the script or the profile that the settings name, or else the default profile.

    @param read: returns the text of a file.
    @raise ValueError: it can't be read or is wrong. The text has the place and the reason, for people.
    """
    from echoreply.scripts.source import script_of_toml  # lazily: it takes fourteen megabytes

    if settings.script:
        return script_of_toml(read(settings.script), settings.script)
    name = settings.profile or DEFAULT_PROFILE
    return script_of_toml(text_of(name), f"profile {name}")


def replies_of(settings: Settings) -> Replies:
    """Return the replies of a server without a script."""
    return Replies(settings.prefix, settings.transform)


def rules_of(
    settings: Settings,
    ports: PortNumbers,
    seconds: Callable[[], float] = time,
    report: Callable[[str], object] = lambda _fault: None,
    read: Callable[[str], str] = read_text,
) -> Rules:
    """
    Return the rules.

    The parameters are those of L{rules_of_script <echoreply.scripts.rules.rules_of_script>} and of L{script_of}.

    @raise ValueError: the script can't be read or is wrong. The text has the place and the reason, for people.
    """
    replies = replies_of(settings)
    if not (settings.script or settings.profile):
        return Rules(replies, settings.framing or Framing.AUTO, settings.max_message)
    from echoreply.scripts.rules import rules_of_script

    return rules_of_script(
        script_of(settings, read),
        replies,
        framing=settings.framing,
        max_message=settings.max_message,
        ports=ports,
        seconds=seconds,
        report=report,
    )
