"""The documents, held against the tree: their links, and the files, modules and floors that they name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.test_house import FLOORS, MOST_ENTRIES

TREE = Path(__file__).parents[1]
PACKAGE = TREE / "echoreply"
DOCS = TREE / "docs"
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)")

NAME = re.compile(r"(?<![\w/.-])echoreply(?:\.[A-Za-z_]\w*)+(?![\w/*])")
FILE = re.compile(r"`((?:benchmarks|deploy|docs|echoreply|tests|twisted)/[\w./-]*\.\w+)`")
DATA_FILES = {path.name for path in (TREE / "deploy").rglob("*")} | {f"echoreply.{it}" for it in ("log", "pid", "sock")}
"""Files whose names look like those of modules."""

ABOUT_THE_CODE = ("architecture.md", "contributing.md", "states.md", "native.md", "decisions.md", "performance.md")
"""The documents that name files and modules."""

FOREIGN = {"dist/uPlot.iife.min.js", "dist/uPlot.min.css", "crypto/tls"}
"""Paths in other projects that documents name."""

SUFFIXES = (".py", ".md", ".toml", ".js", ".css", ".html", ".c", ".json", ".yml", ".1", ".LICENSE")


def anchors(document: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def code_in(text: str) -> list[str]:
    """Return what stands between backticks in a document, code blocks aside."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))


def is_path(code: str) -> bool:
    """Return whether a piece of code is a path, and not one that begins at a root, as URLs and sockets do."""
    return bool(re.fullmatch(r"[\w.*-]+(/[\w.*-]+)*/?", code)) and ("/" in code or code.endswith(SUFFIXES))


def exists(path: str) -> bool:
    """Return whether a path, which may have wildcards, is in the repository or in the package, and not outside."""
    roots = (TREE, PACKAGE)
    return ".." not in path.split("/") and any(any(root.glob(path.rstrip("/"))) for root in roots)


def is_module_name(code: str) -> bool:
    """Return whether a piece of code is a dotted name of ours: of a module, or of what is in one."""
    first, dot, _ = code.partition(".")
    ours = {"echoreply", "tests", "benchmarks", *FLOORS}
    return bool(dot) and first in ours and bool(re.fullmatch(r"\w+(\.\w+)+", code))


def names_something(name: str) -> bool:
    """Return whether a dotted name is that of a module, or of something that a module defines at its top."""
    parts = name.split(".")
    roots = [TREE] if parts[0] in ("echoreply", "tests", "benchmarks") else [PACKAGE]
    for root in roots:
        for count in range(len(parts), 0, -1):
            module = root.joinpath(*parts[:count])
            file = module / "__init__.py" if module.is_dir() else module.with_suffix(".py")
            if file.exists():
                return count == len(parts) or parts[count] in dict(definitions(file))
    return False


