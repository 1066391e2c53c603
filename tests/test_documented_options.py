"""Every option of the three programs, in the man pages, in the documents' tables and in the programs' own help."""

# ruff: noqa: RUF001  # Chinese punctuation

from __future__ import annotations

import re
import shlex
from collections import Counter
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


def with_default(invocation: str, default: str) -> str:
    """Return an option as it is typed, and its default: C{--port PORT [8088]}."""
    return f"{invocation} [{default}]" if default else invocation


def expected(options: Iterable[Option], translation: Mapping[str, str] | None = None) -> list[str]:
    """Return the rows that a table of options has to have."""
    return [
        with_default(option.invocation, (translation or {}).get(option.default, option.default)) for option in options
    ]


def without_none(found: Iterable[tuple[str, str]], none: str, options: Iterable[Option]) -> list[str]:
    """Return rows without a default where a table has the word for none, but for options whose value it is."""
    values = {option.invocation for option in options if option.default == none}
    return [with_default(name, "" if default == none and name not in values else default) for name, default in found]


def differences(document: str, found: Iterable[str], wanted: Iterable[str]) -> list[str]:
    """Return a line for each entry that a document lacks or has too many, which says what to do."""
    has, needs = Counter(found), Counter(wanted)
    return [
        *(f"{document} lacks: {entry}" for entry in (needs - has).elements()),
        *(f"{document} has, but should not: {entry}" for entry in (has - needs).elements()),
    ]


class DocumentTestCase(SynchronousTestCase):
    def assert_same(self, document: str, found: Iterable[str], wanted: Iterable[str]) -> None:
        if lines := differences(document, found, wanted):
            self.fail("\n".join(["", *lines]))


class DifferencesTests(SynchronousTestCase):
    def test_each_line_says_what_a_document_lacks_or_has_too_many(self) -> None:
        self.assertEqual(differences("x", ["b", "a"], ["a", "b"]), [])
        self.assertEqual(differences("x", ["a", "c", "c"], ["a", "b", "c"]), ["x lacks: b", "x has, but should not: c"])

    def test_an_option_that_no_document_has_is_named_with_its_default(self) -> None:
        new = Option(name="reply-delay", metavar="SECONDS", group="Replies", help="wait", default="0")
        self.assertEqual(
            differences("docs/man/x.1", [], [with_default(new.invocation, new.default)]),
            ["docs/man/x.1 lacks: --reply-delay SECONDS [0]"],
        )


class ManPageTests(DocumentTestCase):
    def test_a_page_has_each_option_with_its_metavar_and_default_and_no_other(self) -> None:
        for program, options in PROGRAMS.items():
            page = f"docs/man/{program}.1"
            found = []
            for invocation, text in entries(TREE / page).items():
                default = re.search(r" \[([^\]]*)\]\.$", text)
                found.append(with_default(invocation, default[1] if default else ""))
            self.assert_same(page, found, (with_default(option.invocation, option.default) for option in options))

    def test_a_page_has_the_headings_of_the_help(self) -> None:
        for program, options in PROGRAMS.items():
            page = f"docs/man/{program}.1"
            found = (f"{invocation}, below {heading!r}" for invocation, heading in groups(TREE / page).items())
            self.assert_same(page, found, (f"{option.invocation}, below {str(option.group)!r}" for option in options))


class TableTests(DocumentTestCase):
    def test_the_readme_has_each_option_of_server_and_client(self) -> None:
        server, rest = (TREE / "README.md").read_text(encoding="utf-8").split("\n## The client\n")
        for text, program in ((server, "twistd-echoreply"), (rest, "echoreply-client")):
            options = PROGRAMS[program]
            self.assert_same("README.md", without_none(rows(text), "none", options), expected(options))

    def test_so_has_the_chinese_one(self) -> None:
        server, rest = (TREE / "README.zh.md").read_text(encoding="utf-8").split("\n## 客户端\n")
        for text, program in ((server, "twistd-echoreply"), (rest, "echoreply-client")):
            options = PROGRAMS[program]
            self.assert_same("README.zh.md", without_none(rows(text), "无", options), expected(options, CHINESE))

    def test_the_load_testers_own_options_are_in_its_document(self) -> None:
        shared = {option.invocation for option in PROGRAMS["echoreply-client"]}
        own = [option for option in PROGRAMS["echoreply-measure"] if option.invocation not in shared]
        text = (TREE / "docs" / "measure.md").read_text(encoding="utf-8")
        self.assert_same("docs/measure.md", without_none(rows(text), "none", own), expected(own))


class HelpTests(DocumentTestCase):
    HELP: Mapping[str, str] = {
        "twistd-echoreply": str(Options()),
        "echoreply-client": client.make_parser().format_help(),
        "echoreply-measure": measure.make_parser().format_help(),
    }

    def test_each_option_has_one_line_below_the_heading_of_its_group(self) -> None:
        for program, options in PROGRAMS.items():
            heading, headings, found = "", set(), []
            for line in self.HELP[program].splitlines():
                if line.endswith(":") and not line.startswith(" "):
                    heading = line.removesuffix(":")
                elif match := re.match(r"  (-.*?)  +(.+)$", line):
                    headings.add(heading)
                    found.append(f"{match[1]}  {match[2]}, below {heading!r}")
            wanted = [f"{option.invocation}  {option.summary}, below {str(option.group)!r}" for option in options]
            self.assert_same(f"the help of {program}", found, wanted)
            self.assertEqual(len(headings), len(set(dict.fromkeys(o.group for o in options))))

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
