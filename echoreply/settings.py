"""What a server is told, as one value that is right."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Self

from attrs import Attribute, Converter, field, fields_dict, frozen

from echoreply.address import is_ip_address
from echoreply.conversation import Rules
from echoreply.engine import Engine
from echoreply.framing import Framing
from echoreply.parsing import choice, parser, seconds, whole_number
from echoreply.protocol import DEFAULT_IDLE_TIMEOUT, DEFAULT_PAUSE
from echoreply.replies import Replies, Transform

_RULES = Rules()


def _address(value: str | None) -> str:
    if value and not is_ip_address(value):
        raise ValueError
    return value or ""


def _endpoint(value: str | None) -> str:
    if value == "":
        raise ValueError
    return value or ""


def _workers(value: object) -> int:
    return cores() if value == "auto" else whole_number(1)(value)


def cores() -> int:
    """Give how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _option(default: object, parse: Callable[[Any], Any]) -> Any:  # noqa: ANN401
    """Declare an option. Its name is the field's, with dashes; its parser raises L{ValueError} for people."""

    def convert(value: object, setting: Attribute[Any]) -> Any:  # noqa: ANN401
        try:
            return parse(value)
        except ValueError as error:
            raise ValueError(f"--{setting.name.replace('_', '-')} {error}") from None

    return field(default=default, converter=Converter(convert, takes_field=True))


def _text(value: object) -> str:
    """Write an option's value as it is written on a command line."""
    if isinstance(value, Enum):
        value = value.value
    return os.fsdecode(value) if isinstance(value, bytes) else str(value)


@frozen(kw_only=True)
class Settings:
    """
    Everything that a server can be told, each thing under its option's name, as a value or as the option's text.

    @raise ValueError: a value is not one that its option takes. The text names the option, the value, and what it
        takes.
    """

    listen: str = _option(None, parser(_endpoint, "a Twisted server endpoint, such as tcp:8088"))
    port: int = _option(8088, whole_number(0, 65535))
    interface: str = _option("", parser(_address, "an IP address of this machine"))
    prefix: bytes = _option(_RULES.replies.prefix, os.fsencode)
    transform: Transform = _option(_RULES.replies.transform, choice(Transform))
    framing: Framing = _option(_RULES.framing, choice(Framing))
    pause: float = _option(DEFAULT_PAUSE, seconds(zero=False))
    max_message: int = _option(_RULES.max_message, whole_number(1))
    log_messages: int = _option(100, whole_number(0))
    idle_timeout: float = _option(DEFAULT_IDLE_TIMEOUT, seconds(zero=True))
    max_connections: int = _option(0, whole_number(0))
    max_per_host: int = _option(0, whole_number(0))
    engine: Engine = _option(Engine.AUTO, choice(Engine))
    drain: float = _option(5.0, seconds(zero=True))
    workers: int = _option(1, parser(_workers, "a whole number, 1 or more, or auto"))

    def __attrs_post_init__(self) -> None:
        if self.listen and (self.interface or self.port != fields_dict(Settings)["port"].default):
            raise ValueError("--listen takes the place of --port and --interface: give one or the other")
        if self.listen and self.workers > 1:
            raise ValueError("--workers takes 1 with --listen: several share a port by --port and --interface")
        if self.workers > 1 and not hasattr(socket, "SO_REUSEPORT"):
            raise ValueError("--workers takes 1 on this system, which has no SO_REUSEPORT")

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> Self:
        """Make settings of the texts of options; other options are passed over."""
        return cls(**{name: options[name] for name in fields_dict(cls)})

    def options(self) -> list[str]:
        """Give the command line options that these settings come from, those without a value left out."""
        values = {name: getattr(self, name) for name in fields_dict(type(self))}
        return [
            f"--{name.replace('_', '-')}={_text(value)}"
            for name, value in values.items()
            if name == "prefix" or value != ""
        ]

    @property
    def rules(self) -> Rules:
        """Where a message ends, and what it is answered with."""
        return Rules(
            replies=Replies(prefix=self.prefix, transform=self.transform),
            framing=self.framing,
            max_message=self.max_message,
        )
