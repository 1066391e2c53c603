"""A reply script as it is written down: TOML, with templates as Jinja has them and patterns as RE2 does."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

import re2
from attrs import frozen

from echoreply.core.close_words import EXIT_OR_QUIT, CloseWords
from echoreply.core.framing import Framing
from echoreply.core.toml import Path, line_of, parse_toml
from echoreply.scripts.script import Case, Matches, Script
from echoreply.scripts.template import BadTemplate, Template, bytes_of, condition, greeting, template, text_of

DEFAULT_REPLY = "{{ prefix }}{{ message }}{{ end }}"

_KEYS = ("greeting", "framing", "close_on", "reply", "rule")
_RULE_KEYS = ("message", "pattern", "when", "reply", "close")

_KINDS = {str: "a text", bool: "true or false", list: "a list"}

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False


def script_of_toml(text: str, where: str = "script") -> Script:
    """
    Make a script of its text.

    @param where: what people know it by, such as its file.
    @raise ValueError: it is not right. The text says where and why, for people, in a line.
    """
    document = parse_toml(text, where)
    return _Reader(text, where).script(document)


@frozen
class _Reader:
    """Reads a document, and tells where in it something is wrong."""

    _text: str
    _where: str

    def script(self, document: Mapping[str, Any]) -> Script:
        self._check_keys((), document, _KEYS)
        close_words = EXIT_OR_QUIT
        if "close_on" in document:
            close_words = self._close_words(self._get((), document, "close_on", list))
        rules = document.get("rule", [])
        if not isinstance(rules, list):
            raise self._fault(("rule",), "takes tables, each of them [[rule]]")
        cases = [self._case(number, rule, close_words) for number, rule in enumerate(rules)]
        self._check_reached(rules)
        reply = self._template((), document, "reply", DEFAULT_REPLY, template)
        greets = self._template((), document, "greeting", "", greeting)
        return Script(
            cases=tuple(cases),
            reply=reply,
            greeting=greets if greets.parts != [] else None,
            close_words=close_words,
            framing=self._framing(document),
        )

    def _framing(self, document: Mapping[str, Any]) -> Framing | None:
        name = self._get((), document, "framing", str, "")
        choices = [framing.value for framing in Framing]
        if "framing" not in document:
            return None
        if name not in choices:
            raise self._fault(("framing",), f"takes {', '.join(choices)}, not {name!r}")
        return Framing(name)

    def _close_words(self, words: list[object]) -> CloseWords:
        for word in words:
            if not isinstance(word, str) or word.strip("\r\n") != word:
                raise self._fault(("close_on",), f"takes texts without a line's end, not {word!r}")
        return CloseWords(frozenset([bytes_of(str(word)) for word in words]))

    def _case(self, number: int, rule: object, close_words: CloseWords) -> Case:
        path = ("rule", number)
        if not isinstance(rule, dict):
            raise self._fault(path, "takes a table, [[rule]]")
        self._check_keys(path, rule, _RULE_KEYS)
        if not {"message", "pattern", "when"} & set(rule) or {"message", "pattern"} <= set(rule):
            raise self._fault(path, "takes message, pattern or when, and not both of the first two")
        if "reply" not in rule and "close" not in rule:
            raise self._fault(path, "takes a reply, or close = true")
        groups: Collection[str] = ()
        matches: Matches = _any
        if "pattern" in rule:
            pattern = self._pattern(path, rule)
            groups = [text_of(name) for name in pattern.groupindex]
            matches = partial(_search, pattern)
        elif "message" in rule:
            matches = partial(_equals, self._message(path, rule, close_words))
        return Case(
            name=_name(path),
            matches=matches,
            when=self._template(path, rule, "when", "", partial(condition, groups=groups)) if "when" in rule else None,
            reply=self._template(path, rule, "reply", "", partial(template, groups=groups)),
            close=self._get(path, rule, "close", bool, False),
        )

    def _check_reached(self, rules: Sequence[Mapping[str, Any]]) -> None:
        """See that no rule is after one that takes all its messages."""
        taken: dict[tuple[str, str], int] = {}
        for number, rule in enumerate(rules):
            for key in {"message", "pattern"} & set(rule):
                what = key, rule[key]
                if what in taken:
                    why = f"is that of rule {taken[what] + 1}, so this rule would never be used"
                    raise self._fault(("rule", number, key), why)
                if "when" not in rule:
                    taken[what] = number

    def _message(self, path: Path, rule: Mapping[str, Any], close_words: CloseWords) -> bytes:
        message = bytes_of(self._get(path, rule, "message", str))
        if message in close_words:
            raise self._fault(
                (*path, "message"), "is in close_on, which is asked first, so this rule would never be used"
            )
        if message.endswith(b"\n"):
            raise self._fault((*path, "message"), "takes a message without its end, \\n")
        return message

    def _pattern(self, path: Path, rule: Mapping[str, Any]) -> Any:  # noqa: ANN401  # re2 has no types
        source = self._get(path, rule, "pattern", str)
        try:
            return re2.compile(bytes_of(source), _OPTIONS)
        except re2.error as error:
            why = error.args[0] if error.args else "not a pattern"
            why = text_of(why) if isinstance(why, bytes) else str(why)
            if why.startswith(("invalid perl operator", "invalid escape sequence")):
                why += "; patterns are RE2's, which have no look-around and no back-references"
            raise self._fault((*path, "pattern"), why) from None

    def _template(
        self,
        path: Path,
        table: Mapping[str, Any],
        key: str,
        default: str,
        make: Callable[[str], Template],
    ) -> Template:
        source = self._get(path, table, key, str, default)
        try:
            return make(source)
        except BadTemplate as error:
            line = f"in line {error.line} of the text, " if error.line > 1 else ""
            raise self._fault((*path, key), f"{line}{error}") from None

    def _check_keys(self, path: Path, table: Mapping[str, Any], known: Sequence[str]) -> None:
        for key in table:
            if key not in known:
                where = "; it belongs above the first [[rule]]" if key in _KEYS else ""
                raise self._fault((*path, key), f"unknown key; there are {', '.join(known)}{where}")

    def _get(self, path: Path, table: Mapping[str, Any], key: str, kind: type, *default: Any) -> Any:  # noqa: ANN401
        value = table.get(key, *default)
        if not isinstance(value, kind):
            raise self._fault((*path, key), f"takes {_KINDS[kind]}, not {value!r}")
        return value

    def _fault(self, path: Path, why: str) -> ValueError:
        return ValueError(f"{self._where}, line {line_of(self._text, path)}: {_name(path)}: {why}")


def _any(_message: bytes) -> Mapping[str, str]:
    return {}


def _search(pattern: Any, message: bytes) -> Mapping[str, str] | None:  # noqa: ANN401
    match = pattern.search(message)
    if match is None:
        return None
    return {text_of(name): text_of(value or b"") for name, value in match.groupdict().items()}


def _equals(expected: bytes, message: bytes) -> Mapping[str, str] | None:
    return {} if message == expected else None


def _name(path: Path) -> str:
    """Name a place as people do: C{rule 2, reply}."""
    words = [f" {place + 1}" if isinstance(place, int) else f", {place}" for place in path]
    return "".join(words).removeprefix(", ")
