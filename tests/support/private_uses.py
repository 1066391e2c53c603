"""Finding the private names of other projects that the package uses, in its syntax trees."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator, Set
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from attrs import frozen

import echoreply
from echoreply.native.private_names import PRIVATE_NAMES

TREE = Path(echoreply.__file__).parents[1]

DOCUMENTED = {"_exit", "_fields", "_replace"}
"""Public names with an underscore: C{os._exit}, and those of named tuples."""

WITHOUT_UNDERSCORE = {each.name for each in PRIVATE_NAMES if not each.name.startswith("_")}
"""Private names without an underscore."""

AMBIGUOUS = {"family", "transport", "type"}
"""Private names that are public in other classes. Their uses can't be distinguished, so they are not searched for."""


@frozen
class Use:
    """
    A use of a private name.

    @ivar owner: the class around it, as a dotted path, if there is one.
    """

    file: str
    line: int
    name: str
    owner: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.name}"


def python_files() -> dict[Path, str]:
    """Return the files of the package with the names of their modules; also the plugin and the build hook."""
    files = {
        file: ".".join(file.relative_to(TREE).with_suffix("").parts).removesuffix(".__init__")
        for file in sorted(Path(echoreply.__file__).parent.rglob("*.py"))
    }
    beside = [*(TREE / "twisted/plugins").glob("echoreply*.py"), TREE / "hatch_build.py"]
    return files | {file: "" for file in beside if file.exists()}


def find(path: str) -> Any:  # noqa: ANN401
    """Return the module, or the object in a module, that has a dotted path."""
    module, rest = path, list[str]()
    while True:
        try:
            value: object = import_module(module)
            break
        except ImportError:
            module, _, name = module.rpartition(".")
            rest.insert(0, name)
    for name in rest:
        value = getattr(value, name)
    return value


@cache
def attributes(owner: type) -> frozenset[str]:
    """Return the names that a class defines: in its body, and on C{self} in its methods."""
    try:
        source = textwrap.dedent(inspect.getsource(owner))
    except (OSError, TypeError):
        source = ""  # It is written in C.
    return frozenset(vars(owner)) | {
        node.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
    }


def inherited(module: str, name: str) -> Set[str]:
    """Return the names that a class of ours has from base classes of other projects."""
    ours = vars(import_module(module)).get(name)
    bases = ours.__mro__ if isinstance(ours, type) else ()  # An interface is no type.
    foreign = [base for base in bases if base is not object and not base.__module__.startswith("echoreply.")]
    return frozenset[str]().union(*map(attributes, foreign))


def private_uses(source: str, file: str, module: str = "") -> Iterator[Use]:
    """
    Find the names of other projects that a file uses although they are private.

    A name that a class of the package defines is its own, on C{self}; so is one on anything else, that a class of the
    same file defines; unless a base class of another project has the name as well.

    @param module: the name of the file's module, which is imported.
    """
    tree = ast.parse(source)
    of_file = frozenset(_defined(tree))
    of_package = of_file | _defined_in_package()

    def is_foreign(name: str, on_self: bool, theirs: Set[str]) -> bool:
        known = name in (of_package if on_self else of_file)
        if name in WITHOUT_UNDERSCORE - AMBIGUOUS:
            return not known or name in theirs
        if not name.startswith("_") or name.endswith("_") or name in DOCUMENTED:
            return False
        return not known or name in theirs

    def walk(node: ast.AST, owner: str, theirs: Set[str]) -> Iterator[Use]:
        if isinstance(node, ast.ClassDef) and module:
            owner, theirs = f"{module}.{node.name}", inherited(module, node.name)
        for name, on_self in _named(node):
            if is_foreign(name, on_self, theirs):
                yield Use(file, cast(ast.stmt, node).lineno, name, owner)
        for child in ast.iter_child_nodes(node):
            yield from walk(child, owner, theirs)

    return walk(tree, "", frozenset())


def _named(node: ast.AST) -> Iterator[tuple[str, bool]]:
    """Return the names that a node uses, each with whether it is one of C{self}."""
    match node:
        case ast.Attribute(value=ast.Name("self" | "cls") | ast.Call(func=ast.Name("super")), attr=name):
            yield name, True
        case ast.Attribute(attr=name):
            yield name, False
        case ast.Call(
            func=ast.Name("getattr" | "setattr" | "hasattr" | "delattr"), args=[_, ast.Constant(str(name)), *_]
        ):
            yield name, False
        case ast.ImportFrom(module=str(module), names=names):
            if module.partition(".")[0] not in ("echoreply", "__future__"):
                yield from ((name, False) for name in module.split("."))
                yield from ((alias.name, False) for alias in names)
        case ast.Import(names):
            yield from ((name, False) for alias in names for name in alias.name.split("."))
        case _:
            yield from ((name, True) for name in _bound(node))


def _bound(node: ast.AST) -> Iterator[str]:
    """Return the names that a node defines, as a statement in the body of a class does."""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.AnnAssign(target=ast.Name(name)):
            yield name
        case ast.Assign(targets=targets):
            yield from (target.id for target in targets if isinstance(target, ast.Name))


def _defined(tree: ast.AST) -> Iterator[str]:
    """Return the names that the classes of a file define."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name("self" | "cls"), attr=name, ctx=ast.Store()):
                yield name
            case _:
                yield from _bound(node)


@cache
def _defined_in_package() -> frozenset[str]:
    return frozenset(name for file in python_files() for name in _defined(ast.parse(file.read_text(encoding="utf-8"))))
