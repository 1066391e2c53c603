"""Man pages: there is one for each command, and it has every option."""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from echoreply.client import command
from echoreply.measure import command as measure
from echoreply.server.options import Options

PAGES = Path(__file__).parents[2] / "docs" / "man"


def words_of(parser: argparse.ArgumentParser) -> set[str]:
    return {word for action in parser._actions for word in action.option_strings}


def words_of_server() -> set[str]:
    return {f"--{name.rstrip('=')}" for name in Options().longOpt}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("echoreply-client", words_of(command.make_parser())),
        ("echoreply-measure", words_of(measure.make_parser())),
        ("twistd-echoreply", words_of_server()),
    ],
)
def test_a_page_names_every_option_and_no_other(name: str, words: set[str]) -> None:
    text = (PAGES / f"{name}.1").read_text(encoding="utf-8").replace("\\-", "-")
    named = set(re.findall(r"--[a-z][\w-]+", text))
    assert {word for word in words if word.startswith("--")} == named


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
@pytest.mark.parametrize("page", sorted(PAGES.iterdir()), ids=lambda page: page.name)
def test_groff_has_no_warnings_for_a_page(page: Path) -> None:
    shown = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", page], capture_output=True, text=True, check=True, timeout=60
    )
    assert not shown.stderr
    assert shown.stdout
