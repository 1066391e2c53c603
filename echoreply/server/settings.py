"""The server's settings: the declarations of all options, and one immutable, validated value of them."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from enum import Enum
from ipaddress import ip_address
from typing import Any, Self

from attrs import Attribute, Converter, evolve, field, fields, fields_dict, frozen

from echoreply.core.access import AccessList, Network, network
from echoreply.core.defaults import (
    DEFAULT_IDLE_TIMEOUT,
    DEFAULT_MAX_MESSAGE,
    DEFAULT_PAUSE,
    DEFAULT_PORT,
    DEFAULT_PREFIX,
)
from echoreply.core.framing import Framing
from echoreply.core.option import Option
from echoreply.core.parsing import alternatives, choice, nonempty, parser, seconds, whole_number
from echoreply.core.replies import Transform
from echoreply.scripts.profiles import text_of
from echoreply.server.help import Group

LOOPBACK = "127.0.0.1"

LOCAL_NETWORKS = (
    *("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"),
    *("::1", "fc00::/7", "fe80::/10"),
)
"""Loopback, private and link-local networks: RFC 1122, 1918, 3927, 4193 and 4291."""


class Engine(Enum):
    """The event loop, which does the I/O."""

    AUTO = "auto"
    """uvloop if it is installed, unless another reactor has been installed already."""
    TWISTED = "twisted"
    """The reactor that has been installed, or else Twisted's default."""
    UVLOOP = "uvloop"
    """uvloop's event loop and transports."""


class LogFormat(Enum):
    """The format of the log."""

    TEXT = "text"
    """The text format of twistd."""
    JSON = "json"
    """One JSON object per line."""


class OptionError(ValueError):
    """
    A value that an option does not take, or options that contradict each other. The text is for people.

    @ivar options: the names of the options that the text is about, its subject first.
    """

    def __init__(self, text: str, *options: str) -> None:
        super().__init__(text)
        self.options = options


def _address(value: str) -> str:
    if value == "localhost":
        # RFC 6761, 6.3: it is always loopback, so it needs no lookup.
        return LOOPBACK
    if value:
        ip_address(value)
    return value


def _path(value: str) -> str:
    # A daemon changes its directory before it may read the file again.
    return os.path.abspath(nonempty(value))


def _endpoint(of_port: Callable[[int], str], example: str) -> Callable[[Any], str]:
    """Return the parser of an endpoint description, or of a bare port, which C{of_port} converts."""

    def parse(value: str) -> str:
        if value.isdigit():
            return of_port(whole_number(0, 65535)(value))
        if not value[:1].isalpha():
            raise ValueError
        return value

    return parser(parse, f"a port or a Twisted server endpoint, such as {example}")


def _on_loopback(port: int) -> str:
    return f"tcp:{port}:interface={LOOPBACK}"


def _profile(value: str) -> str:
    if value:
        text_of(value)
    return value


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


def _workers(value: object) -> int:
    return cores() if value == "auto" else whole_number(1)(value)


def cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def option(
    group: Group,
    metavar: str,
    parse: Callable[[Any], Any],
    help: str,  # noqa: A002  # as argparse has it
    *,
    default: object = None,
    shown: str = "",
    short: str = "",
    repeatable: bool = False,
) -> Any:  # noqa: ANN401
    """
    Declare a setting and its option. The option's name is the name of the field, with dashes.

    @param metavar: stands for the value in help and documents; empty for a flag, whose default is C{False}.
    @param parse: parses the option's text, or a value that already has its type; of a repeatable option, one of them.
    @param default: is the setting's value if the option is not given.
    @param shown: describes the default in the help, if its value alone would not.
    """
    parse_all = (lambda values: tuple(map(parse, values))) if repeatable else parse

    def convert(value: object, setting: Attribute[Any]) -> Any:  # noqa: ANN401
        if value is None:
            return default
        name = _dashed(setting.name)
        try:
            return parse_all(value)
        except ValueError as error:
            raise OptionError(f"--{name} {error}", name) from None

    declared = Option(
        group=group,
        metavar=metavar,
        help=help,
        short=short,
        repeatable=repeatable,
        default=shown or ("" if default in (None, "", ()) or default is False else _text(default)),
    )
    return field(default=None, converter=Converter(convert, takes_field=True), metadata={Option: declared})


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def _text(value: object) -> str:
    """Return an option's value as it is written on a command line."""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, tuple):
        return ", ".join(map(_text, value))
    if isinstance(value, float):
        return str(value).removesuffix(".0")
    return os.fsdecode(value) if isinstance(value, bytes) else str(value)


