"""Every option of the three programs, in the man pages, in the documents' tables and in the programs' own help."""

# ruff: noqa: RUF001  # Chinese punctuation

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from echoreply.client import command as client
from echoreply.core.option import Option
from echoreply.measure import command as measure
from echoreply.server.options import Options

TREE = Path(__file__).parents[1]

PROGRAMS: Mapping[str, tuple[Option, ...]] = {
    "twistd-echoreply": Options.declared,
    "echoreply-client": tuple(option for option in client.make_parser().options if option.flags),
    "echoreply-measure": tuple(option for option in measure.make_parser().options if option.flags),
}

CHINESE = {
    "8088 if no other is given": "8088（没有指定其他端点时）",
    "all, IPv6 and IPv4": "全部，IPv6 和 IPv4",
    "self-signed, generated at start-up": "启动时生成的自签名证书",
    "in the --cert file": "在 --cert 文件中",
    "all": "全部",
    "local networks": "本地网络",
    "the script's, else auto": "脚本所写，否则 auto",
    "the system's CAs": "系统的 CA",
    "5; at a terminal 0.5": "5；在终端上 0.5",
}
"""Translations of the defaults that are words instead of values."""

ROMAN_MACROS = {"B": " ", "I": " ", "BR": "", "BI": "", "RB": "", "RI": "", "IR": "", "IB": ""}
"""The separators that man(7) puts between the arguments of its font macros."""


def plain(line: str) -> str:
    """Return a line of a man page as it is shown."""
    macro, _, arguments = line.removeprefix(".").partition(" ")
    if line.startswith(".") and macro in ROMAN_MACROS:
        line = ROMAN_MACROS[macro].join(shlex.split(arguments, posix=True))
    return re.sub(r"\\f.", "", line).replace(r"\-", "-")


def entries(page: Path) -> dict[str, str]:
    """Return the text of each entry in the section OPTIONS of a man page, by the option as it is typed."""
    section = page.read_text(encoding="utf-8").split("\n.SH OPTIONS\n")[1].split("\n.SH ")[0]
    found = {}
    for entry in re.split(r"^\.TP\n", section, flags=re.MULTILINE)[1:]:
        tag, *text = re.split(r"^\.SS ", entry, flags=re.MULTILINE)[0].splitlines()
        found[plain(tag)] = " ".join(map(plain, text))
    return found


def groups(page: Path) -> dict[str, str]:
    """Return the heading of each option in a man page, by the option as it is typed."""
    section = page.read_text(encoding="utf-8").split("\n.SH OPTIONS\n")[1].split("\n.SH ")[0]
    found: dict[str, str] = {}
    for part in re.split(r"^\.SS ", section, flags=re.MULTILINE)[1:]:
        heading, *lines = part.splitlines()
        found |= {plain(tag): plain(heading) for before, tag in pairwise(lines) if before == ".TP"}
    return found


def rows(text: str) -> Iterator[tuple[str, str]]:
    """Find the options in the tables of a document, as they are typed, with their defaults."""
    for option, default in re.findall(r"^\| `(-(?:[^`|]|\\\|)+)` \|([^|]*)\|", text, re.MULTILINE):
        yield option.replace(r"\|", "|"), default.strip().replace("`", "")


def expected(options: Iterable[Option], translation: Mapping[str, str] | None = None) -> list[tuple[str, str]]:
    """Return the rows that a table of options has to have."""
    return sorted((option.invocation, (translation or {}).get(option.default, option.default)) for option in options)


def without_none(found: Iterable[tuple[str, str]], none: str, options: Iterable[Option]) -> list[tuple[str, str]]:
    """Return rows with an empty default where a table has the word for none, but for options whose value it is."""
    values = {option.invocation for option in options if option.default == none}
    return sorted((name, "" if default == none and name not in values else default) for name, default in found)


class ManPageTests(SynchronousTestCase):
    def test_a_page_has_each_option_with_its_metavar_and_default_and_no_other(self) -> None:
        for program, options in PROGRAMS.items():
            found = entries(TREE / "docs" / "man" / f"{program}.1")
            self.assertEqual(sorted(found), sorted(option.invocation for option in options), program)
            for option in options:
                default = re.search(r" \[([^\]]*)\]\.$", found[option.invocation])
                self.assertEqual(default[1] if default else "", option.default, option.invocation)

    def test_a_page_has_the_headings_of_the_help(self) -> None:
        for program, options in PROGRAMS.items():
            found = groups(TREE / "docs" / "man" / f"{program}.1")
            self.assertEqual(found, {option.invocation: option.group for option in options}, program)


class TableTests(SynchronousTestCase):
    def test_the_readme_has_each_option_of_server_and_client(self) -> None:
        server, rest = (TREE / "README.md").read_text(encoding="utf-8").split("\n## The client\n")
        for text, program in ((server, "twistd-echoreply"), (rest, "echoreply-client")):
            options = PROGRAMS[program]
            self.assertEqual(without_none(rows(text), "none", options), expected(options))

    def test_so_has_the_chinese_one(self) -> None:
        server, rest = (TREE / "README.zh.md").read_text(encoding="utf-8").split("\n## 客户端\n")
        for text, program in ((server, "twistd-echoreply"), (rest, "echoreply-client")):
            options = PROGRAMS[program]
            self.assertEqual(without_none(rows(text), "无", options), expected(options, CHINESE))

    def test_the_load_testers_own_options_are_in_its_document(self) -> None:
        shared = {option.invocation for option in PROGRAMS["echoreply-client"]}
        own = [option for option in PROGRAMS["echoreply-measure"] if option.invocation not in shared]
        text = (TREE / "docs" / "measure.md").read_text(encoding="utf-8")
        self.assertEqual(without_none(rows(text), "none", own), expected(own))


class HelpTests(SynchronousTestCase):
    HELP: Mapping[str, str] = {
        "twistd-echoreply": str(Options()),
        "echoreply-client": client.make_parser().format_help(),
        "echoreply-measure": measure.make_parser().format_help(),
    }

    def test_each_option_has_one_line_below_the_heading_of_its_group(self) -> None:
        for program, options in PROGRAMS.items():
            heading, found = "", []
            for line in self.HELP[program].splitlines():
                if line.endswith(":") and not line.startswith(" "):
                    heading = line.removesuffix(":")
                elif match := re.match(r"  (-.*?)  +(.+)$", line):
                    found.append((heading, *match.groups()))
            wanted = [(option.group, option.invocation, option.summary) for option in options]
            self.assertEqual(sorted(found), sorted(wanted), program)
            self.assertEqual(len({heading for heading, *_ in found}), len(set(dict.fromkeys(o.group for o in options))))

    def test_every_option_has_a_help_text(self) -> None:
        for options in PROGRAMS.values():
            for option in options:
                self.assertRegex(option.help, r"^\w.*[^.]$", option)

    def test_it_is_as_wide_as_a_terminal_and_has_one_usage_line_and_two_examples_before_the_options(self) -> None:
        for program, text in self.HELP.items():
            lines = text.splitlines()
            self.assertLess(max(map(len, lines)), 80, program)
            self.assertEqual([number for number, line in enumerate(lines) if "sage:" in line], [0])
            before = text.partition(PROGRAMS[program][0].group)[0]
            command = program.replace("twistd-", "twistd -n ")
            self.assertEqual(len(re.findall(rf"^  {command} ", before, re.MULTILINE)), 2, program)
