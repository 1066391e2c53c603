"""
Texts with fields in them, as Jinja has them, for bytes.

What is known when it is compiled is checked then, so that few things are left that can go wrong when it is rendered. A
text that is no more than bytes and fields of bytes is put together without Jinja.
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
class Moment:
    """
    What a template may tell when it is rendered.

    @ivar message: without its terminator.
    @ivar end: its terminator.
    @ivar now: gives the time.
    @ivar count: messages of this client so far, with this one.
    @ivar match: the named groups of the pattern that has matched; those that took no part are empty.
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
    """Make text of bytes of any kind. L{bytes_of} gives them back."""
    return data.decode("utf-8", "surrogateescape")


def bytes_of(text: str) -> bytes:
    """Make bytes of text."""
    return text.encode("utf-8", "surrogateescape")


_BYTES: dict[str, Callable[[Moment], bytes]] = {
    "prefix": lambda moment: moment.prefix,
    "message": lambda moment: moment.message,
    "end": lambda moment: moment.end,
}

_FIELDS: dict[str, Callable[[Moment], object]] = {
    "message": lambda moment: text_of(moment.message),
    "end": lambda moment: text_of(moment.end),
    "prefix": lambda moment: text_of(moment.prefix),
    "match": lambda moment: moment.match,
    "count": lambda moment: moment.count,
    "connection": lambda moment: moment.connection_info.connection,
    "peer": lambda moment: moment.connection_info.peer,
    "host": lambda moment: moment.connection_info.host,
    "ports": lambda moment: moment.ports,
    "transport": lambda moment: moment.connection_info.transport,
    "tls": lambda moment: moment.connection_info.tls,
    "pid": lambda _moment: os.getpid(),
    "now": lambda moment: moment.now(),
}

_PARTS: dict[str, Collection[str]] = {
    "peer": Address.__annotations__,
    "host": Address.__annotations__,
    "tls": TLSDetails.__annotations__,
    "ports": PortNumbers.__annotations__,
}
"""The parts of fields that have no others."""

_GREETING_LACKS = {"message", "end", "match"}

_STAND_INS = "\u1680\u205f\u2006\ud800"
"""
What may stand for CR, which Jinja would make an LF of: the first that is not in the text.

They are spaces as CR is one, which matters where a template strips them, but for the last, which can't be in a text
that comes from UTF-8.
"""


class _Variables(dict[str, str]):
    """The environment's variables. Those that are not set are empty, as for a shell."""

    def __missing__(self, name: str) -> str:
        return ""


class BadTemplate(ValueError):  # noqa: N818
    """
    A template that can't be compiled. The text says why, for people.

    @ivar line: in which of its lines, from 1.
    """

    def __init__(self, why: str, line: int) -> None:
        super().__init__(why)
        self.line = line


class Template:
    """
    A text with fields in it. Made by L{template}, L{greeting} and L{condition}.

    @ivar parts: what is put together, if it is no more than that: bytes, and the names of fields that are bytes.
    """

    def __init__(self, tree: nodes.Template) -> None:
        code = _JINJA.compile(tree)
        self.parts = _parts(tree)
        self._jinja = _JINJA.template_class.from_code(_JINJA, code, dict(_JINJA.globals))
        self._fields = {name: _FIELDS[name] for name in find_undeclared_variables(tree) if name in _FIELDS}

    def render(self, moment: Moment) -> bytes:
        """
        Put the fields in.

        @raise Exception: that can't be, for a reason that is up to the template, such as a division by zero.
        """
        if self.parts is not None:
            return b"".join([part if isinstance(part, bytes) else _BYTES[part](moment) for part in self.parts])
        return bytes_of(self._jinja.render({name: get(moment) for name, get in self._fields.items()}))


def template(source: str, groups: Collection[str] = ()) -> Template:
    """
    Make a template of its text.

    @param groups: the parts that C{match} has.
    @raise BadTemplate: it is not right.
    """
    with _faults_told():
        cr = _stand_in(source)
        tree = _JINJA.parse(source.replace("\r", cr))
        _check(tree, _FIELDS, groups)
        return Template(_restored(tree, cr))


def greeting(source: str) -> Template:
    """
    Make one for a client that has not said anything.

    @raise BadTemplate: it is not right.
    """
    with _faults_told():
        cr = _stand_in(source)
        tree = _JINJA.parse(source.replace("\r", cr))
        _check(tree, _FIELDS.keys() - _GREETING_LACKS, ())
        return Template(_restored(tree, cr))


def condition(expression: str, groups: Collection[str] = ()) -> Template:
    """
    Make a template that is empty unless an expression is true.

    @raise BadTemplate: it is not right.
    """
    with _faults_told("an expression, such as count > 3: "):
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
def _faults_told(takes: str = "") -> Iterator[None]:
    try:
        yield
    except TemplateSyntaxError as error:
        raise BadTemplate(f"{takes and 'takes '}{takes}{error.message}", error.lineno) from None


def _check(tree: nodes.Template, fields: Collection[str], groups: Collection[str]) -> None:
    """See that a template asks for nothing that there is not."""
    for node in tree.find_all((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)):
        raise BadTemplate("a template can't take in others", node.lineno)
    names = list(tree.find_all(nodes.Name))
    # What is set in one branch only counts as undeclared, too.
    own = {name.name for name in names if name.ctx == "store"}
    unknown = find_undeclared_variables(tree) - own - {*fields, *_JINJA.globals}
    for name in names:
        if name.name in unknown:
            there_are = ", ".join(sorted({*fields, *_CONSTANTS}))
            raise BadTemplate(f"unknown field {name.name!r}; there are {there_are}", name.lineno)
    parts = {name: known for name, known in {**_PARTS, "match": groups}.items() if name not in own}
    accesses: list[nodes.Getattr | nodes.Getitem] = [*tree.find_all(nodes.Getattr), *tree.find_all(nodes.Getitem)]
    for access in accesses:
        part = access.attr if isinstance(access, nodes.Getattr) else getattr(access.arg, "value", None)
        if isinstance(access.node, nodes.Name) and access.node.name in parts and isinstance(part, str):
            whole = access.node.name
            if part not in parts[whole]:
                there_are = ", ".join(sorted(parts[whole])) or "none"
                raise BadTemplate(f"unknown field '{whole}.{part}'; there are {there_are}", access.lineno)


def _stand_in(source: str) -> str:
    return next(character for character in _STAND_INS if character not in source)


def _restored(tree: nodes.Template, stand_in: str) -> nodes.Template:
    """Put CR back where it stood."""
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
    Write JSON, on one line.

    What is no UTF-8 becomes C{\\udc80} to C{\\udcff}, which Python reads back as it was, and others as U+FFFD.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_as_json)
    return re.sub("[\ud800-\udfff]", lambda found: f"\\u{ord(found[0]):x}", text)


def _octets(text: object) -> int:
    """Count the bytes that a text is."""
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
