"""The pytest fixture and the trial helper in test suites of their users, each run as its users run it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.end_to_end.conftest import on_linux
from tests.support.wire_contract import PATIENCE

DOCUMENT = (Path(__file__).parents[2] / "docs" / "testing.md").read_text(encoding="utf-8")

NO_TWISTED = ["-p", "no:twisted"]
"""Options that disable pytest-twisted, which imports the global reactor."""

CONVERSE = '''
import socket

def converse(address, message=b"hello\\n"):
    """Send one message, and return the reply."""
    with socket.create_connection(address, timeout=60) as connection:
        connection.sendall(message)
        return connection.makefile("rb").readline()
'''


def run(directory: Path, files: Mapping[str, str], *command: str) -> str:
    """Write a suite, run it in its directory, and return its output."""
    for name, text in files.items():
        (directory / name).write_text(text, encoding="utf-8")
    # The inner pytest must not take the options of the outer one.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        command,
        cwd=directory,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return done.stdout


def run_pytest(directory: Path, suite: str, *options: str, **files: str) -> str:
    """Run a suite under pytest, with further modules by their names, and return its output."""
    modules = {f"{name}.py": text for name, text in files.items()}
    everything = {"pytest.ini": "[pytest]\n", "client.py": CONVERSE, "test_suite.py": suite, **modules}
    return run(directory, everything, sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options)


def outcomes(output: str) -> dict[str, int]:
    """Return the number of tests with each outcome, by the last line of pytest's output."""
    last = output.rstrip().rpartition("\n")[2]
    found = {what: int(count) for count, what in re.findall(r"(\d+) ([a-z]+)", last.partition(" in ")[0])}
    assert found, output
    return found


NOT_USED = """
import sys

def test_nothing_was_imported():
    assert not [name for name in sys.modules if name.partition(".")[0] in ("twisted", "zope", "attrs", "attr")]
    ours = [name for name in sys.modules if name.startswith("echoreply")]
    assert sorted(ours) == ["echoreply", "echoreply.testing", "echoreply.testing.plugin"]
"""


def test_a_suite_that_does_not_use_it_does_not_pay_for_it(tmp_path: Path) -> None:
    # Plugins of other packages may import what they like.
    output = run_pytest(tmp_path, NOT_USED, "-p", "echoreply.testing.plugin", "--disable-plugin-autoload")
    assert outcomes(output) == {"passed": 1}, output


PLAIN = r"""
import socket, sys
import pytest
from client import converse

left = []

def test_it_answers(echoreply_server):
    assert converse(echoreply_server.address) == b"server reply:hello\n"
    assert echoreply_server.messages == [b"hello"]
    echoreply_server.wait_for(lambda server: server.connections[0].ended, 60)

def test_it_fails(echoreply_server):
    converse(echoreply_server.address, b"goodbye\n")
    echoreply_server.wait_for(lambda server: len(server.messages) == 2, timeout=0.01)

def test_it_leaves_connections_open(echoreply_server):
    for data in b"", b"unfinished", b"hello\n":
        left.append(socket.create_connection(echoreply_server.address, timeout=60))
        left[-1].sendall(data)
    assert left[-1].recv(99) == b"server reply:hello\n"
    left.append(socket.create_connection(echoreply_server.address))
    left.append(echoreply_server.address)

def test_the_next_begins_with_nothing(echoreply_server):
    address = left.pop()
    assert (echoreply_server.messages, echoreply_server.connections, echoreply_server.script) == ([], [], "")
    for connection in left:
        try:
            while connection.recv(99):
                pass
        except ConnectionResetError:
            pass
        connection.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)
    assert converse(echoreply_server.address) == b"server reply:hello\n"
    assert echoreply_server.messages == [b"hello"]

def test_there_is_no_global_reactor():
    assert "twisted.internet.protocol" in sys.modules
    assert "twisted.internet.reactor" not in sys.modules
"""

