"""The command line options for connecting, which C{echoreply-client} and C{echoreply-measure} share."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from enum import Enum
from functools import partial
from ipaddress import ip_address
from typing import Any, NoReturn, Protocol

from echoreply.core.defaults import DEFAULT_PORT
from echoreply.core.option import Option, option_list
from echoreply.core.parsing import nonempty, printable, seconds, server_name, whole_number

LOOPBACK = {4: "127.0.0.1", 6: "::1"}

ARGUMENTS = "Arguments"
CONNECTION = "Connection options"
TLS = "TLS"
INFORMATION = "Print and exit"

_ADDRESS = "a name, an IP address, or either with a port, as HOST:PORT or [IPv6]:PORT"

_ARGPARSE_WORDS = {
    "expected one argument$": "takes a value, and none is given",
    "expected 2 arguments$": "takes two values",
    "not allowed with argument (?:-./)?": "does not go with ",
    "ignored explicit argument": "takes no value, not",
}
"""Patterns of argparse's error messages, and the texts that replace them."""

_port = whole_number(1, 65535)


class TakesOptions(Protocol):
    """A parser, or a group of one."""

    def add_argument(self, *flags: str, **keywords: Any) -> argparse.Action: ...  # noqa: ANN401


class Parser(argparse.ArgumentParser):
    """
    An argparse parser whose help has a line for each option, and whose errors are one line without the usage.

    @ivar options: all options and arguments, in the order of their declarations.
    """

    def __init__(self, program: str, introduction: str) -> None:
        """
        Initialize a parser without options.

        @param introduction: the text between the usage and the options in C{--help}.
        """
        super().__init__(
            program, usage=f"{program} [options] [HOST [PORT] | HOST:PORT]", add_help=False, allow_abbrev=False
        )
        self.options: list[Option] = []
        self._introduction = introduction

    def declare(
        self,
        group: str,
        *flags: str,
        help: str,  # noqa: A002  # as argparse has it
        shown: str = "",
        within: TakesOptions | None = None,
        **keywords: Any,  # noqa: ANN401
    ) -> None:
        """
        Add an option or an argument, as C{add_argument} does, and list it in the help.

        @param shown: describes the default in the help, if its value alone would not.
        @param within: the group of options that exclude each other, if this is one of them.
        """
        action = (within or self).add_argument(*flags, help=help, **keywords)
        names = {len(flag) - len(flag.lstrip("-")): flag.lstrip("-") for flag in flags}
        metavar = action.metavar or ""
        option = Option(
            name=names.get(2, ""),
            short=names.get(1, ""),
            metavar=metavar if isinstance(metavar, str) else " ".join(metavar),
            group=group,
            help=help,
            default=shown or _default(action),
        )
        self.options.append(option)

    def parse(self, arguments: Sequence[str] | None = None) -> argparse.Namespace:
        """Parse a command line, and its HOST and PORT; exit with status 2 if it has a mistake."""
        before, after = self._split(sys.argv[1:] if arguments is None else arguments)
        options, rest = self.parse_known_intermixed_args(before)
        for argument in rest:
            # argparse would treat the value of an unknown option as HOST.
            if argument.startswith("-"):
                self.error(f"unknown option {printable(argument.partition('=')[0])}; see --help")
        for name in ("host", "port"):
            if after and getattr(options, name) is None:
                setattr(options, name, after.pop(0))
        rest += after
        if rest:
            self.error(f"takes HOST and PORT and nothing else, not also {rest[0]!r}")
        try:
            options.host, options.port = _host_and_port(options.host, options.port)
        except ValueError as error:
            self.error(str(error))
        return options

    def _split(self, arguments: Sequence[str]) -> tuple[list[str], list[str]]:
        """
        Return the arguments before C{--}, and those after it.

        An option that takes one value is joined with the argument that follows: argparse would not take a value that
        begins with a dash.
        """
        flags = {
            flag for option in self.options if option.metavar and " " not in option.metavar for flag in option.flags
        }
        before: list[str] = []
        rest = iter(arguments)
        for argument in rest:
            if argument == "--":
                break
            value = next(rest, None) if argument in flags else None
            before.append(argument if value is None else f"{argument}={value}")
        return before, list(rest)

    def format_help(self) -> str:
        return f"Usage: {self.usage}\n\n{self._introduction}\n{option_list(self.options)}"

    def error(self, message: str) -> NoReturn:
        """Print the message on one line, and exit with status 2."""
        if match := re.match(r"argument (?:-\w/)?(\S+): (.*)", message, re.DOTALL):
            # The error of one of our parsers completes this sentence. Errors of argparse itself are reworded to do so.
            name, said = match.groups()
            for pattern, words in _ARGPARSE_WORDS.items():
                said = re.sub(f"^{pattern}", words, said)
            message = f"{name} {said}"
        self.exit(2, f"{self.prog}: {message}\n")


def _default(action: argparse.Action) -> str:
    default = action.default
    if default is None or default is False or default == argparse.SUPPRESS:
        return ""
    if isinstance(default, Enum):
        return str(default.value)
    return f"{default:g}" if isinstance(default, float) else str(default)


def argument_type(parse: Callable[[Any], Any]) -> Callable[[str], Any]:
    """Return a C{type} for C{add_argument}, made from a parser of L{echoreply.core.parsing}."""

    def parse_argument(text: str) -> Any:  # noqa: ANN401
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parse_argument


