"""What a server is told, as one value that is right."""

from __future__ import annotations

import os

from attrs import field, frozen

from echoreply.address import is_ip_address
from echoreply.conversation import Rules
from echoreply.framing import Framing
from echoreply.parsing import choice, parser, seconds, whole_number
from echoreply.protocol import DEFAULT_PAUSE
from echoreply.replies import Replies, Transform

_RULES = Rules()


def _address(value: str | None) -> str:
    if value and not is_ip_address(value):
        raise ValueError
    return value or ""


@frozen(kw_only=True)
class Settings:
    """
    Everything that a server can be told, each under its option's name. Values may be given as the texts of options.

    @raise ValueError: a value is not one that its field takes; the text says what it takes.
    """

    port: int = field(default=8088, converter=whole_number(0, 65535))
    interface: str = field(default="", converter=parser(_address, "an IP address of this machine"))
    prefix: bytes = field(default=_RULES.replies.prefix, converter=os.fsencode)
    transform: Transform = field(default=_RULES.replies.transform, converter=choice(Transform))
    framing: Framing = field(default=_RULES.framing, converter=choice(Framing))
    pause: float = field(default=DEFAULT_PAUSE, converter=seconds(zero=False))
    max_message: int = field(default=_RULES.max_message, converter=whole_number(1))
    log_messages: int = field(default=100, converter=whole_number(0))
    drain: float = field(default=5.0, converter=seconds(zero=True))

    @property
    def rules(self) -> Rules:
        """Where a message ends, and what it is answered with."""
        return Rules(
            replies=Replies(prefix=self.prefix, transform=self.transform),
            framing=self.framing,
            max_message=self.max_message,
        )