LEAKS = """
import contextlib, os, signal, threading

def resources():
    names = []
    for descriptor in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # that of the directory itself
            names.append(os.readlink(f"/proc/self/fd/{descriptor}"))
    descriptors = sorted(name for name in names if name.startswith(("socket:", "pipe:", "anon_inode:")))
    signals = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)]
    return descriptors, threading.enumerate(), signals, signal.set_wakeup_fd(-1)

def pytest_sessionstart(session):
    session.before = resources()

def pytest_sessionfinish(session):
    after = resources()
    print("\\nnothing is left" if after == session.before else f"\\n{session.before}\\n{after}")
"""


@on_linux
def test_a_suite_without_twisted_is_served_and_nothing_leaks(tmp_path: Path) -> None:
    output = run_pytest(tmp_path, PLAIN, *NO_TWISTED, "-s", conftest=LEAKS)
    assert outcomes(output) == {"failed": 1, "passed": 4}, output
    assert "FAILED test_suite.py::test_it_fails - TimeoutError" in output
    assert '1 messages, the last "goodbye"; 8 bytes; ' in output
    assert "nothing is left" in output


def test_warnings_that_are_errors_find_nothing(tmp_path: Path) -> None:
    options = [*NO_TWISTED, "-W", "error", "--deselect", "test_suite.py::test_it_fails"]
    output = run_pytest(tmp_path, PLAIN, *options)
    assert outcomes(output) == {"passed": 4, "deselected": 1}, output


SEVERAL = """
import pytest
from client import converse

@pytest.mark.parametrize("number", range(40))
def test_it_answers(echoreply_server, number):
    message = str(number).encode()
    assert converse(echoreply_server.address, message + b"\\n") == b"server reply:" + message + b"\\n"
    assert echoreply_server.messages == [message]
"""


def test_it_works_in_several_processes(tmp_path: Path) -> None:
    pytest.importorskip("xdist")
    output = run_pytest(tmp_path, SEVERAL, "-n", "2")
    assert outcomes(output) == {"passed": 40}, output


FORKED = """
import os
import pytest
from client import converse

@pytest.mark.filterwarnings("ignore:.*fork")
def test_a_forked_process_can_connect(echoreply_server):
    child = os.fork()
    if not child:
        status = 1
        try:
            assert converse(echoreply_server.address) == b"server reply:hello\\n"
            with pytest.raises(RuntimeError, match="another process's"):
                echoreply_server.messages
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert echoreply_server.messages == [b"hello"]
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_it_works_with_processes_that_are_forked(tmp_path: Path) -> None:
    output = run_pytest(tmp_path, FORKED, *NO_TWISTED)
    assert outcomes(output) == {"passed": 1}, output


TWISTED = """
import pytest_twisted
from twisted.internet import defer, endpoints, protocol, reactor, threads
from twisted.python import threadable
from client import converse

class Asking(protocol.Protocol):
    def connectionMade(self):
        self.reply = defer.Deferred()
        self.ended = defer.Deferred()
        self.transport.write(b"hello\\n")

    def dataReceived(self, data):
        self.reply.callback(data)

    def connectionLost(self, reason):
        self.ended.callback(None)

async def ask(address):
    client = await endpoints.connectProtocol(endpoints.TCP4ClientEndpoint(reactor, *address), Asking())
    assert await client.reply == b"server reply:hello\\n"
    client.transport.loseConnection()
    await client.ended

@pytest_twisted.ensureDeferred
async def test_a_client_on_the_global_reactor(echoreply_server):
    assert threadable.isInIOThread()
    await ask(echoreply_server.address)
    assert echoreply_server.messages == [b"hello"]
    await threads.deferToThread(echoreply_server.wait_for, lambda server: server.connections[0].ended, 60)

