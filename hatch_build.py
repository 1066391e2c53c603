"""What a wheel holds beside the code: completions for shells, made of the commands' own parsers."""

from __future__ import annotations

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
    """Adds a file for each command and shell."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make the files that the wheel is built from."""
        sys.path.insert(0, self.root)
        from echoreply.client import command
        from echoreply.measure import command as measure
        from echoreply.native.private_names import parser_actions

        self._directory = TemporaryDirectory()
        for module in (command, measure):
            parser = module.make_parser()
            for action in parser_actions(parser):
                if action.metavar in ("FILE", "FILE.svg", "PATH", ("A.json", "B.json")):
                    action.complete = shtab.FILE  # type: ignore[attr-defined]  # as shtab wants it
            for shell, place in PLACES.items():
                made = Path(self._directory.name, f"{module.PROGRAM}.{shell}")
                made.write_text(shtab.complete(parser, shell), encoding="utf-8")
                build_data["shared_data"][str(made)] = place.format(module.PROGRAM)

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove them."""
        self._directory.cleanup()
