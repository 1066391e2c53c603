"""What a server is told, as one value that is right."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, Self

from attrs import Attribute, Converter, field, fields_dict, frozen

from echoreply.core.access import AccessList, Network, network
from echoreply.core.defaults import DEFAULT_IDLE_TIMEOUT, DEFAULT_MAX_MESSAGE, DEFAULT_PAUSE, DEFAULT_PREFIX
from echoreply.core.framing import Framing
from echoreply.core.parsing import choice, given, parser, seconds, whole_number
from echoreply.core.replies import Transform
from echoreply.net.addresses import is_ip_address
from echoreply.observe.log_format import LogFormat
from echoreply.scripts.profiles import text_of

DEFAULT_PORT = 8088

LOCAL_NETWORKS = (
    *("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"),
    *("::1", "fc00::/7", "fe80::/10"),
)
"""Loopback, private networks and links: RFC 1122, 1918, 3927, 4193 and 4291."""


class Engine(Enum):
    """What moves the bytes."""

    AUTO = "auto"
    """uvloop where it is installed, unless somebody has chosen a reactor."""
    TWISTED = "twisted"
    """The reactor that has been chosen, or else Twisted's default."""
    UVLOOP = "uvloop"
    """uvloop's event loop and transports."""


def _address(value: str | None) -> str:
    if value and not is_ip_address(value):
        raise ValueError
    return value or ""


def _path(value: str | None) -> str:
    # A daemon may have another directory when it is to read the file again.
    return os.path.abspath(given(value)) if value is not None else ""


def _endpoint(value: str | None) -> str:
    return given(value) if value is not None else ""


def _profile(value: str | None) -> str:
    if value:
        text_of(value)
    return value or ""


def _alpn(value: str) -> str:
    if not (value.isascii() and value.isprintable() and 0 < len(value) < 256):
        raise ValueError
    return value


def _network(value: str | Network) -> Network:
    if not isinstance(value, str):
        return value
    try:
        return network(value)
    except ValueError as error:
        raise ValueError(f"takes a network such as 192.0.2.0/24 or 2001:db8::/32, but {error}") from None


def _optional(parse: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else parse(value)


def _each(parse: Callable[[Any], Any]) -> Callable[[Iterable[Any]], tuple[Any, ...]]:
    return lambda values: tuple(map(parse, values))


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

    listen: tuple[str, ...] = _option((), _each(parser(given, "a Twisted server endpoint, such as tcp:8088")))
    port: int | None = _option(None, _optional(whole_number(0, 65535)))
    tls: int | None = _option(None, _optional(whole_number(0, 65535)))
    udp: int | None = _option(None, _optional(whole_number(0, 65535)))
    interface: str = _option("", parser(_address, "an IP address of this machine"))
    cert: str = _option(None, parser(_path, "a file"))
    key: str = _option(None, parser(_path, "a file"))
    client_ca: str = _option(None, parser(_path, "a file"))
    alpn: tuple[str, ...] = _option((), _each(parser(_alpn, "the name of a protocol, such as echo/1")))
    allow: tuple[Network, ...] = _option((), _each(_network))
    deny: tuple[Network, ...] = _option((), _each(_network))
    trust_proxy: tuple[Network, ...] = _option(LOCAL_NETWORKS, _each(_network))
    prefix: bytes = _option(DEFAULT_PREFIX, os.fsencode)
    transform: Transform = _option(Transform.NONE, choice(Transform))
    script: str = _option(None, parser(_path, "a file"))
    profile: str = _option(None, _profile)
    framing: Framing | None = _option(None, _optional(choice(Framing)))
    pause: float = _option(DEFAULT_PAUSE, seconds(zero=False))
    max_message: int = _option(DEFAULT_MAX_MESSAGE, whole_number(1))
    log_messages: int = _option(100, whole_number(0))
    log_format: LogFormat = _option(LogFormat.TEXT, choice(LogFormat))
    idle_timeout: float = _option(DEFAULT_IDLE_TIMEOUT, seconds(zero=True))
    max_connections: int = _option(0, whole_number(0))
    max_per_host: int = _option(0, whole_number(0))
    udp_rate: int = _option(1000, whole_number(1))
    engine: Engine = _option(Engine.AUTO, choice(Engine))
    drain: float = _option(5.0, seconds(zero=True))
    web: str = _option(None, parser(_endpoint, "a Twisted server endpoint, such as tcp:9101:interface=127.0.0.1"))
    workers: int = _option(1, parser(_workers, "a whole number, 1 or more, or auto"))

    def __attrs_post_init__(self) -> None:
        if self.interface and self.tcp is None and self.tls is None and self.udp is None:
            raise ValueError("--interface is for --port, --tls and --udp; an endpoint has one of its own")
        if self.tls is None:
            for name in ("cert", "key", "client_ca", "alpn"):
                if getattr(self, name):
                    raise ValueError(f"--{name.replace('_', '-')} is for --tls, which is not given")
        if self.script and self.profile:
            raise ValueError("--script and --profile are one or the other: a profile is a script that comes with us")
        if self.key and not self.cert:
            raise ValueError("--key takes the key of a certificate: give --cert, too")
        if self.workers > 1 and not hasattr(socket, "SO_REUSEPORT"):
            raise ValueError("--workers takes 1 on this system, which has no SO_REUSEPORT")

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> Self:
        """Make settings of the texts of options; other options are passed over."""
        return cls(**{name: options[name] for name in fields_dict(cls)})

    def options(self) -> list[str]:
        """Give the command line options that these settings come from, those without a value left out."""
        options = []
        for name in fields_dict(type(self)):
            setting = getattr(self, name)
            values = setting if isinstance(setting, tuple) else [setting]
            options += [
                f"--{name.replace('_', '-')}={_text(value)}"
                for value in values
                if name == "prefix" or value not in ("", None)
            ]
        return options

    @property
    def tcp(self) -> int | None:
        """The port for plain TCP, if there is one: the default one if nothing else is said."""
        nothing = not self.listen and self.port is None and self.tls is None and self.udp is None
        return DEFAULT_PORT if nothing else self.port

    @property
    def access(self) -> AccessList:
        """Who may come."""
        return AccessList(self.allow, self.deny)
