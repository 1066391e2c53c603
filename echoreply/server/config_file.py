"""Options in a file: C{--config} reads TOML whose keys are the options' names."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from attrs import frozen

from echoreply.core.option import Option
from echoreply.core.parsing import printable
from echoreply.core.toml import line_of, parse_toml
from echoreply.net.files import read_text


@frozen
class ConfigFile:
    """
    The options that are set in a file.

    @ivar values: the values by the options' names: a text, a list of texts for a repeatable option, a bool for a flag.
    """

    _path: str
    _text: str
    values: dict[str, Any]

    def at(self, name: str) -> str:
        """Return the place of an option in the file, for people."""
        return _place(self._path, self._text, name)


def read_config(path: str, options: Iterable[Option]) -> ConfigFile:
    """
    Read a file of options.

    @param options: the options that it may contain.
    @raise ValueError: the file can't be read, is not TOML, has an unknown key, or a value of a wrong type. The
        text names the file, the line and the key.
    """
    text = read_text(path)
    document = parse_toml(text, path)
    known = {option.name: option for option in options}
    values = {}
    for key, value in document.items():
        try:
            if key not in known:
                raise ValueError(f"is no option of the server{_suggestion(key, known)}")
            values[key] = _parse(known[key], value)
        except ValueError as error:
            raise ValueError(f"{_place(path, text, key)}: {printable(key)} {error}") from None
    return ConfigFile(path, text, values)


def _place(path: str, text: str, key: str) -> str:
    return f"{path}, line {line_of(text, [key])}"


def _suggestion(key: str, known: Iterable[str]) -> str:
    close = get_close_matches(key.replace("_", "-"), known, 1)
    return f"; did you mean {close[0]}?" if close else ""


def _parse(option: Option, value: object) -> object:
    if not option.metavar:
        if not isinstance(value, bool):
            raise ValueError(f"takes true or false, not {_toml(value)}")
        return value
    if option.repeatable:
        if not isinstance(value, list) or not value:
            raise ValueError(f'takes an array of values, such as ["A", "B"], not {_toml(value)}')
        return [_parse_one(each) for each in value]
    return _parse_one(value)


def _parse_one(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"takes a text or a number, not {_toml(value)}")
    if "\0" in str(value):
        # A worker gets its options as arguments, which NUL would end.
        raise ValueError(f"takes a text without NUL, not {_toml(value)}")
    return str(value)


def _toml(value: object) -> str:
    """Return a value, or its type if it may be long, in the terms of TOML."""
    match value:
        case bool():
            return str(value).lower()
        case []:
            return "an empty array"
        case list():
            return "an array"
        case dict():
            return "a table"
        case _:
            return repr(value) if isinstance(value, str | int | float) else "a date or time"