def definitions(file: Path) -> Iterator[tuple[str, set[str]]]:
    """Find the names that a module defines or imports, each with those that its methods and attributes have."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        match node:
            case ast.ClassDef(name=name):
                yield name, {word for each in ast.walk(node) for word in _names(each)}
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                yield from ((alias.asname or alias.name, set()) for alias in names)
            case _:
                yield from ((word, set()) for word in _names(node))


def _names(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            yield name
        case ast.Assign(targets=targets):
            yield from (target.id for target in targets if isinstance(target, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield name


class LinkTests(SynchronousTestCase):
    def test_each_leads_to_a_file_and_to_a_heading_in_it(self) -> None:
        documents = [*TREE.glob("*.md"), *TREE.glob("docs/*.md")]
        links = 0
        for document in documents:
            for path, anchor in LINK.findall(document.read_text(encoding="utf-8")):
                target = (document.parent / path).resolve() if path else document
                self.assertTrue(target.exists(), f"{document.name} has a link to {path}")
                if anchor:
                    self.assertIn(anchor, anchors(target), f"{document.name} has a link to {path}#{anchor}")
                links += 1
        self.assertGreater(links, 50)


class NameTests(SynchronousTestCase):
    """The files, modules and classes that documents name are there."""

    def test_every_path_and_every_module_exists(self) -> None:
        missing, count = [], 0
        for page in ABOUT_THE_CODE:
            for code in code_in((DOCS / page).read_text(encoding="utf-8")):
                if code in FOREIGN:
                    continue
                if is_path(code):
                    count += 1
                    missing += [] if exists(code) else [f"docs/{page} names {code}, which does not exist"]
                elif is_module_name(code):
                    count += 1
                    missing += [] if names_something(code) else [f"docs/{page} names {code}, which does not exist"]
        self.assertEqual(missing, [])
        self.assertGreater(count, 50)

    def test_every_dotted_name_and_every_file_of_any_document_exists(self) -> None:
        missing, count = [], 0
        for document in [*sorted(TREE.glob("*.md")), *sorted(DOCS.glob("*.md"))]:
            text = document.read_text(encoding="utf-8")
            # The changelog has former names.
            names = set(NAME.findall(text)) - DATA_FILES if document.name != "CHANGELOG.md" else set()
            missing += [f"{document.name} names {name}" for name in names if not names_something(name)]
            missing += [f"{document.name} names {path}" for path in FILE.findall(text) if not (TREE / path).exists()]
            count += len(names)
        self.assertEqual(missing, [])
        self.assertGreater(count, 10)

    def test_every_class_that_the_architecture_names_exists_with_its_methods(self) -> None:
        classes: dict[str, set[str]] = {}
        for file in PACKAGE.rglob("*.py"):
            for name, members in definitions(file):
                classes.setdefault(name, set()).update(members)
        named = [
            code
            for code in code_in((DOCS / "architecture.md").read_text(encoding="utf-8"))
            if re.fullmatch(r"[A-Z]\w+(\.\w+)?", code)
        ]
        for code in named:
            name, _, member = code.partition(".")
            self.assertIn(name, classes, f"docs/architecture.md names {code}")
            self.assertIn(member, {"", *classes[name]}, f"docs/architecture.md names {code}")
        self.assertGreater(len(named), 3)

    def test_paths_and_modules_that_are_missing_are_found(self) -> None:
        text = "`core/framing.py` `echoreply.native.states` and `x`\n```\n`gone/one.py`\n```\n`/metrics`"
        self.assertEqual(code_in(text), ["core/framing.py", "echoreply.native.states", "x", "/metrics"])
        for path in ("core/", "core/framing.py", "docs/states.md", "tests/test_*.py", "protocol.py"):
            self.assertTrue(is_path(path), path)
            self.assertTrue(exists(path), path)
        for path in ("core/gone.py", "roads/", "framing.py", "../echoreply/core", "tests/*.gone"):
            self.assertTrue(is_path(path), path)
            self.assertFalse(exists(path), path)
        for other in ("/metrics", "haproxy:", "Conversation.answer", "exit", "127.0.0.1:9101", "a/b c"):
            self.assertFalse(is_path(other) or is_module_name(other), other)
        for name in (
            "echoreply.tap",
            "tests.fuzz",
            "web.metrics",
            "echoreply.net.timer.Timer",
            "server.settings.option",
        ):
            self.assertTrue(is_module_name(name), name)
            self.assertTrue(names_something(name), name)
        for name in (
            "echoreply.roads",
            "tests.gone",
            "web.gone",
            "echoreply.net.timer.Gone",
            "echoreply.net.timer.seconds",
        ):
            self.assertTrue(is_module_name(name), name)
            self.assertFalse(names_something(name), name)


class DrawingTests(SynchronousTestCase):
    def test_the_floors_are_those_that_the_imports_are_held_against(self) -> None:
        text = (DOCS / "architecture.md").read_text(encoding="utf-8")
        drawn: dict[str, int] = {}
        floor = 0
        for line in text.partition("```text\n")[2].partition("```")[0].splitlines():
            if number := re.match(r" *(\d+) ", line):
                floor = int(number[1])
            for entry in re.findall(r"(?<!\S)([a-z_]+)(?:/|\.py)(?!\S)", line):
                self.assertNotIn(entry, drawn)
                drawn[entry] = floor
        self.assertEqual(drawn, {entry: floor for entry, floor in FLOORS.items() if entry})
        self.assertLess(len(drawn), MOST_ENTRIES)
