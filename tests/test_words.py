"""The words of code and documents: plain docstrings, one term for one thing, and references to names that exist."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

from twisted.trial.unittest import SynchronousTestCase

import echoreply

TREE = Path(echoreply.__file__).parents[1]

FIRST_WORDS = (
    *("Give", "Gives", "Say", "Says", "Tell", "Tells", "Know", "Knows", "Ignore", "Do nothing", "Do what", "Count it"),
    *(
        "Take note",
        "Have something",
        "See that",
        "Be one",
        "Those",
        "Who",
        "Whom",
        "What",
        "How",
        "Why",
        "When",
        "Where",
    ),
)
"""How no docstring of the package, the benchmarks or the test helpers begins: such docstrings do not inform."""

INSTEAD_OF = {
    "access list, denied, limit": ("who may come", "one too many", "who is denied"),
    "back-pressure, slow reader": ("who does not read", "whoever does not read"),
    "close word": ("farewell", "farewells"),
    "certificate verification failed": ("is not believed", "are not believed"),
    "dashboard, monitoring, metrics": ("what is going on",),
    "event loop, I/O engine": ("moves the bytes", "move the bytes"),
    "generated at start-up": ("made for this run",),
    "graceful shutdown, drain": ("gentle stop", "gentle way", "stops gently", "let clients go", "lets clients go"),
    "idle timeout: disconnects a client that …": ("is left alone", "leaves nobody", "for so long is left"),
    "in flight": ("on their way",),
    "interactive client, line editor": ("keyboard client",),
    "latency, throughput": ("how soon, how often", "how soon", "whether rightly"),
    "listening address, endpoint": ("road", "roads", "way in", "ways in", "entrance", "entrances"),
    "reload failed, keeping the previous one": ("goes on as it was", "go on as they were"),
    "binding": ("as in rulebook", "rulebook", "roster", "rosters", "stopwatch", "circumstances"),
}
"""For each standard term, what no text says in its place."""

EXCEPTIONS: dict[str, str] = {}
"""Files, from the top of the tree, that may have forbidden terms, each with the reason."""

REFERENCE = re.compile(r"([LC])\{(?:[^{}<>]*<)?\s*([\w.]+)\s*>?\}")


def python_files(*folders: str) -> list[Path]:
    return [file for folder in folders for file in sorted((TREE / folder).rglob("*.py"))]


def place(file: Path, line: int) -> str:
    return f"{file.relative_to(TREE)}:{line}"


def texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each string that is a statement: docstrings, and those below attributes."""
    for node in sorted(ast.walk(tree), key=lambda node: getattr(node, "lineno", 0)):
        match node:
            case ast.Expr(value=ast.Constant(value=str(text))):
                yield node.lineno, text


def bad_beginnings(source: str) -> list[tuple[int, str]]:
    """Return the line and the first line of each docstring of a file that begins with one of L{FIRST_WORDS}."""
    begins = re.compile(rf"\s*(?:{'|'.join(FIRST_WORDS)})\b")
    return [(line, text.strip().partition("\n")[0]) for line, text in texts(ast.parse(source)) if begins.match(text)]


def forbidden_terms(text: str) -> list[tuple[int, str]]:
    """Return the line of each forbidden term in a text, with what to say."""
    lines = [re.sub(r"[\s#*`_/]+", " ", line) for line in text.splitlines()]
    found = []
    for standard, terms in INSTEAD_OF.items():
        pattern = re.compile(rf"\b(?:{'|'.join(terms)})\b", re.IGNORECASE)
        for number, line in enumerate(lines, 1):
            # A term may be broken across two lines.
            both = f"{line} {lines[number].lstrip()}" if number < len(lines) else line
            match = pattern.search(both)
            if match and match.start() < len(line):
                found.append((number, f"{match[0]!r}; say: {standard}"))
    return sorted(found)


def forbidden_in(files: list[Path]) -> list[str]:
    return [
        f"{place(file, line)}: {found}"
        for file in files
        if str(file.relative_to(TREE)) not in EXCEPTIONS
        for line, found in forbidden_terms(file.read_text(encoding="utf-8"))
    ]


def find(path: str) -> bool:
    """Return whether a dotted path names a module, or something in one."""
    module, rest = path, list[str]()
    while module:
        try:
            value: object = import_module(module)
        except ImportError:
            module, _, name = module.rpartition(".")
            rest.insert(0, name)
        else:
            return has(value, rest)
    return False


def has(value: object, names: list[str]) -> bool:
    """Return whether attributes of attributes exist, also those that only instances have."""
    for name in names:
        if not hasattr(value, name):
            return name in getattr(value, "__annotations__", {}) or f"self.{name}" in source_of(value)
        value = getattr(value, name)
    return True


