"""The floors of the package: every import runs downwards or stays on its floor, and none runs in a circle."""

from __future__ import annotations

import ast
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from textwrap import dedent

from attrs import frozen
from twisted.trial.unittest import SynchronousTestCase

import echoreply

FLOORS = {
    "tap": 6,
    "testing": 6,
    "server": 5,
    "client": 5,
    "measure": 5,
    "protocol": 4,
    "web": 4,
    "connect": 4,
    "observe": 3,
    "tls": 3,
    "proxy": 3,
    "net": 2,
    "scripts": 2,
    "core": 1,
    "native": 1,
    # The package's own __init__.py, which every import of a module runs first.
    "": 0,
}
"""The floor of each entry of the package."""

MOST_ENTRIES = 16
"""Python files and folders directly in the package."""

TESTED_ELSEWHERE = {
    "core.connection_info": "it declares values without behaviour",
    "core.defaults": "it declares constants",
    "native.client": "Twisted's own tests of TCP clients run on it: tests/native/test_twisted_suite.py",
    "net.errors": "it declares exceptions without behaviour",
    "testing.plugin": "pytest loads it: tests/testing/test_threaded.py and tests/end_to_end/test_testing.py use it",
}
"""The modules without a test file of their own, and why."""

PACKAGE = Path(echoreply.__file__).parent
TESTS = Path(__file__).parent


@frozen
class Import:
    """One module's import of another, both named without the package's name."""

    where: str
    importer: str
    imported: str

    def __str__(self) -> str:
        return f"{self.where}: {self.importer or '__init__'} imports {self.imported}"


def modules(package: Path) -> dict[str, Path]:
    """Return the file of each module, by the module's name below the package; the package's own name is empty."""
    names = {}
    for file in sorted(package.rglob("*.py")):
        parts = file.relative_to(package).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return names


def imports(package: Path) -> list[Import]:
    """Return all imports between modules of a package, also those in functions and for type checkers only."""
    known = modules(package)
    found = []
    for importer, file in known.items():
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                where = f"{file.relative_to(package.parent)}:{node.lineno}"
                within = importer if file.name == "__init__.py" else importer.rpartition(".")[0]
                named = imported_names(node, f"{package.name}.{within}".rstrip("."))
                below = {name.removeprefix(f"{package.name}.") for name in named if name.startswith(f"{package.name}.")}
                found += [Import(where, importer, name) for name in sorted({module_of(name, known) for name in below})]
    return [each for each in found if each.imported]


def imported_names(node: ast.Import | ast.ImportFrom, within: str) -> list[str]:
    """
    Return the full names that a statement imports, of modules or of what is in them.

    @param within: the package of the statement's module, which relative imports begin at.
    """
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = within.rsplit(".", node.level - 1)[0] if node.level else ""
    module = ".".join(filter(None, [base, node.module]))
    return [f"{module}.{alias.name}" for alias in node.names]


def module_of(name: str, known: Iterable[str]) -> str:
    """Return the module that a name is in, or is; empty if that is the package itself."""
    while name and name not in known:
        name = name.rpartition(".")[0]
    return name


def upwards(found: Iterable[Import], floors: Mapping[str, int]) -> list[str]:
    """Describe the imports that run to a higher floor than their own."""

    def floor(module: str) -> int:
        return floors[module.partition(".")[0]]

    return [
        f"{each}, from floor {floor(each.importer)} up to floor {floor(each.imported)}"
        for each in found
        if floor(each.imported) > floor(each.importer)
    ]


def in_circles(found: Iterable[Import]) -> list[str]:
    """Describe the imports between modules that reach each other, each with the way back."""
    found = list(found)
    graph: dict[str, list[str]] = {}
    for each in found:
        graph.setdefault(each.importer, []).extend(runs(each))
    circles = []
    for each in found:
        back = next(filter(None, (way(graph, name, each.importer) for name in runs(each))), None)
        if back:
            circles.append(f"{each}, in the circle {' → '.join([each.importer, *back])}")
    return circles


def runs(each: Import) -> list[str]:
    """Return the modules whose code an import runs: the imported one, and packages around it that do not run yet."""
    running = {each.importer, *parents(each.importer)}
    return [each.imported, *(name for name in parents(each.imported) if name not in running)]


def parents(module: str) -> Iterator[str]:
    """Return the packages that a module is in, but for the outermost."""
    while module := module.rpartition(".")[0]:
        yield module


def way(graph: Mapping[str, Iterable[str]], start: str, end: str) -> list[str]:
    """Return a shortest way from one module to another by imports, both included; empty if there is none."""
    before = {start: ""}
    waiting = deque([start])
    while waiting:
        module = waiting.popleft()
        if module == end:
            steps = [end]
            while step := before[steps[0]]:
                steps.insert(0, step)
            return steps
        for name in graph.get(module, ()):
            if name not in before:
                before[name] = module
                waiting.append(name)
    return []


