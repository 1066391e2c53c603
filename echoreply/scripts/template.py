"""
Templates: Jinja templates that render to bytes, with the fields that a reply script may use.

Unknown fields are errors when a template is compiled, so that few errors are left for rendering. A template that only
concatenates constant text and fields that are bytes is rendered without Jinja.
"""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from attrs import asdict, define
from jinja2 import StrictUndefined, TemplateSyntaxError, nodes
from jinja2.meta import find_undeclared_variables
from jinja2.parser import Parser
from jinja2.sandbox import SandboxedEnvironment

from echoreply.core.connection_info import Address, ConnectionInfo, PortNumbers, TLSDetails


@define
class TemplateContext:
    """
    The values of the fields when a template is rendered.

    @ivar message: the message without its terminator.
    @ivar end: the terminator.
    @ivar now: returns the time.
    @ivar count: the message's number in its conversation, from 1; 0 for a greeting.
    @ivar match: the named groups of the pattern that matched; a group that did not take part is empty.
    """

    connection_info: ConnectionInfo
    ports: PortNumbers
    prefix: bytes
    now: Callable[[], datetime]
    message: bytes = b""
    end: bytes = b""
    count: int = 0
    match: Mapping[str, str] = {}


def text_of(data: bytes) -> str:
    """Return any bytes as text. L{bytes_of} reverses it."""
    return data.decode("utf-8", "surrogateescape")


def bytes_of(text: str) -> bytes:
    """Return a text as bytes: the inverse of L{text_of}."""
    return text.encode("utf-8", "surrogateescape")


_BYTES: dict[str, Callable[[TemplateContext], bytes]] = {
    "prefix": lambda context: context.prefix,
    "message": lambda context: context.message,
    "end": lambda context: context.end,
}

_FIELDS: dict[str, Callable[[TemplateContext], object]] = {
    "message": lambda context: text_of(context.message),
    "end": lambda context: text_of(context.end),
    "prefix": lambda context: text_of(context.prefix),
    "match": lambda context: context.match,
    "count": lambda context: context.count,
    "connection": lambda context: context.connection_info.connection,
    "peer": lambda context: context.connection_info.peer,
    "host": lambda context: context.connection_info.host,
    "ports": lambda context: context.ports,
    "transport": lambda context: context.connection_info.transport,
    "tls": lambda context: context.connection_info.tls,
    "pid": lambda _context: os.getpid(),
    "now": lambda context: context.now(),
}

_PARTS: dict[str, Collection[str]] = {
    "peer": Address.__annotations__,
    "host": Address.__annotations__,
    "tls": TLSDetails.__annotations__,
    "ports": PortNumbers.__annotations__,
}
"""The fields that have a fixed set of parts, and those parts."""

_GREETING_LACKS = {"message", "end", "match"}

_STAND_INS = "\u1680\u205f\u2006\ud800"
"""
Characters that may replace CR, which Jinja would convert to LF: the first that is not in the text is used.

All but the last are white space, like CR, since templates can strip white space. The last can't be in a text that was
decoded from UTF-8, so there is always one.
"""


class _Variables(dict[str, str]):
    """The environment variables. Unset variables are empty, as in a shell."""

    def __missing__(self, name: str) -> str:
        return ""


class BadTemplate(ValueError):  # noqa: N818
    """
    A template that can't be compiled. The text is the reason, for people.

    @ivar line: the line of the template, from 1.
    """

    def __init__(self, why: str, line: int) -> None:
        super().__init__(why)
        self.line = line


class Template:
    """
    A compiled template. Made by L{template}, L{greeting} and L{condition}.

    @ivar parts: the constant bytes and the names of fields, if the template only concatenates bytes; otherwise C{None}.
    """

    def __init__(self, tree: nodes.Template) -> None:
        code = _JINJA.compile(tree)
        self.parts = _parts(tree)
        self._jinja = _JINJA.template_class.from_code(_JINJA, code, dict(_JINJA.globals))
        self._fields = {name: _FIELDS[name] for name in find_undeclared_variables(tree) if name in _FIELDS}

    def render(self, context: TemplateContext) -> bytes:
        """
        Return the text with the values of the fields.

        @raise Exception: any error of the template's own, such as a division by zero.
        """
        if self.parts is not None:
            return b"".join([part if isinstance(part, bytes) else _BYTES[part](context) for part in self.parts])
        return bytes_of(self._jinja.render({name: get(context) for name, get in self._fields.items()}))


def template(source: str, groups: Collection[str] = ()) -> Template:
    """
    Compile a template.

    @param groups: the parts that C{match} has.
    @raise BadTemplate: it can't be compiled.
    """
    with _syntax_errors():
        cr = _stand_in(source)
        tree = _JINJA.parse(source.replace("\r", cr))
        _check(tree, _FIELDS, groups)
        return Template(_restored(tree, cr))


