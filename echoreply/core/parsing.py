"""
What people write on a command line, parsed.

Each parser takes a text, or a value that is already of its type, and raises L{ValueError} with a text for people, to
come after an option's name: C{takes 0 to 65535, not '99999'}.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from math import isfinite
from typing import Any, TypeVar

LONGEST_SERVER_NAME = 255
"""Bytes in the name of a server that TLS lets a client send, at most, as OpenSSL has it."""

T = TypeVar("T")
EnumT = TypeVar("EnumT", bound=Enum)


def parser(parse: Callable[[Any], T], takes: str) -> Callable[[Any], T]:
    """Give a parser that says what it takes whenever C{parse} raises L{ValueError}."""

    def parse_or_explain(value: Any) -> T:  # noqa: ANN401
        try:
            return parse(value)
        except ValueError:
            raise ValueError(f"takes {takes}, not {value!r}") from None

    return parse_or_explain


def _plain(value: object) -> str:
    """Refuse what int and float take beside plain numbers: spaces, underscores, other scripts' digits."""
    text = str(value)
    if not re.fullmatch(r"[-+.0-9a-z]+", text):
        raise ValueError
    return text


def whole_number(lowest: int, highest: int | None = None) -> Callable[[Any], int]:
    """Give the parser of a whole number in a range."""

    def parse(value: str) -> int:
        number = int(_plain(value))
        if number < lowest or (highest is not None and number > highest):
            raise ValueError
        return number

    return parser(parse, f"a whole number, {lowest} " + ("or more" if highest is None else f"to {highest}"))


def seconds(*, zero: bool) -> Callable[[Any], float]:
    """Give the parser of a finite number of seconds, above zero or from it up."""

    def parse(value: str) -> float:
        number = float(_plain(value))
        if not isfinite(number) or number < 0 or (number == 0 and not zero):
            raise ValueError
        return number

    return parser(parse, "a number of seconds, " + ("0 or more" if zero else "more than 0"))


def choice(choices: type[EnumT]) -> Callable[[Any], EnumT]:
    """Give the parser of one of an enum's values."""
    *others, last = [member.value for member in choices]
    return parser(choices, f"{', '.join(others)} or {last}")


def given(value: str) -> str:
    """Take any text but an empty one."""
    if not value:
        raise ValueError("takes a text that is not empty")
    return value


def server_name(value: str) -> str:
    """Take what can be the name of a server, as L{ssl} takes it."""
    try:
        name = value.encode("idna")
    except UnicodeError:
        name = b""
    if not 0 < len(name) <= LONGEST_SERVER_NAME:
        raise ValueError(f"takes the name or the IP address of a server, not {value!r}")
    return value
