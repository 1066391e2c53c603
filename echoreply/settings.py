"""What a server is told, as one value that is right."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Self

from attrs import frozen

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
    Everything that a server can be told, each thing under its option's name.

    @raise ValueError: a value is not one that its option takes. The text names the option, the value, and what it
        takes.
    """

    port: int = 8088
    interface: str = ""
    prefix: bytes = _RULES.replies.prefix
    transform: Transform = _RULES.replies.transform
    framing: Framing = _RULES.framing
    pause: float = DEFAULT_PAUSE
    max_message: int = _RULES.max_message
    log_messages: int = 100
    drain: float = 5.0

    def __attrs_post_init__(self) -> None:
        for name in _PARSERS:
            _parse(name, getattr(self, name))

    @classmethod
    def parse(cls, options: Mapping[str, object]) -> Self:
        """Make settings of the texts of options; other options are passed over."""
        return cls(**{name: _parse(name, options[name]) for name in _PARSERS})

    @property
    def rules(self) -> Rules:
        """Where a message ends, and what it is answered with."""
        return Rules(
            replies=Replies(prefix=self.prefix, transform=self.transform),
            framing=self.framing,
            max_message=self.max_message,
        )


_PARSERS: dict[str, Callable[[Any], Any]] = {
    "port": whole_number(0, 65535),
    "interface": parser(_address, "an IP address of this machine"),
    "prefix": os.fsencode,
    "transform": choice(Transform),
    "framing": choice(Framing),
    "pause": seconds(zero=False),
    "max_message": whole_number(1),
    "log_messages": whole_number(0),
    "drain": seconds(zero=True),
}


def _parse(name: str, value: object) -> Any:  # noqa: ANN401
    try:
        return _PARSERS[name](value)
    except ValueError as error:
        raise ValueError(f"--{name.replace('_', '-')} {error}") from None