def add_connect_options(parser: Parser) -> None:
    """Declare the options of L{connect_target <echoreply.connect.target.connect_target>}, except for those of TLS."""
    add = partial(parser.declare, ARGUMENTS)
    add(
        "host",
        metavar="HOST",
        nargs="?",
        help="name, IP address, or HOST:PORT",
        shown=f"{LOOPBACK[4]}; -6: {LOOPBACK[6]}",
    )
    add("port", metavar="PORT", nargs="?", help="TCP port, or UDP port with --udp", shown=str(DEFAULT_PORT))
    add = partial(parser.declare, CONNECTION)
    family = parser.add_mutually_exclusive_group()
    for number in LOOPBACK:
        help_text = f"only IPv{number} addresses of HOST"
        add(f"-{number}", action="store_const", const=number, dest="family", help=help_text, within=family)
    kind = parser.add_mutually_exclusive_group()
    add("--udp", action="store_true", help="send each line as a datagram", within=kind)
    add("--unix", type=argument_type(nonempty), metavar="PATH", help="a UNIX socket, in place of HOST", within=kind)
    add(
        "--connect",
        type=argument_type(nonempty),
        metavar="ENDPOINT",
        help="a Twisted client endpoint, in place of HOST",
        within=kind,
    )
    add(
        "--connect-timeout",
        default=10.0,
        type=argument_type(seconds(zero=False)),
        metavar="SECONDS",
        help="give up connecting after this time",
    )


def add_tls_options(parser: Parser) -> None:
    """Declare the options of TLS."""
    add = partial(parser.declare, TLS)
    add("--tls", action="store_true", help="use TLS and verify the server's certificate")
    add(
        "--ca",
        type=argument_type(nonempty),
        metavar="FILE",
        help="trust only these CAs, PEM",
        shown="the system's CAs",
    )
    add("--insecure", action="store_true", help="do not verify the server's certificate")
    add(
        "--servername",
        type=argument_type(server_name),
        metavar="NAME",
        help="name to verify, and to send (SNI)",
        shown="HOST",
    )
    add("--cert", type=argument_type(nonempty), metavar="FILE", help="client certificate (mutual TLS), PEM")
    add("--key", type=argument_type(nonempty), metavar="FILE", help="its private key, PEM", shown="in the --cert file")


def add_information(parser: Parser, version: str) -> None:
    """Declare C{--help} and C{--version}."""
    add = partial(parser.declare, INFORMATION)
    add("-h", "--help", action="help", help="this help")
    add("--version", action="version", version=f"{parser.prog} {version}", help="the version")


def _host_and_port(host: str | None, port: str | None) -> tuple[str | None, int | None]:
    """
    Parse the arguments HOST and PORT, either of which may be missing; HOST may contain the port.

    @raise ValueError: one of them can't be parsed, or there are two ports.
    """
    if host is None:
        return None, None
    if not host:
        raise ValueError("HOST takes a text that is not empty")
    name, within = host, None
    if match := re.fullmatch(r"\[(.*)\](?::(.*))?", host):
        name, within = match.groups()
    elif host.count(":") == 1:
        name, within = host.split(":")
    if not name or ((match or ":" in name) and literal_family(name) != 6):
        raise ValueError(f"HOST takes {_ADDRESS}, not {host!r}")
    if within is not None and port is not None:
        raise ValueError(f"PORT is given twice: in {host!r}, and as {port!r}")
    text = port if within is None else within
    try:
        return name, None if text is None else _port(text)
    except ValueError as error:
        raise ValueError(f"PORT {error}") from None


def check_connect_options(parser: Parser, options: argparse.Namespace) -> None:
    """Set the default host and port; exit with status 2 if options contradict each other."""
    if mistake := contradiction(parser, options):
        parser.error(mistake)
    if not (options.unix or options.connect):
        options.host = options.host or LOOPBACK[options.family or 4]
        options.port = options.port or DEFAULT_PORT


def contradiction(parser: Parser, options: argparse.Namespace) -> str:
    """Return which options contradict each other, and why; an empty text if none do."""
    elsewhere = "--unix" if options.unix else "--connect" if options.connect else ""
    if elsewhere and options.host:
        return f"{elsewhere} takes the place of HOST and PORT, not also {options.host!r}"
    if elsewhere and options.family:
        return f"-{options.family} does not go with {elsewhere}, which takes the place of HOST"
    if options.family and options.host and literal_family(options.host) not in (None, options.family):
        return f"-{options.family} takes a name or an IPv{options.family} address as HOST, not {options.host!r}"
    if not options.tls:
        for option in parser.options:
            if option.group == TLS and getattr(options, option.key) != parser.get_default(option.key):
                return f"--{option.name} needs --tls"
    elif options.udp:
        return "--tls does not go with --udp, which has no connection"
    elif elsewhere and not (options.servername or options.insecure):
        return f"--tls with {elsewhere} needs --servername, the name to verify, or --insecure"
    if options.insecure and options.ca:
        return "--insecure and --ca are one or the other: with --insecure no certificate is verified"
    if options.key and not options.cert:
        return "--key needs --cert, its certificate"
    return ""


def literal_family(host: str) -> int | None:
    """Return 4 or 6 for an IP address of that family, C{None} for a name."""
    try:
        return ip_address(host).version
    except ValueError:
        return None
