"""The server's C{--help}: two examples, then every option, in groups."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from echoreply.core.defaults import DEFAULT_PORT
from echoreply.core.option import Option, option_list

_INTRODUCTION = f"""\
Usage: twistd [options of twistd] echoreply [options]

A reply server for TCP, TLS and UDP, for testing whatever lies between two
machines. With twistd's -n it stays in the foreground; Ctrl-C stops it.

  twistd -n echoreply --port {DEFAULT_PORT} --udp {DEFAULT_PORT}
  twistd -n echoreply --tls 8443 --cert cert.pem --key key.pem
"""

_MORE = "Manual: man twistd-echoreply, and README.md.\n"


class Group(StrEnum):
    """The headings under which options are listed, in order."""

    LISTENING = "Listening endpoints"
    TLS = "TLS, for --tls"
    ACCESS = "Access control and limits"
    REPLIES = "Replies"
    FRAMING = "Message framing"
    MONITORING = "Logging and monitoring"
    RUNNING = "Configuration and processes"
    INFORMATION = "Print and exit"


def help_text(options: Iterable[Option]) -> str:
    """Return the text of C{--help}."""
    ordered = sorted(options, key=lambda option: list(Group).index(Group(option.group)))
    return "\n".join([_INTRODUCTION, option_list(ordered), _MORE])