def greeting(source: str) -> Template:
    """
    Compile a template for the greeting, which has no message.

    @raise BadTemplate: it can't be compiled.
    """
    with _syntax_errors():
        cr = _stand_in(source)
        tree = _JINJA.parse(source.replace("\r", cr))
        _check(tree, _FIELDS.keys() - _GREETING_LACKS, ())
        return Template(_restored(tree, cr))


def condition(expression: str, groups: Collection[str] = ()) -> Template:
    """
    Compile an expression to a template that renders as an empty text unless the expression is true.

    @raise BadTemplate: it can't be compiled.
    """
    with _syntax_errors("an expression, such as count > 3: "):
        cr = _stand_in(expression)
        parser = Parser(_JINJA, expression.replace("\r", cr), state="variable")
        value = parser.parse_expression()
        if not parser.stream.eos:
            raise BadTemplate(
                f"takes an expression, such as count > 3, and nothing after it: {parser.stream.current}", 1
            )
        tree = nodes.Template([nodes.If(value, [nodes.Output([nodes.TemplateData("yes")])], [], [])])
        tree.set_environment(_JINJA)
        tree.set_lineno(1)
        _check(tree, _FIELDS, groups)
        return Template(_restored(tree, cr))


@contextmanager
def _syntax_errors(takes: str = "") -> Iterator[None]:
    try:
        yield
    except TemplateSyntaxError as error:
        raise BadTemplate(f"{takes and 'takes '}{takes}{error.message}", error.lineno) from None


def _check(tree: nodes.Template, fields: Collection[str], groups: Collection[str]) -> None:
    """Raise L{BadTemplate} if a template uses an unknown field or part, or includes another template."""
    for node in tree.find_all((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)):
        raise BadTemplate("a template can't include or import others", node.lineno)
    names = list(tree.find_all(nodes.Name))
    # Jinja also counts a name as undeclared that only one branch sets.
    own = {name.name for name in names if name.ctx == "store"}
    unknown = find_undeclared_variables(tree) - own - {*fields, *_JINJA.globals}
    for name in names:
        if name.name in unknown:
            known_fields = ", ".join(sorted({*fields, *_CONSTANTS}))
            raise BadTemplate(f"unknown field {name.name!r}; known fields: {known_fields}", name.lineno)
    parts = {name: known for name, known in {**_PARTS, "match": groups}.items() if name not in own}
    accesses: list[nodes.Getattr | nodes.Getitem] = [*tree.find_all(nodes.Getattr), *tree.find_all(nodes.Getitem)]
    for access in accesses:
        part = access.attr if isinstance(access, nodes.Getattr) else getattr(access.arg, "value", None)
        if isinstance(access.node, nodes.Name) and access.node.name in parts and isinstance(part, str):
            whole = access.node.name
            if part not in parts[whole]:
                known_parts = ", ".join(sorted(parts[whole])) or "none"
                raise BadTemplate(f"unknown field '{whole}.{part}'; known parts: {known_parts}", access.lineno)


def _stand_in(source: str) -> str:
    return next(character for character in _STAND_INS if character not in source)


def _restored(tree: nodes.Template, stand_in: str) -> nodes.Template:
    """Replace the stand-in for CR with CR again."""
    for data in tree.find_all(nodes.TemplateData):
        data.data = data.data.replace(stand_in, "\r")
    for constant in tree.find_all(nodes.Const):
        if isinstance(constant.value, str):
            constant.value = constant.value.replace(stand_in, "\r")
    return tree


def _parts(tree: nodes.Template) -> list[bytes | str] | None:
    parts: list[bytes | str] = []
    for output in tree.body:
        for node in output.nodes if isinstance(output, nodes.Output) else [output]:
            if isinstance(node, nodes.TemplateData):
                parts.append(bytes_of(node.data))
            elif isinstance(node, nodes.Name) and node.name in _BYTES:
                parts.append(node.name)
            else:
                return None
    return parts


def _to_json(value: object) -> str:
    r"""
    Return a value as JSON on one line.

    A byte that is not UTF-8 becomes C{\\udc80} to C{\\udcff}, which Python reads back as that byte, and other readers
    as U+FFFD.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_as_json)
    return re.sub("[\ud800-\udfff]", lambda found: f"\\u{ord(found[0]):x}", text)


def _octets(text: object) -> int:
    """Return the number of bytes in a text."""
    return len(bytes_of(str(text)))


def _as_json(value: object) -> Any:  # noqa: ANN401
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Address | PortNumbers | TLSDetails):
        return asdict(value)
    raise TypeError(f"{type(value).__name__} has no JSON")


_CONSTANTS: dict[str, object] = {"env": _Variables(os.environ), "hostname": socket.gethostname()}

_JINJA = SandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
_JINJA.filters["tojson"] = _to_json
_JINJA.filters["octets"] = _octets
_JINJA.globals.pop("lipsum")
_JINJA.globals.update(_CONSTANTS)