@frozen(kw_only=True)
class Settings:
    """
    The settings of a server, made from values or from the options' texts. C{None} means that an option is not given.

    @raise OptionError: an option does not take its value, or contradicts another.
    """

    port: int | None = option(
        Group.LISTENING,
        "PORT",
        whole_number(0, 65535),
        "TCP; 0 is any free port",
        shown=f"{DEFAULT_PORT} if no other is given",
        short="p",
    )
    tls: int | None = option(Group.LISTENING, "PORT", whole_number(0, 65535), "TCP with TLS 1.2 or 1.3")
    udp: int | None = option(Group.LISTENING, "PORT", whole_number(0, 65535), "UDP")
    listen: tuple[str, ...] = option(
        Group.LISTENING,
        "ENDPOINT",
        _endpoint(str, "tcp:8088"),
        "a TCP port or a Twisted endpoint",
        default=(),
        short="l",
        repeatable=True,
    )
    interface: str = option(
        Group.LISTENING,
        "ADDR",
        parser(_address, "an IP address of this machine, or localhost"),
        "IP address of these ports",
        default="",
        shown="all, IPv6 and IPv4",
        short="i",
    )
    cert: str = option(
        Group.TLS,
        "FILE",
        parser(_path, "a file"),
        "PEM certificate",
        default="",
        shown="self-signed, generated at start-up",
    )
    key: str = option(
        Group.TLS, "FILE", parser(_path, "a file"), "its private key, PEM", default="", shown="in the --cert file"
    )
    client_ca: str = option(
        Group.TLS,
        "FILE",
        parser(_path, "a file"),
        "require certificates signed by these CAs",
        default="",
    )
    alpn: tuple[str, ...] = option(
        Group.TLS,
        "NAME",
        parser(_alpn, "the name of a protocol, such as echo/1"),
        "ALPN protocol, best first",
        default=(),
        repeatable=True,
    )
    allow: tuple[Network, ...] = option(
        Group.ACCESS, "CIDR", _network, "accept only this network", default=(), shown="all", repeatable=True
    )
    deny: tuple[Network, ...] = option(
        Group.ACCESS, "CIDR", _network, "deny this network, even if allowed", default=(), repeatable=True
    )
    trust_proxy: tuple[Network, ...] = option(
        Group.ACCESS,
        "CIDR",
        _network,
        "trusted PROXY senders",
        default=tuple(map(network, LOCAL_NETWORKS)),
        shown="local networks",
        repeatable=True,
    )
    max_connections: int = option(
        Group.ACCESS, "N", whole_number(0), "connections; 0: as many as open files allow", default=0
    )
    max_per_host: int = option(Group.ACCESS, "N", whole_number(0), "connections per IP address; 0: no limit", default=0)
    udp_rate: int = option(Group.ACCESS, "N", whole_number(1), "datagrams answered per second and host", default=1000)
    idle_timeout: float = option(
        Group.ACCESS,
        "SECONDS",
        seconds(zero=True),
        "idle timeout of connections; 0 disables",
        default=DEFAULT_IDLE_TIMEOUT,
    )
    drain: float = option(Group.ACCESS, "SECONDS", seconds(zero=True), "graceful-shutdown timeout", default=5.0)
    prefix: bytes = option(
        Group.REPLIES, "TEXT", os.fsencode, "before the message in each reply", default=DEFAULT_PREFIX
    )
    transform: Transform = option(
        Group.REPLIES,
        alternatives(Transform),
        choice(Transform),
        "case of ASCII letters",
        default=Transform.NONE,
    )
    script: str = option(Group.REPLIES, "FILE", parser(_path, "a file"), "reply script, TOML", default="")
    profile: str = option(Group.REPLIES, "NAME", _profile, "reply script that comes with the server", default="")
    framing: Framing | None = option(
        Group.FRAMING,
        alternatives(Framing),
        choice(Framing),
        "where a message ends",
        shown="the script's, else auto",
    )
    pause: float = option(
        Group.FRAMING, "SECONDS", seconds(zero=False), "silence that ends a message if auto", default=DEFAULT_PAUSE
    )
    max_message: int = option(
        Group.FRAMING, "BYTES", whole_number(1), "longest message, without its end", default=DEFAULT_MAX_MESSAGE
    )
    log_messages: int = option(
        Group.MONITORING, "N", whole_number(0), "messages logged per second; 0: none", default=100
    )
    log_format: LogFormat = option(
        Group.MONITORING,
        alternatives(LogFormat),
        choice(LogFormat),
        "text, or a JSON object per line",
        default=LogFormat.TEXT,
    )
    web: str = option(
        Group.MONITORING,
        "ENDPOINT",
        _endpoint(_on_loopback, _on_loopback(9101)),
        f"dashboard, metrics, health; a port: on {LOOPBACK}",
        default="",
    )
    engine: Engine = option(
        Group.RUNNING, alternatives(Engine), choice(Engine), "event loop (I/O engine)", default=Engine.AUTO
    )
    workers: int = option(
        Group.RUNNING,
        "N|auto",
        parser(_workers, "a whole number, 1 or more, or auto"),
        "processes on the same ports; auto: one per core",
        default=1,
    )

    def __attrs_post_init__(self) -> None:
        ports = [*(self.tcp, self.tls, self.udp), *(int(each) for each in self.listen if each.isdecimal())]
        if self.interface and all(port is None for port in ports):
            raise OptionError(
                "--interface is for --port, --tls and --udp, and for a bare port to --listen; an endpoint has its own",
                "interface",
                "listen",
            )
        if self.tls is None:
            for each in self.declared():
                if each.group is Group.TLS and getattr(self, each.key):
                    raise OptionError(f"--{each.name} is for --tls, which is not given", each.name)
        if self.script and self.profile:
            raise OptionError(
                "--script and --profile are one or the other: a profile is a script that comes with the server",
                "script",
                "profile",
            )
        if self.key and not self.cert:
            raise OptionError("--key takes the key of a certificate: give --cert, too", "key")
        if self.workers > 1 and not hasattr(socket, "SO_REUSEPORT"):
            raise OptionError("--workers takes 1 on this system, which has no SO_REUSEPORT", "workers")

    @classmethod
    def declared(cls) -> tuple[Option, ...]:
        """Return the options of all settings."""
        return tuple(evolve(each.metadata[Option], name=_dashed(each.name)) for each in fields(cls))

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> Self:
        """Return settings made from the texts of options, by the settings' names. Other entries are ignored."""
        texts: dict[str, Any] = {name: options.get(name) for name in fields_dict(cls)}
        return cls(**texts)

    def options(self) -> list[str]:
        """Return command line options for the same settings."""
        options = []
        for each in self.declared():
            setting = getattr(self, each.key)
            values = setting if each.repeatable else [setting]
            if not each.metavar:
                options += [f"--{each.name}"] if setting else []
            else:
                options += [
                    f"--{each.name}={_text(value)}"
                    for value in values
                    if each.name == "prefix" or value not in ("", None)
                ]
        return options

    @property
    def tcp(self) -> int | None:
        """The port for plain TCP, if any: the default one if no other endpoint is given."""
        no_other = not self.listen and self.tls is None and self.udp is None
        return DEFAULT_PORT if self.port is None and no_other else self.port

    @property
    def access(self) -> AccessList:
        """The networks that are accepted and denied."""
        return AccessList(self.allow, self.deny)
