"""What a stranger installs: built from this tree, and used from somewhere else."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.support import wire_contract as wire
from tests.support.processes import Transcript
from tests.support.web_clients import WEB, web_port
from tests.support.wire_contract import Wire

pytestmark = pytest.mark.wheel

TREE = Path(__file__).parents[2]
PLUGIN = "twisted/plugins/echoreply_plugin.py"


def output_of(*command: str | Path, directory: Path) -> str:
    """Run a command that must succeed; give what it prints."""
    completed = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stdout + completed.stderr
    return completed.stdout + completed.stderr


def unquoted(text: str) -> str:
    """Return a text without the characters by which shells quote others."""
    return re.sub(r"[\\'\"]", "", text)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the directory with the sdist, and the wheel built from it."""
    directory = tmp_path_factory.mktemp("dist")
    output_of(sys.executable, "-m", "build", "--outdir", directory, TREE, directory=directory)
    return directory


def test_the_sdist_and_the_wheel_carry_the_plugin_and_make_no_package_of_twisted(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    (sdist,) = built.glob("*.tar.gz")
    in_wheel = set(zipfile.ZipFile(wheel).namelist())
    with tarfile.open(sdist) as archive:
        in_sdist = {name.split("/", 1)[-1] for name in archive.getnames()}
    for names in (in_wheel, in_sdist):
        assert {PLUGIN, "echoreply/protocol.py", "echoreply/py.typed"} <= names
        assert not {"twisted/__init__.py", "twisted/plugins/__init__.py"} & names
    assert {"README.md", "LICENSE", "CHANGELOG.md", "tests/core/test_framing.py"} <= in_sdist
    assert not any(name.startswith("tests/") for name in in_wheel)


@pytest.mark.parametrize("program", ["echoreply-client", "echoreply-measure"])
def test_the_wheel_has_completions_that_shells_take(built: Path, tmp_path: Path, program: str) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if "/share/" in name and program in name]
        for name in names:
            (tmp_path / Path(name).name).write_bytes(archive.read(name))
    assert {Path(name).name for name in names} == {program, f"_{program}", f"{program}.fish", f"{program}.1"}
    ask = f"source ./{program}; COMP_WORDS=({program} --conn); COMP_CWORD=1; _shtab_{program.replace('-', '_')};"
    offered = output_of("bash", "-c", ask + 'printf "%s\\n" "${COMPREPLY[@]}"', directory=tmp_path).split()
    assert "--connect-timeout" in offered
    parser = importlib.import_module(f"echoreply.{program.removeprefix('echoreply-')}.command").make_parser()
    for file, around in ((f"_{program}", "[{}]"), (f"{program}.fish", "-d {}")):
        text = unquoted((tmp_path / file).read_text())
        for option in parser.options:
            if option.flags:
                assert around.format(unquoted(option.help)) in text
    for shell, file in (("zsh", f"_{program}"), ("fish", f"{program}.fish")):
        if shutil.which(shell):
            output_of(shell, "-n", file, directory=tmp_path)


def test_the_wheel_serves_from_an_empty_environment_and_leaves_without_a_trace(built: Path, tmp_path: Path) -> None:
    environment, elsewhere = tmp_path / "environment", tmp_path / "elsewhere"
    elsewhere.mkdir()
    output_of(sys.executable, "-m", "venv", environment, directory=elsewhere)
    scripts = environment / "bin"
    (wheel,) = built.glob("*.whl")
    output_of(scripts / "pip", "install", wheel, directory=elsewhere)

    assert "--max-message BYTES" in output_of(scripts / "twistd", "echoreply", "--help", directory=elsewhere)
    profiles = output_of(scripts / "twistd", "echoreply", "--list-profiles", directory=elsewhere)
    assert "--prefix, a space, and the line" in profiles
    version = re.search(r"-(\d[^-]*)-", wheel.name)
    assert version
    assert version[1] in output_of(scripts / "echoreply-client", "--version", directory=elsewhere)
    command: list[str | Path] = [scripts / "twistd", "-n", "--pidfile=", "echoreply", "--port=0", WEB]
    with subprocess.Popen(command, cwd=elsewhere, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as server:
        assert server.stdout is not None
        said = server.stdout
        log = Transcript(lambda: os.read(said.fileno(), 65536))
        port = int(log.wait_for(rb"listening on \S+:(\d+)\n")[1])
        wire.exchange(lambda: Wire("127.0.0.1", port), b"hello\n", b"server reply:hello\n")
        replies = subprocess.run(
            [scripts / "echoreply-client", "127.0.0.1", str(port)], input=b"hello\n", capture_output=True, check=True
        )
        assert replies.stdout == b"server reply:hello\n"
        with Wire("127.0.0.1", web_port(log)) as browser:
            browser.send(b"GET /page.js HTTP/1.0\r\n\r\n")
            assert browser.read_all().endswith((TREE / "echoreply/web/page/page.js").read_bytes())
        server.send_signal(signal.SIGTERM)
        assert server.wait(wire.PATIENCE) == -signal.SIGTERM

    output_of(scripts / "pip", "uninstall", "--yes", "echoreply", directory=elsewhere)
    assert "echoreply" not in output_of(scripts / "twistd", "--help", directory=elsewhere)
    assert not list(environment.glob("lib/python*/site-packages/twisted/plugins/*echoreply*"))
    assert not list(environment.glob("lib/python*/site-packages/echoreply*"))
