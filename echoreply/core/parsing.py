"""
Parsers of option values, as people write them on a command line.

A parser takes a text, or a value that already has its type. It raises L{ValueError} with a text for people, which
completes a sentence whose subject is the option: C{takes a whole number, 0 to 65535, not '99999'}.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from math import isfinite
from typing import Any, TypeVar

MAX_SERVER_NAME = 255
"""Maximum bytes in the server name that a TLS client sends with OpenSSL."""

T = TypeVar("T")
EnumT = TypeVar("EnumT", bound=Enum)


def parser(parse: Callable[[Any], T], takes: str) -> Callable[[Any], T]:
    """Return a parser whose errors name what it takes: it replaces each L{ValueError} that C{parse} raises."""

    def parse_or_explain(value: Any) -> T:  # noqa: ANN401
        try:
            return parse(value)
        except ValueError:
            raise ValueError(f"takes {takes}, not {value!r}") from None

    return parse_or_explain


def _plain(value: object) -> str:
    """Reject what int and float accept besides plain numbers: spaces, underscores, non-ASCII digits."""
    text = str(value)
    if not re.fullmatch(r"[-+.0-9a-z]+", text):
        raise ValueError
    return text


def whole_number(lowest: int, highest: int | None = None) -> Callable[[Any], int]:
    """Return the parser of a whole number within bounds, both included."""

    def parse(value: str) -> int:
        number = int(_plain(value))
        if number < lowest or (highest is not None and number > highest):
            raise ValueError
        return number

    return parser(parse, f"a whole number, {lowest} " + ("or more" if highest is None else f"to {highest}"))


def seconds(*, zero: bool) -> Callable[[Any], float]:
    """Return the parser of a finite number of seconds: positive, or 0 too."""
    return _amount("seconds", zero=zero)


def messages_per_second() -> Callable[[Any], float]:
    """Return the parser of a finite, positive rate."""
    return _amount("messages per second", zero=False)


def _amount(of: str, *, zero: bool) -> Callable[[Any], float]:
    def parse(value: str) -> float:
        number = float(_plain(value))
        if not isfinite(number) or number < 0 or (number == 0 and not zero):
            raise ValueError
        return number

    return parser(parse, f"a number of {of}, " + ("0 or more" if zero else "more than 0"))


def choice(choices: type[EnumT]) -> Callable[[Any], EnumT]:
    """Return the parser of one of an enum's values."""
    *others, last = [member.value for member in choices]
    return parser(choices, f"{', '.join(others)} or {last}")


def alternatives(choices: type[Enum]) -> str:
    """Return an enum's values as help shows them: C{auto|line|read}."""
    return "|".join(member.value for member in choices)


def nonempty(value: str) -> str:
    """Parse any text that is not empty."""
    if not value:
        raise ValueError("takes a text that is not empty")
    return value


def server_name(value: str) -> str:
    """Parse a name or an IP address that L{ssl} accepts as a server's."""
    try:
        name = value.encode("idna")
    except UnicodeError:
        name = b""
    if not 0 < len(name) <= MAX_SERVER_NAME:
        raise ValueError(f"takes the name or the IP address of a server, not {value!r}")
    return value


def is_from_python(error: Exception) -> bool:
    """Return whether the text of an error is Python's own, about a wrong call or number, and so not for users."""
    return isinstance(error, TypeError) or str(error).startswith("invalid literal for int()")


def printable(text: str) -> str:
    """Return a text as it is if it can be printed within a line, else quoted as Python quotes it."""
    return text if text.isprintable() else repr(text)
