"""The floors of the package: every import runs downwards or stays on its floor, and none runs in a circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

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
}
"""The floor of each room: of each entry of the package."""

PACKAGE = Path(echoreply.__file__).parent


@frozen
class Import:
    """One module's import of another, both named without the package's name."""

    file: Path
    line: int
    importer: str
    imported: str

    def __str__(self) -> str:
        where = self.file.relative_to(PACKAGE.parent)
        return f"{where}:{self.line}: {self.importer} imports {self.imported}"


def modules(package: Path) -> dict[str, Path]:
    """Return the file of each module, by the module's name below the package: an empty one is the package itself."""
    names = {}
    for file in sorted(package.rglob("*.py")):
        parts = file.relative_to(package).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return names


def imports(package: Path) -> Iterator[Import]:
    """Find all imports between modules of a package, those inside functions too."""
    known = modules(package)
    prefix = f"{package.name}."
    for importer, file in known.items():
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Import(names):
                    wanted = [alias.name for alias in names]
                case ast.ImportFrom(module=str(module), names=names, level=0):
                    inner = module.removeprefix(prefix)
                    wanted = [
                        f"{module}.{alias.name}"
                        if f"{inner}.{alias.name}" in known or module == package.name
                        else module
                        for alias in names
                    ]
                case ast.ImportFrom(level=level) if level:
                    raise AssertionError(f"{file}:{node.lineno}: a relative import")
                case _:
                    continue
            for name in wanted:
                below = name.removeprefix(prefix)
                if name.startswith(prefix) and below in known:
                    yield Import(file, node.lineno, importer, below)


def upwards(found: Iterator[Import], floors: Mapping[str, int]) -> list[Import]:
    """Return the imports that run to a higher floor than their own."""
    return [each for each in found if floors[each.imported.partition(".")[0]] > floors[each.importer.partition(".")[0]]]


def in_circles(found: Iterator[Import]) -> list[Import]:
    """Return the imports between modules that reach each other."""
    all_imports = list(found)
    graph: dict[str, set[str]] = {}
    for each in all_imports:
        graph.setdefault(each.importer, set()).add(each.imported)

    def reachable(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            for module in graph.get(waiting.pop(), set()) - seen:
                seen.add(module)
                waiting.append(module)
        return seen

    reach = {module: reachable(module) for module in graph}
    return [each for each in all_imports if each.importer in reach.get(each.imported, ())]


class HouseTests(SynchronousTestCase):
    def test_no_import_runs_upwards(self) -> None:
        self.assertEqual([str(each) for each in upwards(imports(PACKAGE), FLOORS)], [])

    def test_no_import_runs_in_a_circle(self) -> None:
        self.assertEqual([str(each) for each in in_circles(imports(PACKAGE))], [])

    def test_the_native_transports_import_nothing_else_of_the_package(self) -> None:
        outside = [
            str(each)
            for each in imports(PACKAGE)
            if each.importer.split(".")[0] == "native" and each.imported.split(".")[0] != "native"
        ]
        self.assertEqual(outside, [])

    def test_every_entry_of_the_package_has_a_floor_and_there_are_at_most_sixteen(self) -> None:
        entries = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}
        self.assertEqual(entries - {"__init__", "__pycache__"}, set(FLOORS))
        visible = [path for path in PACKAGE.iterdir() if path.name not in ("__pycache__", "__init__.py", "py.typed")]
        self.assertLessEqual(len(visible), 16)
