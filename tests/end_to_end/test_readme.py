"""What the README says is so."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

from tests.support import wire_contract as wire
from tests.support.processes import Transcript
from tests.support.wire_contract import Wire

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


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
