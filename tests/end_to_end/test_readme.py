"""The README: its session, its commands, and its example program are as shown."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from twisted.python.usage import UsageError

from echoreply.client import command as client
from echoreply.measure import command as measure
from echoreply.server.options import Options
from tests.end_to_end.conftest import Start
from tests.support import wire_contract as wire
from tests.support.processes import CLIENT, Transcript
from tests.support.terminal_emulator import Emulator
from tests.support.wire_contract import Wire

TREE = Path(__file__).parents[2]
README = (TREE / "README.md").read_text(encoding="utf-8")
PROGRAMS = "twistd|echoreply-client|echoreply-measure"
PAGES = [
    *(TREE / name for name in ("README.md", "README.zh.md")),
    *(
        TREE / "docs" / f"{name}.md"
        for name in ("logging", "measure", "metrics", "operations", "scaling", "scripts", "web")
    ),
    *sorted(TREE.glob("docs/man/*.1")),
]
"""The pages that show commands."""
LEFT_OUT = ("engine: ", "connections allowed: ")
"""How log lines begin that the README's session leaves out."""


def test_its_example_serves() -> None:
    example = README.split("<!-- example -->\n```python\n")[1].split("```")[0]
    with subprocess.Popen([sys.executable, "-c", example], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        said = server.stdout
        log = Transcript(lambda: os.read(said.fileno(), 65536))
        port = int(log.wait_for(rb"starting on (\d+)")[1])
        wire.exchange(partial(Wire, "127.0.0.1", port), b"hello\n", b"you said: HELLO\n")
        log.wait_for(rb'sent "hello"')
        server.terminate()
        assert server.wait(wire.PATIENCE) == 0


def session() -> tuple[list[str], list[str]]:
    """Return the lines of the README's session: the server's log, and the terminal beside it."""
    block = README.split("## A session\n")[1].split("```text\n")[1].split("```")[0]
    rows = [line.partition("|")[::2] for line in block.splitlines()]
    log = re.sub(r"\n +", " ", "\n".join(left.rstrip() for left, _ in rows if left.strip())).splitlines()
    return log, [right.removeprefix(" ").rstrip() for _, right in rows if right.strip()]


def without_ports(lines: list[str]) -> list[str]:
    return [re.sub(r"(127\.0\.0\.1|\[::\]):\d+", r"\1:PORT", line) for line in lines]


def test_its_session_is_as_shown(start_as_told: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("TERM", "xterm-256color")
    log, terminal = session()
    assert log.pop(0) == "$ twistd -n echoreply"
    assert terminal.pop(0) == "$ echoreply-client"
    end = terminal.index("$ printf 'a\\nb\\n' | nc -N 127.0.0.1 8088")
    server = start_as_told()
    with Emulator(CLIENT, "127.0.0.1", str(server.port)) as emulator:
        for row in terminal[:end]:
            if row.startswith("> "):
                emulator.wait_until(lambda: emulator.cursor() == (">", 2))
                emulator.type(f"{row.removeprefix('> ')}\r")
            else:
                emulator.wait_for(row.partition(" 127.0.0.1:")[0])
        assert without_ports(emulator.rows()) == without_ports(terminal[:end])
    wire.exchange(server.dial(), b"a\nb\n", "".join(f"{line}\n" for line in terminal[end + 1 : end + 3]).encode())
    server.log.wait_for(rb"ended: closed by the client")
    logged = re.findall(r"\[echoreply#info\] (.*)", server.log.so_far().decode())
    assert without_ports([line for line in logged if not line.startswith(LEFT_OUT)]) == without_ports(log)


def commands(page: Path) -> Iterator[list[str]]:
    """Find the commands of a page that run one of the three programs, each without its redirections."""
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".1":
        text = text.split(".SH EXAMPLES\n")[1].replace("\\-", "-")
    for line in re.findall(rf"^ *(?:\$ )?(.*?\b(?:{PROGRAMS}) .*)$", text, re.MULTILINE):
        if line.count("'") % 2 == 0:
            for part in re.split(r" (?:\||&&) ", re.split(r" +[#|]$| +# ", line)[0].rstrip("| ")):
                words = shlex.split(re.split(r" \d?[<>]", part)[0])
                if words and re.fullmatch(PROGRAMS, Path(words[0]).name):
                    yield words


def parse(words: list[str]) -> None:
    """Parse a command as its program does; C{SystemExit} or C{UsageError} if it has a mistake."""
    program = Path(words[0]).name
    if program == "twistd":
        if "echoreply" in words:
            # The last one: twistd's own options may have this value.
            arguments = words[len(words) - words[::-1].index("echoreply") :]
            Options().parseOptions([word for word in arguments if word not in ("--check", "--list-profiles")])
    else:
        (client if program == "echoreply-client" else measure).make_parser().parse(words[1:])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_programs_take_every_command_of_a_page(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # For --config echoreply.toml.
    monkeypatch.chdir(TREE / "deploy")
    found = list(commands(page))
    assert found
    for words in found:
        try:
            parse([word.replace("ADDRESS-OF-HAPROXY", "192.0.2.1") for word in words])
        except (SystemExit, UsageError) as error:
            pytest.fail(f"{shlex.join(words)}: {error}")