@pytest_twisted.ensureDeferred
async def test_a_server_on_the_global_reactor():
    from echoreply.testing.server import serve

    server = serve(reactor)
    await ask(server.address)
    assert server.messages == [b"hello"]
    await server.wait_for(lambda server: server.connections[0].ended, 60)
    await server.stop()

def test_a_client_without_a_reactor(echoreply_server):
    assert converse(echoreply_server.address) == b"server reply:hello\\n"
    assert echoreply_server.messages == [b"hello"]
"""


def test_it_does_not_disturb_the_global_reactor(tmp_path: Path) -> None:
    output = run_pytest(tmp_path, TWISTED)
    assert outcomes(output) == {"passed": 3}, output


TRIAL = r"""
from twisted.internet import defer, endpoints, protocol, reactor
from twisted.trial.unittest import TestCase

from echoreply.core.reasons import EndReason
from echoreply.testing.server import serve

class Client(protocol.Protocol):
    def connectionMade(self):
        self.ended = defer.Deferred()

    def connectionLost(self, reason):
        self.ended.callback(None)

class ServerTests(TestCase):
    async def setUp(self):
        self.server = serve(reactor)
        self.client = await endpoints.connectProtocol(
            endpoints.TCP4ClientEndpoint(reactor, *self.server.address), Client()
        )

    async def tearDown(self):
        # Each closes at its end: then neither has anything left with the reactor.
        await self.server.stop()
        await self.client.ended

    async def test_it_remembers(self):
        self.client.transport.write(b"a\nb\n")
        await self.server.wait_for(lambda server: len(server.messages) == 2)
        self.assertEqual(self.server.messages, [b"a", b"b"])

    @defer.inlineCallbacks
    def test_it_knows_why_a_connection_ended(self):
        self.client.transport.write(b"quit\n")
        yield self.server.wait_for(lambda server: server.connections and server.connections[0].ended)
        self.assertIs(self.server.connections[0].ended, EndReason.CLOSE_WORD)

    def test_connections_are_closed_when_it_stops(self):
        pass

    def test_to_wait_in_vain_fails(self):
        return self.assertFailure(self.server.wait_for(lambda server: server.messages, timeout=0.01), TimeoutError)

    def test_it_fails(self):
        return self.server.wait_for(lambda server: server.messages, timeout=0.01)

class NothingElseTests(TestCase):
    def test_it_stops_though_nobody_has_come(self):
        self.addCleanup(serve(reactor).stop)
"""


@pytest.mark.parametrize("reactor", ["default", "select", "asyncio"])
def test_trial_finds_the_reactor_clean(reactor: str, tmp_path: Path) -> None:
    options = [] if reactor == "default" else [f"--reactor={reactor}"]
    output = run(tmp_path, {"test_suite.py": TRIAL}, sys.executable, "-m", "twisted.trial", *options, "test_suite")
    assert "Ran 6 tests" in output, output
    assert output.rstrip().endswith("FAILED (errors=1, successes=5)"), output
    assert "TimeoutError: the condition was not met within 0.01 s" in output


def test_the_example_in_the_readme_is_one_of_the_documentation() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    [shown] = re.findall(r"```python\n(def test_.*?)```", readme, re.DOTALL)
    assert shown in DOCUMENT


def test_the_examples_in_the_documentation_pass(tmp_path: Path) -> None:
    examples = dict(re.findall(r"<!-- example: (\S+) -->\n```python\n(.*?)```", DOCUMENT, re.DOTALL))
    twisted = "test_twisted_client.py"
    assert sorted(examples) == ["test_asyncio_client.py", "test_client.py", "test_mailbox.py", twisted]
    output = run(tmp_path, examples, sys.executable, "-m", "twisted.trial", "test_twisted_client")
    assert "PASSED (successes=1)" in output, output
    (tmp_path / twisted).unlink()
    del examples[twisted]
    output = run(tmp_path, examples, sys.executable, "-m", "pytest", *NO_TWISTED)
    assert outcomes(output) == {"passed": 4}, output
