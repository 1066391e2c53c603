"""The server's C{--help}: how an option is declared, and the text that lists every option, in groups."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from attrs import frozen

from echoreply.core.defaults import DEFAULT_PORT

_COLUMN = 26
"""Where help texts begin, unless the option before one is longer."""

_INTRODUCTION = """\
Usage: twistd [options of twistd] echoreply [options]

A reply server for TCP, TLS and UDP, for testing whatever lies between two
machines. With twistd's -n it stays in the foreground; Ctrl-C stops it.

  twistd -n echoreply --port {port} --udp {port}
  twistd -n echoreply --tls 8443 --cert cert.pem --key key.pem
"""

_MORE = "Manual: man twistd-echoreply, and README.md.\n"


class Group(Enum):
    """The headings under which options are listed, in order."""

    LISTENING = "Listening endpoints"
    TLS = "TLS, for --tls"
    ACCESS = "Access control and limits"
    REPLIES = "Replies"
    FRAMING = "Message framing"
    MONITORING = "Logging and monitoring"
    RUNNING = "Configuration and processes"
    INFORMATION = "Print and exit"


@frozen(kw_only=True)
class Option:
    """
    What the command line, its help and the documents say of an option.

    @ivar name: the long name, without dashes at its beginning.
    @ivar metavar: stands for the value; empty if the option is a flag.
    @ivar default: describes the value of an option that is not given; empty if there is nothing to tell.
    """

    name: str = ""
    group: Group
    help: str
    metavar: str = ""
    default: str = ""
    short: str = ""
    repeatable: bool = False

    @property
    def key(self) -> str:
        """The name as an identifier of Python."""
        return self.name.replace("-", "_")

    @property
    def invocation(self) -> str:
        """The option as it is typed: C{-p, --port PORT}."""
        short = f"-{self.short}, " if self.short else ""
        return f"{short}--{self.name} {self.metavar}".rstrip()

    @property
    def summary(self) -> str:
        """The help text with what else there is to know, in a line."""
        repeatable = "; repeatable" if self.repeatable else ""
        return f"{self.help}{repeatable}" + (f" [{self.default}]" if self.default else "")


def help_text(options: Iterable[Option]) -> str:
    """Return the help: two examples, then a line for each option, in groups."""
    options = tuple(options)
    sections = [_INTRODUCTION.format(port=DEFAULT_PORT)]
    for group in Group:
        lines = [
            f"  {option.invocation:<{_COLUMN - 4}}  {option.summary}\n" for option in options if option.group is group
        ]
        sections.append(f"{group.value}:\n{''.join(lines)}")
    return "\n".join([*sections, _MORE])
