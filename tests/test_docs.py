"""The documents' links and the names of modules, classes and files in them lead somewhere."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

TREE = Path(__file__).parents[1]
DOCUMENTS = [*sorted(TREE.glob("*.md")), *sorted(TREE.glob("docs/*.md"))]
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)")
NAME = re.compile(r"(?<![\w/.-])echoreply(?:\.[A-Za-z_]\w*)+(?![\w/*])")
FILE = re.compile(r"`((?:benchmarks|deploy|docs|echoreply|tests|twisted)/[\w./-]*\.\w+)`")
FILE_NAMES = {path.name for path in (TREE / "deploy").rglob("*")} | {f"echoreply.{it}" for it in ("log", "pid", "sock")}
"""Files whose names look like those of modules."""


def anchors(document: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def resolve(name: str) -> object:
    """
    Return the module, or the attribute of one, that a dotted name means.

    @raise AttributeError: there is none.
    """
    *parts, last = name.split(".")
    if not parts:
        return import_module(last)
    try:
        return import_module(name)
    except ImportError:
        return getattr(resolve(".".join(parts)), last)


class LinkTests(SynchronousTestCase):
    def test_each_leads_to_a_file_and_to_a_heading_in_it(self) -> None:
        links = 0
        for document in DOCUMENTS:
            for path, anchor in LINK.findall(document.read_text(encoding="utf-8")):
                target = (document.parent / path).resolve() if path else document
                self.assertTrue(target.exists(), f"{document.name} has a link to {path}")
                if anchor:
                    self.assertIn(anchor, anchors(target), f"{document.name} has a link to {path}#{anchor}")
                links += 1
        self.assertGreater(links, 50)


class NameTests(SynchronousTestCase):
    def test_each_dotted_name_is_one_of_the_package(self) -> None:
        names = 0
        for document in DOCUMENTS:
            if document.name == "CHANGELOG.md":
                continue  # It has former names.
            for name in set(NAME.findall(document.read_text(encoding="utf-8"))) - FILE_NAMES:
                try:
                    resolve(name)
                except AttributeError:
                    self.fail(f"{document.name} names {name}")
                names += 1
        self.assertGreater(names, 10)

    def test_each_file_is_one_of_the_repository(self) -> None:
        for document in DOCUMENTS:
            for path in FILE.findall(document.read_text(encoding="utf-8")):
                self.assertTrue((TREE / path).exists(), f"{document.name} names {path}")
