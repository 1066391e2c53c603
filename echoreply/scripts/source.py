"""The parser of reply scripts: TOML files with Jinja templates and RE2 patterns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

import re2
from attrs import frozen

from echoreply.core.close_words import EXIT_OR_QUIT, CloseWords
from echoreply.core.framing import Framing
from echoreply.core.toml import Path, line_of, parse_toml
from echoreply.scripts.script import Matcher, Script, ScriptRule
from echoreply.scripts.template import BadTemplate, Template, bytes_of, condition, greeting, template, text_of

DEFAULT_REPLY = "{{ prefix }}{{ message }}{{ end }}"

_KEYS = ("greeting", "framing", "close_on", "reply", "rule")
_RULE_KEYS = ("message", "pattern", "when", "reply", "close")

_KINDS = {str: "a text", bool: "true or false", list: "a list"}

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False


def script_of_toml(text: str, where: str = "script") -> Script:
    """
    Parse a script.

    @param where: the name of the script in error texts, such as its file.
    @raise ValueError: the script is not valid. The text is one line for people, with the place and the reason.
    """
    document = parse_toml(text, where)
    return _Parser(text, where).script(document)


@frozen
class _Parser:
    """
    Converts a TOML document to a L{Script}.

    All methods raise C{ValueError} for the first mistake that they find.
    """

    _text: str
    _where: str

    def script(self, document: Mapping[str, Any]) -> Script:
        self._check_keys((), document, _KEYS)
        close_words = EXIT_OR_QUIT
        if "close_on" in document:
            close_words = self._close_words(self._get((), document, "close_on", list))
        rules = document.get("rule", [])
        if not isinstance(rules, list):
            raise self._error(("rule",), "takes tables, each written as [[rule]]")
        parsed = [self._rule(number, rule, close_words) for number, rule in enumerate(rules)]
        self._check_reachable(rules)
        reply = self._template((), document, "reply", DEFAULT_REPLY, template)
        greets = self._template((), document, "greeting", "", greeting)
        return Script(
            rules=tuple(parsed),
            reply=reply,
            greeting=greets if greets.parts != [] else None,
            close_words=close_words,
            framing=self._framing(document),
        )

    def _framing(self, document: Mapping[str, Any]) -> Framing | None:
        name = self._get((), document, "framing", str, "")
        choices = {framing.value: framing for framing in Framing}
        if "framing" not in document:
            return None
        if name not in choices:
            raise self._error(("framing",), f"takes {', '.join(choices)}, not {name!r}")
        return choices[name]

    def _close_words(self, words: list[object]) -> CloseWords:
        for word in words:
            if not isinstance(word, str) or word.strip("\r\n") != word:
                raise self._error(("close_on",), f"takes texts that neither begin nor end with CR or LF, not {word!r}")
        return CloseWords(frozenset([bytes_of(str(word)) for word in words]))

    def _rule(self, number: int, rule: object, close_words: CloseWords) -> ScriptRule:
        path = ("rule", number)
        if not isinstance(rule, dict):
            raise self._error(path, "takes a table, written as [[rule]]")
        self._check_keys(path, rule, _RULE_KEYS)
        if not {"message", "pattern", "when"} & set(rule) or {"message", "pattern"} <= set(rule):
            raise self._error(path, "needs message, pattern or when, but not both message and pattern")
        if "reply" not in rule and "close" not in rule:
            raise self._error(path, "needs a reply, or close = true")
        groups: Collection[str] = ()
        match: Matcher = _match_any
        if "pattern" in rule:
            pattern = self._pattern(path, rule)
            groups = [text_of(name) for name in pattern.groupindex]
            match = partial(_search, pattern)
        elif "message" in rule:
            match = partial(_equals, self._message(path, rule, close_words))
        return ScriptRule(
            name=_name(path),
            match=match,
            when=self._template(path, rule, "when", "", partial(condition, groups=groups)) if "when" in rule else None,
            reply=self._template(path, rule, "reply", "", partial(template, groups=groups)),
            close=self._get(path, rule, "close", bool, False),
        )

    def _check_reachable(self, rules: Sequence[Mapping[str, Any]]) -> None:
        """Raise an error if a rule can never be used, since an earlier rule has the same condition."""
        taken: dict[tuple[str, str], int] = {}
        for number, rule in enumerate(rules):
            for key in {"message", "pattern"} & set(rule):
                what = key, rule[key]
                if what in taken:
                    why = f"is the same as in rule {taken[what] + 1}, so this rule would never be used"
                    raise self._error(("rule", number, key), why)
                if "when" not in rule:
                    taken[what] = number

    def _message(self, path: Path, rule: Mapping[str, Any], close_words: CloseWords) -> bytes:
        message = bytes_of(self._get(path, rule, "message", str))
        if message in close_words:
            raise self._error(
                (*path, "message"), "is in close_on, which is looked at first, so this rule would never be used"
            )
        if message.endswith(b"\n"):
            raise self._error((*path, "message"), "takes a message without its terminator, \\n")
        return message

    def _pattern(self, path: Path, rule: Mapping[str, Any]) -> Any:  # noqa: ANN401  # re2 has no types
        source = self._get(path, rule, "pattern", str)
        try:
            return re2.compile(bytes_of(source), _OPTIONS)
        except re2.error as error:
            why = error.args[0] if error.args else "not a regular expression"
            why = text_of(why) if isinstance(why, bytes) else str(why)
            if why.startswith(("invalid perl operator", "invalid escape sequence")):
                why += "; RE2 patterns have no look-around and no back-references"
            raise self._error((*path, "pattern"), why) from None

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
            raise self._error((*path, key), f"{line}{error}") from None

    def _check_keys(self, path: Path, table: Mapping[str, Any], known: Sequence[str]) -> None:
        for key in table:
            if key not in known:
                where = "; it belongs above the first [[rule]]" if key in _KEYS else ""
                raise self._error((*path, key), f"unknown key; known keys: {', '.join(known)}{where}")

    def _get(self, path: Path, table: Mapping[str, Any], key: str, kind: type, *default: Any) -> Any:  # noqa: ANN401
        value = table.get(key, *default)
        if not isinstance(value, kind):
            raise self._error((*path, key), f"takes {_KINDS[kind]}, not {value!r}")
        return value

    def _error(self, path: Path, why: str) -> ValueError:
        return ValueError(f"{self._where}, line {line_of(self._text, path)}: {_name(path)}: {why}")


def _match_any(_message: bytes) -> Mapping[str, str]:
    return {}


def _search(pattern: Any, message: bytes) -> Mapping[str, str] | None:  # noqa: ANN401
    match = pattern.search(message)
    if match is None:
        return None
    return {text_of(name): text_of(value or b"") for name, value in match.groupdict().items()}


def _equals(expected: bytes, message: bytes) -> Mapping[str, str] | None:
    return {} if message == expected else None


def _name(path: Path) -> str:
    """Return a place in the script as text for people, such as C{rule 2, reply}."""
    words = [f" {place + 1}" if isinstance(place, int) else f", {place}" for place in path]
    return "".join(words).removeprefix(", ")