def source_of(value: object) -> str:
    module = import_module(str(getattr(value, "__module__", "builtins")))
    file = getattr(module, "__file__", None) if module.__name__.startswith("echoreply.") else None
    return Path(file).read_text(encoding="utf-8") if file else ""


def reference_exists(kind: str, name: str, module: ModuleType, source: str) -> bool:
    """
    Return whether a reference of a docstring names something.

    C{C} is for code of any kind: only names in this package are looked for. C{L} is for names of the file, such as
    classes, their methods, and modules, or for dotted paths.
    """
    if name.startswith("echoreply."):
        return find(name)
    if kind == "C":
        return True
    first, *rest = name.split(".")
    for scope in (module, builtins):
        if hasattr(scope, first):
            return has(getattr(scope, first), rest)
    # Names that only type checkers import.
    return find(name) or re.search(rf"^\s+from [\w.]+ import .*\b{first}\b", source, re.MULTILINE) is not None


def broken_references(file: Path) -> list[str]:
    source = file.read_text(encoding="utf-8")
    module = import_module(".".join(file.relative_to(TREE).with_suffix("").parts).removesuffix(".__init__"))
    return [
        f"{place(file, line + text.count(chr(10), 0, found.start()))}: {found[0]}"
        for line, text in texts(ast.parse(source))
        for found in REFERENCE.finditer(text)
        if not reference_exists(found[1], found[2], module, source)
    ]


class DocstringTests(SynchronousTestCase):
    def test_docstrings_begin_with_a_verb_or_noun_that_informs(self) -> None:
        files = python_files("echoreply", "benchmarks", "tests/support", "twisted/plugins")
        found = [
            f"{place(file, line)}: {text}"
            for file in files
            for line, text in bad_beginnings(file.read_text(encoding="utf-8"))
        ]
        self.assertEqual(found, [])

    def test_a_bad_beginning_is_found_with_its_line(self) -> None:
        source = 'def f() -> None:\n    """Give it."""\n\nx = 1\n"""What x is."""\n'
        self.assertEqual(bad_beginnings(source), [(2, "Give it."), (5, "What x is.")])
        self.assertEqual(bad_beginnings('"""Giveaways, and Whole numbers."""'), [])

    def test_references_in_docstrings_exist(self) -> None:
        found = [problem for file in python_files("echoreply") for problem in broken_references(file)]
        self.assertEqual(found, [])

    def test_a_broken_reference_is_found(self) -> None:
        module = import_module("echoreply.net.timer")
        for kind, name, exists in (
            ("L", "Timer", True),
            ("L", "Timer.start", True),
            ("L", "Timer.begin", False),
            ("L", "start", False),
            ("L", "ValueError", True),
            ("L", "twisted.internet.tcp.Port", True),
            ("L", "echoreply.core.framing.Framing.AUTO", True),
            ("C", "echoreply.core.framing.Framing.NONE", False),
            ("C", "echoreply.net.roads", False),
            ("C", "anything", True),
        ):
            with self.subTest(name=name):
                self.assertIs(reference_exists(kind, name, module, ""), exists)


class TermTests(SynchronousTestCase):
    def test_code_says_the_standard_terms(self) -> None:
        code = python_files("echoreply", "benchmarks", "tests/support", "twisted/plugins")
        others = [
            file
            for folder in ("echoreply", "benchmarks", "deploy")
            for file in sorted((TREE / folder).rglob("*"))
            if file.suffix in (".html", ".js", ".css", ".toml", ".yml", ".yaml", ".cfg", ".c", ".go", ".service")
            and ".min." not in file.name
        ]
        self.assertEqual(forbidden_in([*code, *others]), [])

    def test_documents_say_the_standard_terms(self) -> None:
        documents = [TREE / "README.md", *sorted((TREE / "docs").rglob("*.md"))]
        self.assertEqual(forbidden_in(documents), [])

    def test_a_forbidden_term_is_found_with_its_line_also_across_two_lines(self) -> None:
        text = "Every road in.\nA broad road-side view is a road, too: a gentle\n  stop.\n"
        self.assertEqual(
            forbidden_terms(text),
            [
                (1, "'road'; say: listening address, endpoint"),
                (2, "'gentle stop'; say: graceful shutdown, drain"),
                (2, "'road'; say: listening address, endpoint"),
            ],
        )

    def test_exceptions_are_files_that_exist(self) -> None:
        self.assertEqual([name for name in EXCEPTIONS if not (TREE / name).is_file()], [])
