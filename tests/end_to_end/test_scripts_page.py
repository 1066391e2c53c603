"""The page on reply scripts: its examples do what it shows, and its table has every profile."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

from echoreply.scripts.profiles import names
from tests.support import wire_contract as wire
from tests.support.processes import Transcript
from tests.support.wire_contract import Wire

PAGE = (Path(__file__).parents[2] / "docs" / "scripts.md").read_text(encoding="utf-8")
TWISTD = Path(sys.executable).with_name("twistd")


def test_its_first_script_does_what_is_shown(tmp_path: Path) -> None:
    script = PAGE.split("```toml\n# hello.toml\n")[1].split("```")[0]
    session = PAGE.split("```text\n$ printf '")[1].split("```")[0]
    messages, rest = session.split("' | twistd echoreply --script hello.toml --check\n")
    expected, _ = rest.split("$ twistd")
    (tmp_path / "hello.toml").write_text(script, encoding="utf-8")
    checked = subprocess.run(
        [TWISTD, "echoreply", "--script", "hello.toml", "--check"],
        cwd=tmp_path,
        input=messages.replace("\\n", "\n"),
        text=True,
        stdout=subprocess.PIPE,
        check=True,
        timeout=wire.PATIENCE,
    )
    assert checked.stdout == expected.replace('"vm ', f'"{socket.gethostname()} ')


def test_its_program_serves_a_script() -> None:
    program = PAGE.split("<!-- example -->\n```python\n")[1].split("```")[0]
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        said = server.stdout
        port = int(Transcript(lambda: os.read(said.fileno(), 65536)).wait_for(rb"port (\d+)\n")[1])
        expected = b"hello 127.0.0.1\nPONG\nserver reply:what?\n"
        wire.exchange(partial(Wire, "127.0.0.1", port), b"PING\nwhat?\n", expected)
        server.terminate()
        assert server.wait(wire.PATIENCE) == 0


def test_its_table_has_every_profile() -> None:
    table = PAGE.split("## Profiles\n")[1].split("```")[0]
    assert sorted(re.findall(r"^\| `([\w-]+)` \|", table, re.MULTILINE)) == list(names())
