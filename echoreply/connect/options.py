"""Where a client goes, as its command line says it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any, NoReturn

from echoreply.core.parsing import given, seconds, server_name, whole_number

LOOPBACK = {4: "127.0.0.1", 6: "::1"}
PORT = 8088
"""Where the client goes if it is not told, and with C{-4} or C{-6}."""


class Parser(argparse.ArgumentParser):
    """A parser that says in one line what was wrong."""

    def error(self, message: str) -> NoReturn:
        """Say it, and end with status 2."""
        self.exit(2, f"{self.prog}: {message}\n")


def taken_by(parse: Callable[[Any], Any]) -> Callable[[str], Any]:
    """Make one of our parsers one of argparse's."""

    def parse_argument(text: str) -> Any:  # noqa: ANN401
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parse_argument


def add_connect_options(parser: argparse.ArgumentParser) -> None:
    """Let a parser take what L{destination <echoreply.connect.target.destination>} needs."""
    where = parser.add_argument_group("where to")
    add = where.add_argument
    add(
        "host",
        metavar="HOST",
        nargs="?",
        type=taken_by(given),
        help=f"name or IP address [{LOOPBACK[4]}; with -6 {LOOPBACK[6]}]",
    )
    add("port", metavar="PORT", nargs="?", type=taken_by(whole_number(1, 65535)), help=f"[{PORT}]")
    family = where.add_mutually_exclusive_group()
    for number in LOOPBACK:
        help_text = f"use HOST's IPv{number} addresses only"
        family.add_argument(f"-{number}", action="store_const", const=number, dest="family", help=help_text)
    kind = where.add_mutually_exclusive_group()
    kind.add_argument("--udp", action="store_true", help="send datagrams, one a line, and show those that come")
    kind.add_argument("--unix", type=taken_by(given), metavar="PATH", help="connect to a UNIX socket")
    kind.add_argument("--connect", type=taken_by(given), metavar="ENDPOINT", help="connect to a Twisted endpoint")
    add(
        "--connect-timeout",
        default=10.0,
        type=taken_by(seconds(zero=False)),
        metavar="SECONDS",
        help="give up connecting after so long [10]",
    )


def add_tls_options(parser: argparse.ArgumentParser) -> None:
    """Let a parser take what of that is about TLS."""
    add = parser.add_argument_group("TLS").add_argument
    add("--tls", action="store_true", help="speak TLS, and check whose certificate the server has")
    add("--ca", type=taken_by(given), metavar="FILE", help="trust these, in PEM, and not the system's CAs")
    add("--insecure", action="store_true", help="take any certificate")
    add(
        "--servername",
        type=taken_by(server_name),
        metavar="NAME",
        help="whose certificate it must be [HOST]",
    )
    add("--cert", type=taken_by(given), metavar="FILE", help="our certificate, in PEM, for who asks for one")
    add("--key", type=taken_by(given), metavar="FILE", help="its key [in the --cert file]")


def check_connect_options(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """End with a line if the options do not go together, and fill in what was not given."""
    if mistake := contradiction(options):
        parser.error(mistake)
    if not (options.unix or options.connect):
        options.host = options.host or LOOPBACK[options.family or 4]
        options.port = options.port or PORT


def contradiction(options: argparse.Namespace) -> str:
    """Say which options do not go together, if there are any, and why."""
    elsewhere = "--unix" if options.unix else "--connect" if options.connect else ""
    if elsewhere and options.host:
        return f"{elsewhere} takes the place of HOST and PORT, not also {options.host!r}"
    if elsewhere and options.family:
        return f"-{options.family} is about the addresses of HOST, which {elsewhere} takes the place of"
    if options.family and options.host and literal_family(options.host) not in (None, options.family):
        return f"-{options.family} takes a name or an IPv{options.family} address as HOST, not {options.host!r}"
    if not options.tls:
        for name in ("ca", "insecure", "servername", "cert", "key"):
            if getattr(options, name):
                return f"--{name} needs --tls"
    elif options.udp:
        return "--tls needs a connection, which --udp has not"
    elif elsewhere and not (options.servername or options.insecure):
        return f"--tls with {elsewhere} needs --servername, whose certificate it must be, or --insecure"
    if options.insecure and options.ca:
        return "--insecure takes any certificate, --ca only some; give one of them"
    if options.key and not options.cert:
        return "--key needs --cert, the certificate that it is the key of"
    return ""


def literal_family(host: str) -> int | None:
    """Give the family of a host that is an IP address: 4 or 6; None if it is a name."""
    try:
        return ip_address(host).version
    except ValueError:
        return None
