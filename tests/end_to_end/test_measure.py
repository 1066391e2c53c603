"""C{echoreply-measure}, with servers of ours, of others, and with some that answer as none should."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hdrh.histogram import HdrHistogram

from echoreply.measure.messages import Messages
from tests.end_to_end.conftest import Start, listening
from tests.end_to_end.test_peers import TestTheOriginal
from tests.support import faulty_servers as faulty
from tests.support.processes import MEASURE, TWISTD, Server, Terminal, Transcript, free_port
from tests.support.tls_peers import Authority
from tests.support.wire_contract import PATIENCE

WITHOUT = """
import sys
sys.modules[sys.argv.pop(1)] = None
from echoreply.measure.command import main
main()
"""
"""Runs it as if a package were not installed."""


def measure(*arguments: object, command: tuple[str, ...] = (MEASURE,)) -> tuple[int, str, str]:
    """Run it until it ends; give its status, its output, and what it said."""
    words = [*command, *map(str, arguments)]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        words, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False, env=environment
    )
    output, said = done.stdout.decode(), done.stderr.decode()
    assert "Traceback" not in said, said
    return done.returncode, output, said


def measured(*arguments: object) -> tuple[int, dict[str, Any], str]:
    """Run it with its result as JSON; give its status, that, and what it said for people."""
    status, output, said = measure("--json", "-", *arguments)
    return status, json.loads(output), said


@contextmanager
def faulty_server(*arguments: str) -> Iterator[tuple[str, str]]:
    """Run one of the servers that answer as none should; give its host and port."""
    with listening(rb"listening on 127\.0\.0\.1:(\d+)", sys.executable, faulty.__file__, *arguments) as said:
        yield "127.0.0.1", said[1].decode()


@pytest.fixture
def server(start_as_told: Start) -> Server:
    return start_as_told()


class TestAsPing:
    def test_each_reply_is_told_and_then_what_came_of_all(self, server: Server) -> None:
        status, output, said = measure("-c", 3, "-i", 0.01, "127.0.0.1", server.port)
        *replies, nothing, counts, quick, slow = output.splitlines()
        assert [reply[: reply.rindex(":")] for reply in replies] == [
            f"reply {number} from 127.0.0.1:{server.port}" for number in (1, 2, 3)
        ]
        assert nothing == ""
        assert counts == "3 sent, 3 answered, 0 lost, 0 wrong"
        assert [word.split()[0] for word in quick.removeprefix("ms: ").split(", ")] == ["min", "median", "mean"]
        assert [word.split()[0] for word in slow.removeprefix("ms: ").split(", ")] == ["p90", "p99", "p99.9", "max"]
        assert (status, said) == (0, "")
        server.log.wait_for(rb"ended: closed by the client; messages 3")

    @contextmanager
    def pinging(self, *arguments: object) -> Iterator[tuple[subprocess.Popen[bytes], Transcript]]:
        command = [MEASURE, *map(str, arguments)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            assert process.stdout is not None
            output = Transcript(partial(os.read, process.stdout.fileno(), 65536))
            try:
                yield process, output
            finally:
                process.kill()
                output.all()

    def test_ctrl_c_ends_it_with_the_summary(self, server: Server) -> None:
        with self.pinging("-i", 0.01, "127.0.0.1", server.port) as (process, output):
            output.wait_for(rb"reply 3 from ")
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE) == 0
            assert b" 0 lost, 0 wrong" in output.all()

    def test_ctrl_c_ends_it_with_1_if_a_reply_is_missing(self) -> None:
        with faulty_server("drop", "2") as where, self.pinging("-i", 0.01, *where) as (process, output):
            output.wait_for(rb"reply 3 from ")
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE) == 1
            assert b'first lost reply: sent "0:0000000002 ' in output.all()

    def test_a_wrong_reply_is_told_as_it_comes(self) -> None:
        with faulty_server("change", "2") as where:
            status, output, _ = measure("-c", 3, "-i", 0.01, *where)
        assert output.splitlines()[1].startswith('wrong reply (differs): sent "0:0000000002 ')
        assert status == 1

    def test_ctrl_c_before_it_is_connected_ends_it_as_any_program(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            with self.pinging("--tls", "--insecure", "127.0.0.1", port) as (process, output):
                client, _ = listener.accept()
                with client:
                    assert client.recv(1)
                    process.send_signal(signal.SIGINT)
                    assert process.wait(PATIENCE) == 130
                assert b"Traceback" not in output.all()

    def test_without_standard_output_there_is_a_line(self) -> None:
        closed = ("sh", "-c", 'exec "$0" "$@" >&-', MEASURE)
        status, _, said = measure("-c", 1, command=closed)
        assert (status, said) == (2, "echoreply-measure: standard output is closed; give a file, such as /dev/null\n")

    def test_it_is_ended_by_a_signal_as_any_program(self, server: Server) -> None:
        with self.pinging("127.0.0.1", server.port) as (process, output):
            output.wait_for(rb"reply 1 from ")
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 128 + signal.SIGTERM

    def test_who_reads_its_output_may_have_seen_enough(self, server: Server, tmp_path: Path) -> None:
        command = [MEASURE, "-i", "0.01", "127.0.0.1", str(server.port)]
        with (
            (tmp_path / "said").open("w+b") as said,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said) as process,
        ):
            assert process.stdout is not None
            assert process.stdout.readline().startswith(b"reply 1 from ")
            process.stdout.close()
            assert process.wait(PATIENCE) == 0
            said.seek(0)
            assert said.read() == b""


class TestAsALoad:
    @pytest.mark.parametrize("shape", [(1, 1), (7, 1), (3, 50)])
    def test_every_message_is_answered(self, server: Server, shape: tuple[int, int]) -> None:
        connections, depth = shape
        status, result, _ = measured(
            *("--connections", connections, "--depth", depth, "--count", 5000, "127.0.0.1", server.port)
        )
        assert (status, result["sent"], result["answered"], result["lost"], result["wrong"]) == (0, 5000, 5000, 0, 0)
        for _ in range(connections):
            server.log.wait_for(rb"ended: closed by the client", connections)
        assert HdrHistogram.decode(result["histogram"]).total_count == 5000
        assert result["throughput"][-1][1] == 5000

    @pytest.mark.parametrize("size", [2, 14, 1000, 60_000])
    def test_messages_have_the_size_that_is_asked_for(self, server: Server, size: int) -> None:
        status, result, _ = measured("--depth", 3, "--size", size, "--count", 50, "127.0.0.1", server.port)
        assert (status, result["answered"]) == (0, 50)
        bytes_in = 50 * size
        server.log.wait_for(rb"messages 50, bytes in %d, " % bytes_in)

    def test_at_a_rate_as_many_are_sent_as_are_due(self, server: Server) -> None:
        status, result, _ = measured(
            *("--rate", 200, "--duration", 0.5, "--connections", 4, "--depth", 100, "127.0.0.1", server.port)
        )
        assert (status, result["sent"], result["answered"], result["unsent"]) == (0, 100, 100, 0)

    def test_what_came_of_it_is_drawn(self, server: Server) -> None:
        status, output, said = measure("--connections", 2, "--count", 100, "127.0.0.1", server.port)
        assert output.startswith("100 sent, 100 answered, 0 lost, 0 wrong\n")
        assert " ms  " in output
        assert "█" in output
        assert (status, said) == (0, "")

    def test_on_a_terminal_a_bar_says_how_far_it_is(self, server: Server) -> None:
        with Terminal(MEASURE, "--connections", "2", "--duration", "600", "127.0.0.1", str(server.port)) as terminal:
            terminal.screen.wait_for(rb"[1-9][0-9,]*/s")
            terminal.screen.wait_for(rb"\d:\d\d:\d\d")
            terminal.process.send_signal(signal.SIGINT)
            assert terminal.wait() == 0
            terminal.screen.wait_for(rb" 0 lost, 0 wrong")
            terminal.screen.wait_for(rb"\x1b\[\?25h")

    def test_it_works_on_twisteds_own_reactor(self, server: Server) -> None:
        without = (sys.executable, "-c", WITHOUT, "uvloop")
        options = ("--connections", 3, "--depth", 5, "--count", 1000, "127.0.0.1", server.port)
        status, output, said = measure(*options, command=without)
        assert output.startswith("1,000 sent, 1,000 answered, 0 lost, 0 wrong\n")
        assert (status, said) == (0, "")


class TestBindings:
    def test_families(self, server: Server) -> None:
        for arguments in (["-4", "localhost"], ["-6", "::1"]):
            assert measure("-c", 1, *arguments, server.port)[0] == 0

    def test_unix_and_endpoints(self, tmp_path: Path) -> None:
        path = str(tmp_path / "socket")
        with listening(rb"listening on unix:", TWISTD, "-n", "--pidfile=", "echoreply", f"--listen=unix:{path}"):
            for way in (["--unix", path], ["--connect", f"unix:{path}"]):
                status, result, _ = measured("--depth", 4, "--count", 1000, *way)
                assert (status, result["answered"], result["target"]) == (0, 1000, way[1])

    def test_tls(self, start_as_told: Start, tmp_path: Path) -> None:
        authority = Authority(tmp_path, "Test Authority")
        certificate, key = authority.sign("127.0.0.1")
        server = start_as_told(listen=f"ssl:0:certKey={certificate}:privateKey={key}")
        load = ("--connections", 3, "--depth", 4, "--count", 1000, "--tls")
        status, result, said = measured(*load, "--ca", authority.path, "127.0.0.1", server.port)
        assert (status, result["answered"], result["settings"]["transport"]) == (0, 1000, "tls")
        status, result, said = measured(*load, "--insecure", "127.0.0.1", server.port)
        assert (status, result["answered"]) == (0, 1000)
        assert said.startswith("echoreply-measure: --insecure: the server's certificate is not verified\n")
        status, output, said = measure("-c", 1, "--tls", "127.0.0.1", server.port)
        assert (status, output) == (1, "")
        assert said.startswith(
            f"echoreply-measure: cannot connect to 127.0.0.1:{server.port}: the server's certificate"
        )
        assert said.count("\n") == 1

    def test_udp(self, start_as_told: Start) -> None:
        server = start_as_told("--udp=0", "--udp-rate=1000000")
        port = server.log.wait_for(rb"listening on \S+:(\d+) for UDP\n")[1].decode()
        status, result, _ = measured("--udp", "--depth", 4, "--count", 1000, "127.0.0.1", port)
        assert (status, result["answered"], result["settings"]["transport"]) == (0, 1000, "udp")

    def test_datagrams_that_nobody_takes_are_told(self) -> None:
        port = free_port()
        status, output, said = measure("--udp", "-c", 2, "-i", 0.1, "127.0.0.1", port)
        assert status == 1
        assert said == f"echoreply-measure: cannot send to 127.0.0.1:{port}: connection refused\n"
        assert " 0 answered" in output


class TestOtherServers:
    def test_rfc_862(self, start_as_told: Start) -> None:
        server = start_as_told("--profile=echo")
        status, result, _ = measured(
            *("--prefix", "", "--connections", 3, "--depth", 9, "--count", 1000, "127.0.0.1", server.port)
        )
        assert (status, result["answered"]) == (0, 1000)

    def test_istios(self, start_as_told: Start) -> None:
        server = start_as_told("--profile=istio", "--prefix=hello")
        status, result, _ = measured("--prefix", "hello ", "--depth", 9, "--count", 1000, "127.0.0.1", server.port)
        assert (status, result["answered"]) == (0, 1000)

    def test_one_whose_replies_differ(self) -> None:
        for options, expected in ((["--any"], (0, 100, 0)), ([], (1, 0, 100))):
            command = ["socat", "-dd", "TCP4-LISTEN:0,bind=127.0.0.1", "EXEC:sed -u s/x/y/g"]
            with listening(rb"listening on AF=2 127\.0\.0\.1:(\d+)", *command) as said:
                status, result, _ = measured(*options, "--depth", 3, "--count", 100, "127.0.0.1", said[1].decode())
                assert (status, result["answered"], result["wrong"]) == expected

    def test_the_original(self, tmp_path: Path) -> None:
        port = free_port()
        built = TestTheOriginal().build("server", port, tmp_path)
        with listening(rb"waiting client connect\.", built):
            status, result, _ = measured("--connections", 5, "--count", 1000, "127.0.0.1", port)
        assert (status, result["answered"], result["wrong"]) == (0, 1000, 0)


class TestFaults:
    def test_a_reply_that_is_dropped_is_lost(self) -> None:
        with faulty_server("drop", "100") as where:
            status, result, said = measured("--connections", 3, "--depth", 16, "--count", 1050, *where)
        assert (status, result["answered"], result["lost"], result["wrong"]) == (1, 1040, 10, 0)
        assert 'first lost reply: sent "' in said
        assert result["first_lost"].endswith("x\n")

    def test_swapped_replies_are_seen(self) -> None:
        with faulty_server("swap", "100") as where:
            status, result, said = measured("--depth", 4, "--count", 1050, *where)
        assert (status, result["answered"], result["lost"], result["wrong"]) == (1, 1040, 0, 10)
        messages = Messages(0, 64, faulty.PREFIX)
        assert result["first_wrong"] == {
            "sent": messages.message(100).decode(),
            "received": messages.reply(100).decode(),
            "reason": "out of order",
        }
        assert 'first wrong reply (out of order): sent "0:0000000100 x' in said

    def test_a_reply_that_differs_in_a_byte_is_wrong(self) -> None:
        with faulty_server("change", "100") as where:
            status, result, _ = measured("--connections", 3, "--depth", 3, "--count", 1050, *where)
        assert (status, result["answered"], result["lost"], result["wrong"]) == (1, 1040, 0, 10)
        assert result["first_wrong"]["received"] == "server reply;" + result["first_wrong"]["sent"]

    def test_a_reply_that_comes_again_is_seen(self) -> None:
        with faulty_server("repeat", "100") as where:
            status, result, _ = measured("--depth", 3, "--count", 1050, *where)
        assert (status, result["answered"], result["lost"], result["wrong"]) == (1, 1050, 0, 10)
        assert result["first_wrong"]["reason"] == "duplicate"

    @pytest.mark.parametrize(
        ("fault", "words"), [("close", "the server closed the connection"), ("reset", "the connection was reset")]
    )
    def test_a_connection_that_ends_is_told(self, fault: str, words: str) -> None:
        with faulty_server(fault, "100") as where:
            status, output, said = measure("--connections", 1, "--count", 1000, *where)
        assert (status, said) == (1, f"echoreply-measure: {words}\n")
        assert output.startswith("100 sent, 99 answered, 1 lost, 0 wrong\n")

    def test_a_server_that_never_answers_is_not_awaited_for_ever(self) -> None:
        with faulty_server("silent") as where:
            status, result, _ = measured("--connections", 2, "--depth", 2, "--count", 4, *where)
        assert (status, result["sent"], result["answered"], result["lost"]) == (1, 4, 0, 4)
        assert result["latency_us"] is None

    def test_a_reply_that_comes_after_the_end_is_awaited(self) -> None:
        with faulty_server("late", "500") as where:
            status, result, _ = measured("--duration", 0.1, *where)
        assert (status, result["sent"], result["answered"]) == (0, 1, 1)
        assert result["latency_us"]["min"] >= 500_000 * 0.99

    def test_a_stall_is_seen_by_all_that_were_due_meanwhile(self) -> None:
        """Two stalls of 0.2 s at 500 a second: of each, those that are due in its first half wait for 0.1 s or more."""
        with faulty_server("stall") as where:
            status, result, _ = measured("--rate", 500, "--count", 1750, *where)
        assert (status, result["answered"]) == (0, 1750)
        histogram = HdrHistogram.decode(result["histogram"])
        slow = sum(
            item.count_added_in_this_iter_step
            for item in histogram.get_recorded_iterator()
            if item.value_iterated_to >= 100_000
        )
        assert slow >= 2 * 49

    def test_nobody_there_is_told(self) -> None:
        port = free_port()
        for options in ([], ["--connections", "50"]):
            assert measure(*options, "127.0.0.1", port) == (
                1,
                "",
                f"echoreply-measure: cannot connect to 127.0.0.1:{port}: connection refused\n",
            )

    def test_more_connections_than_descriptors_are_told(self, server: Server) -> None:
        limited = ("sh", "-c", 'ulimit -n 200 && exec "$0" "$@"', MEASURE)
        status, output, said = measure("--connections", 500, "127.0.0.1", server.port, command=limited)
        assert (status, output) == (2, "")
        assert said == ("echoreply-measure: --connections takes at most 136 (limit of open files: 200), not 500\n")


class TestFiles:
    def test_a_file_gets_what_standard_output_would(self, server: Server, tmp_path: Path) -> None:
        path = tmp_path / "a.json"
        status, output, _ = measure("--json", path, "--connections", 1, "--count", 10, "127.0.0.1", server.port)
        assert (status, output[:21]) == (0, "10 sent, 10 answered,")
        assert json.loads(path.read_text())["settings"]["count"] == 10

    def test_two_runs_are_drawn_in_one_picture(self, server: Server, tmp_path: Path) -> None:
        pytest.importorskip("matplotlib")
        for name in ("a", "b"):
            arguments = ["--json", tmp_path / f"{name}.json", "--chart", tmp_path / f"{name}.svg"]
            assert measure(*arguments, "--connections", 2, "--count", 100, "127.0.0.1", server.port)[0] == 0
            assert f"127.0.0.1:{server.port}" in (tmp_path / f"{name}.svg").read_text()
        pair = [str(tmp_path / "a.json"), str(tmp_path / "b.json")]
        assert measure("--compare", *pair, "--chart", tmp_path / "both.svg") == (0, "", "")
        picture = (tmp_path / "both.svg").read_text()
        assert all(name in picture for name in pair)

    def test_what_can_not_be_read_or_written_is_told_before_anything_is_measured(self, tmp_path: Path) -> None:
        nowhere, damaged = tmp_path / "nowhere" / "a", tmp_path / "damaged"
        damaged.write_text("{}")
        for arguments, words in (
            (["--json", nowhere], f"cannot write to {nowhere}: no such file or directory"),
            (["--compare", nowhere, nowhere, "--chart", "x.svg"], f"cannot read {nowhere}: no such file or directory"),
            (["--compare", damaged, damaged, "--chart", "x.svg"], f"{damaged} does not have the format"),
            (["--unix", "x" * 200], "--unix takes a path of "),
        ):
            status, output, said = measure(*arguments)
            assert (status, output, said.count("\n")) == (2, "", 1)
            assert said.startswith(f"echoreply-measure: {words}")

    def test_without_matplotlib_there_is_a_line(self) -> None:
        status, output, said = measure("--chart", "x.svg", command=(sys.executable, "-c", WITHOUT, "matplotlib"))
        assert (status, output) == (2, "")
        assert said.endswith(": --chart needs matplotlib, which is not installed: pip install 'echoreply[chart]'\n")
