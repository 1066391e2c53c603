"""The description of a command line option, from which help texts and documents are made."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

COLUMN = 26
"""The column at which the help texts of options begin, unless the option itself is longer."""


@frozen(kw_only=True)
class Option:
    """
    The description of an option, or of an argument.

    @ivar name: the long name, without the dashes before it; empty if there is none.
    @ivar short: the letter or digit of the short form; empty if there is none.
    @ivar metavar: stands for the value; empty if the option is a flag.
    @ivar group: the heading under which it is listed.
    @ivar default: describes the value of an option that is not given; may be empty.
    """

    name: str = ""
    short: str = ""
    metavar: str = ""
    group: str
    help: str
    default: str = ""
    repeatable: bool = False

    @property
    def key(self) -> str:
        """The name as a Python identifier."""
        return self.name.replace("-", "_")

    @property
    def flags(self) -> list[str]:
        """The option's names, as they are typed."""
        return [f"-{self.short}"] * bool(self.short) + [f"--{self.name}"] * bool(self.name)

    @property
    def invocation(self) -> str:
        """The option as it is typed: C{-p, --port PORT}."""
        return f"{', '.join(self.flags)} {self.metavar}".strip()

    @property
    def summary(self) -> str:
        """The help text, whether the option is repeatable, and its default, in one line."""
        repeatable = "; repeatable" if self.repeatable else ""
        return f"{self.help}{repeatable}" + (f" [{self.default}]" if self.default else "")


def option_list(options: Iterable[Option]) -> str:
    """Return a line for each option, below the headings of their groups, which come in the order of the options."""
    groups: dict[str, str] = {}
    for option in options:
        line = f"  {option.invocation:<{COLUMN - 4}}  {option.summary}\n"
        groups[option.group] = groups.get(option.group, "") + line
    return "\n".join(f"{heading}:\n{lines}" for heading, lines in groups.items())
