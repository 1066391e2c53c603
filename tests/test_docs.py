"""What the documents point at."""

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

TREE = Path(__file__).parents[1]
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)")


def anchors(document: Path) -> set[str]:
    """Give what a document's headings are called, as those who show it call them."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


class LinkTests(SynchronousTestCase):
    def test_each_leads_to_a_file_and_to_a_heading_in_it(self) -> None:
        documents = [*TREE.glob("*.md"), *TREE.glob("docs/*.md")]
        links = 0
        for document in documents:
            for path, anchor in LINK.findall(document.read_text()):
                target = (document.parent / path).resolve() if path else document
                self.assertTrue(target.exists(), f"{document.name} has a link to {path}")
                if anchor:
                    self.assertIn(anchor, anchors(target), f"{document.name} has a link to {path}#{anchor}")
                links += 1
        self.assertGreater(links, 50)