IO_MODULES = {
    *("asyncio", "fcntl", "http", "multiprocessing", "os", "pathlib", "select", "selectors", "shutil", "signal"),
    *("socket", "ssl", "subprocess", "sys", "tempfile", "threading", "time", "twisted", "zope"),
}
"""Modules that do input or output, or read a clock, or need Twisted: those that core does without."""

IO_FUNCTIONS = {"input", "open", "print"}


def io_uses(file: Path) -> list[str]:
    """Describe each use of L{IO_MODULES} and L{IO_FUNCTIONS} in a file."""
    found = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {name.partition(".")[0] for name in imported_names(node, "") if name} & IO_MODULES
        elif isinstance(node, ast.Name):
            names = {node.id} & IO_FUNCTIONS
        else:
            continue
        found += [f"{file.name}:{node.lineno}: {name}" for name in sorted(names)]
    return found


def enums_taken_apart(file: Path) -> list[str]:
    """Describe each assignment of the members of an enum to several names, which a new member would break."""
    return [
        f"{file.name}:{node.lineno}: {node.value.id}"
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Name)
        if node.value.id[0].isupper() and not node.value.id.isupper()
    ]


class HouseTests(SynchronousTestCase):
    def test_core_does_no_input_or_output_and_needs_neither_twisted_nor_a_clock(self) -> None:
        files = sorted((PACKAGE / "core").rglob("*.py"))
        self.assertGreater(len(files), 5)
        self.assertEqual([use for file in files for use in io_uses(file)], [])

    def test_a_new_member_of_an_enum_breaks_no_assignment(self) -> None:
        self.assertEqual([each for file in PACKAGE.rglob("*.py") for each in enums_taken_apart(file)], [])

    def test_no_import_runs_upwards(self) -> None:
        self.assertEqual(upwards(imports(PACKAGE), FLOORS), [])

    def test_no_import_runs_in_a_circle(self) -> None:
        self.assertEqual(in_circles(imports(PACKAGE)), [])

    def test_the_native_transports_import_nothing_else_of_the_package(self) -> None:
        native = [each for each in imports(PACKAGE) if each.importer.partition(".")[0] == "native"]
        self.assertEqual([str(each) for each in native if each.imported.partition(".")[0] != "native"], [])
        self.assertGreater(len(native), 5)

    def test_every_entry_of_the_package_has_a_floor_and_there_are_at_most_sixteen(self) -> None:
        entries = {path.name for path in PACKAGE.iterdir()} - {"__pycache__", "py.typed"}
        self.assertEqual({entry.removesuffix(".py") for entry in entries - {"__init__.py"}}, set(FLOORS) - {""})
        self.assertLessEqual(len(entries), MOST_ENTRIES)

    def test_the_tests_have_the_folders_of_the_package(self) -> None:
        package, tests = (
            {path.name for path in tree.iterdir() if (path / "__init__.py").exists()} for tree in (PACKAGE, TESTS)
        )
        self.assertEqual(tests - {"end_to_end", "packaging", "support"}, package)

    def test_every_module_has_a_test_file_of_its_own_or_a_reason(self) -> None:
        files = {file.relative_to(PACKAGE) for file in modules(PACKAGE).values() if file.name != "__init__.py"}
        untested = {
            ".".join(file.with_suffix("").parts)
            for file in files
            if not (TESTS / file.with_name(f"test_{file.name}")).exists()
        }
        self.assertEqual(untested, set(TESTED_ELSEWHERE))

    def test_no_helper_of_the_tests_has_the_name_of_a_module(self) -> None:
        helpers = {file.stem for file in (TESTS / "support").glob("*.py")} - {"__init__"}
        self.assertEqual(helpers & {name.rpartition(".")[2] for name in modules(PACKAGE)}, set())


class UsesTests(SynchronousTestCase):
    """The functions above find what they are for, in files that are made for it."""

    def file(self, text: str) -> Path:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        file = Path(directory.name) / "module.py"
        file.write_text(dedent(text))
        return file

    def test_imports_and_calls_that_do_input_or_output(self) -> None:
        file = self.file(
            """\
            import os.path, re
            from twisted.internet import task
            from io import BytesIO
            def function():
                import time as clock
                return open("file").read()
            """
        )
        wanted = ["module.py:1: os", "module.py:2: twisted", "module.py:5: time", "module.py:6: open"]
        self.assertEqual(sorted(io_uses(file)), wanted)

    def test_enums_that_are_taken_apart(self) -> None:
        file = self.file("A, B = State\nC, D = values\nE = State.E\nF, G = PAIR\n")
        self.assertEqual(enums_taken_apart(file), ["module.py:1: State"])


