"""The wheel's build hook, which adds shell completions, made from the parsers of the commands."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import shtab
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PLACES = {
    "bash": "share/bash-completion/completions/{}",
    "zsh": "share/zsh/site-functions/_{}",
    "fish": "share/fish/vendor_completions.d/{}.fish",
}
"""Where shells look for the completions of a command, below a prefix."""


class CompletionsHook(BuildHookInterface[Any]):
    """Adds a completion file for each command and shell."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        sys.path.insert(0, self.root)
        from echoreply.client import command
        from echoreply.measure import command as measure
        from echoreply.native.private_names import parser_actions

        self._directory = TemporaryDirectory()
        for module in (command, measure):
            parser = module.make_parser()
            for action in parser_actions(parser):
                _complete_values(action)
            for shell, place in PLACES.items():
                made = Path(self._directory.name, f"{module.PROGRAM}.{shell}")
                made.write_text(shtab.complete(parser, shell), encoding="utf-8")
                build_data["shared_data"][str(made)] = place.format(module.PROGRAM)

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        self._directory.cleanup()


def _complete_values(action: argparse.Action) -> None:
    """Have shells complete an option's value as its metavar describes it: a file, or one of several words."""
    if isinstance(action.metavar, tuple):
        # zsh would show it as Python writes it.
        action.metavar = "FILE"
    match action.metavar:
        case "FILE" | "FILE.svg" | "PATH":
            action.complete = shtab.FILE  # type: ignore[attr-defined]  # shtab looks there
        case str(words) if "|" in words:
            action.choices = words.split("|")