class FindingTests(SynchronousTestCase):
    """The functions above find what they are for, in packages that are made for it."""

    FLOORS: Mapping[str, int] = {"high": 2, "low": 1, "": 0}

    def package(self, **files: str) -> list[Import]:
        """Return the imports of a package C{house} of these files, whose names have C{__} for each slash."""
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        house = Path(directory.name) / "house"
        for name, text in ({"": "", "high__": "", "low__": ""} | files).items():
            file = house / f"{name.replace('__', '/')}"
            file = file / "__init__.py" if not name or name.endswith("__") else file.with_suffix(".py")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(dedent(text))
        return imports(house)

    def test_an_import_downwards_is_none(self) -> None:
        found = self.package(high__top="import house.low.base", low__base="import os")
        self.assertEqual(list(map(str, found)), ["house/high/top.py:1: high.top imports low.base"])
        self.assertEqual((upwards(found, self.FLOORS), in_circles(found)), ([], []))

    def test_an_import_upwards(self) -> None:
        wanted = "house/low/base.py:3: low.base imports high.top, from floor 1 up to floor 2"
        for statement in ("import house.high.top", "from house.high import top", "from house.high.top import NAME"):
            found = self.package(high__top="NAME = 1", low__base=f"import os\n\n{statement}\n")
            self.assertEqual(upwards(found, self.FLOORS), [wanted], statement)

    def test_an_import_of_a_package_that_is_higher(self) -> None:
        found = self.package(high__="NAME = 1", low__base="from house.high import NAME")
        wanted = "house/low/base.py:1: low.base imports high, from floor 1 up to floor 2"
        self.assertEqual(upwards(found, self.FLOORS), [wanted])

    def test_an_import_in_a_function_and_one_for_type_checkers(self) -> None:
        base = """\
            from typing import TYPE_CHECKING
            if TYPE_CHECKING:
                from house.high import top
            class Base:
                async def method(self):
                    try:
                        import house.high.top
                    finally:
                        pass
            """
        found = self.package(high__top="", low__base=base)
        self.assertEqual([each.where for each in found], ["house/low/base.py:3", "house/low/base.py:7"])
        self.assertEqual(len(upwards(found, self.FLOORS)), 2)

    def test_a_relative_import(self) -> None:
        found = self.package(
            high__top="",
            low__="from ..high import top",
            low__deep__base="from ...high.top import NAME\nfrom .. import deep",
        )
        wanted = [
            "house/low/__init__.py:1: low imports high.top, from floor 1 up to floor 2",
            "house/low/deep/base.py:1: low.deep.base imports high.top, from floor 1 up to floor 2",
        ]
        self.assertEqual(upwards(found, self.FLOORS), wanted)

    def test_the_package_itself_imports_nothing_of_its_own(self) -> None:
        found = self.package(**{"": "from . import low"})
        wanted = "house/__init__.py:1: __init__ imports low, from floor 0 up to floor 1"
        self.assertEqual(upwards(found, self.FLOORS), [wanted])

    def test_a_circle_of_two_modules(self) -> None:
        found = self.package(low__a="from house.low import b", low__b="def f():\n    from house.low.a import NAME")
        wanted = [
            "house/low/a.py:1: low.a imports low.b, in the circle low.a → low.b → low.a",
            "house/low/b.py:2: low.b imports low.a, in the circle low.b → low.a → low.b",
        ]
        self.assertEqual(in_circles(found), wanted)

    def test_a_circle_of_three_modules_and_not_what_leads_to_it(self) -> None:
        found = self.package(
            high__top="from house.low import a",
            low__a="from house.low import b",
            low__b="from house.low import c, d",
            low__c="from house.low import a",
            low__d="",
        )
        wanted = [
            "house/low/a.py:1: low.a imports low.b, in the circle low.a → low.b → low.c → low.a",
            "house/low/b.py:1: low.b imports low.c, in the circle low.b → low.c → low.a → low.b",
            "house/low/c.py:1: low.c imports low.a, in the circle low.c → low.a → low.b → low.c",
        ]
        self.assertEqual(in_circles(found), wanted)

    def test_a_circle_through_the_code_of_a_package(self) -> None:
        found = self.package(low__a="import house.high.top", high__="from house.low import a", high__top="")
        wanted = [
            "house/high/__init__.py:1: high imports low.a, in the circle high → low.a → high",
            "house/low/a.py:1: low.a imports high.top, in the circle low.a → high → low.a",
        ]
        self.assertEqual(in_circles(found), wanted)

    def test_a_package_may_import_its_own_modules(self) -> None:
        found = self.package(low__="from house.low import a", low__a="from house.low import b", low__b="")
        self.assertEqual(in_circles(found), [])

    def test_a_module_that_imports_from_its_package_what_that_imports_from_it(self) -> None:
        found = self.package(low__="from house.low.a import A", low__a="from house.low import B")
        self.assertEqual(len(in_circles(found)), 2)
