"""The messages between the supervisor and a worker."""

import io
import os
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import ILogObserver, LogEvent, Logger, LogLevel, eventAsText, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from echoreply.net.listener import Listener
from echoreply.observe.connection_table import Changes
from echoreply.observe.event_logging import log_event, name_and_fields
from echoreply.observe.events import EventsNotLogged, MessageAnswered, SharedLimitsFault
from echoreply.server.workers import ipc
from echoreply.server.workers.ipc import Command, CommandReader, Lines, ReportReader, ReportWriter


class ReportTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.pipe = io.BytesIO()
        self.writer = ReportWriter(self.pipe)
        self.log = Logger("echoreply", observer=self.writer)
        self.serving: list[bool] = []
        self.changes: list[Changes] = []
        self.reader = ReportReader(2, lambda: self.serving.append(True), self.changes.append)
        self.events: list[LogEvent] = []
        observer = cast(ILogObserver, self.events.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def received(self) -> list[str]:
        self.reader.received(self.pipe.getvalue())
        return [eventAsText(event, includeTimestamp=False, includeSystem=False) for event in self.events]

    def test_a_log_entry_keeps_its_text_its_level_and_its_namespace(self) -> None:
        self.log.info("{peer} sent {message}", peer="127.0.0.1:4711", message=r'"中文 \x1b[31m {braces}"')
        self.log.warn("so so")
        self.assertEqual(
            self.received(), [r'worker 2: 127.0.0.1:4711 sent "中文 \x1b[31m {braces}"', "worker 2: so so"]
        )
        self.assertEqual([event["log_level"] for event in self.events], [LogLevel.info, LogLevel.warn])
        self.assertEqual({event["log_namespace"] for event in self.events}, {"echoreply"})

    def test_a_long_log_entry_is_not_cut(self) -> None:
        # It must not reach trial's own log, whose lines are limited when tests run in parallel.
        observer = cast(ILogObserver, self.events.append)
        self.patch(ipc, "_logger", lambda namespace: Logger(namespace, observer=observer))
        self.log.info("{text}", text="x" * 1_000_000)
        self.assertEqual(self.received(), ["worker 2: " + "x" * 1_000_000])

    def test_a_traceback_is_one_event(self) -> None:
        try:
            raise ValueError("what was wrong\nin two lines")
        except ValueError:
            Logger("twisted", observer=self.writer).failure("a fault")
        (text,) = self.received()
        self.assertTrue(text.startswith("worker 2: a fault\nTraceback"))
        self.assertIn("in two lines", text)
        self.assertIs(self.events[0]["log_level"], LogLevel.critical)

    def test_informational_entries_of_twisted_are_not_reported(self) -> None:
        Logger("twisted.internet.base", observer=self.writer).info("Main loop terminated.")
        self.assertEqual(self.received(), [])

    def test_an_event_keeps_its_name_and_fields_and_gains_the_worker(self) -> None:
        ends = {"peer": "192.0.2.1:4000", "host": "192.0.2.9:8088", "transport": "tcp"}
        log_event(MessageAnswered(**ends, connection=7, message=b"\xff", bytes=300), self.log)
        self.log.warn("so so")
        self.assertEqual(self.received(), [r'worker 2: 192.0.2.1:4000 sent "\xff"... (300 bytes)', "worker 2: so so"])
        self.assertEqual(
            [name_and_fields(event) for event in self.events],
            [
                ("message", {"worker": 2, **ends, "connection": 7, "message": r"\xff", "bytes": 300}),
                ("log", {"worker": 2, "namespace": "echoreply", "text": "so so"}),
            ],
        )

    def test_an_event_without_a_text_has_none_in_the_supervisor(self) -> None:
        log_event(EventsNotLogged(what="handshakes", count=3), self.log)
        self.assertEqual(self.received(), [""])
        self.assertEqual(name_and_fields(self.events[0])[1]["count"], 3)

    def test_a_traceback_is_a_field_of_its_own(self) -> None:
        try:
            raise ValueError("what was wrong")
        except ValueError:
            log_event(SharedLimitsFault(), self.log)
        self.received()
        name, fields = name_and_fields(self.events[0])
        self.assertEqual((name, list(fields)), ("shared_limits_fault", ["worker", "traceback"]))
        self.assertIn("ValueError: what was wrong", fields["traceback"])

    def test_output_is_an_event(self) -> None:
        self.reader.received_output(b"Fatal\n")
        self.assertEqual(name_and_fields(self.events[0]), ("worker_output", {"worker": 2, "text": "Fatal"}))

    def test_a_worker_reports_that_it_serves(self) -> None:
        self.writer.listening(Listener(host=IPv4Address("TCP", "127.0.0.1", 8088)))
        self.assertEqual((self.received(), self.serving), ([], [True]))

    def test_output_is_logged_by_lines(self) -> None:
        self.reader.received_output(b"Fatal Python error: \xff\nand no mo")
        self.reader.received_output(b"re")
        self.reader.end()
        self.assertEqual(self.received(), [r"worker 2: Fatal Python error: \xff", "worker 2: and no more"])

    def test_an_incomplete_report_of_a_killed_worker_is_dropped(self) -> None:
        self.log.info("whole")
        self.pipe.write(b'{"report": "log", "lev')
        self.assertEqual(self.received(), ["worker 2: whole"])
        self.reader.end()
        self.assertEqual(len(self.events), 1)


class CommandTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.descriptor, self.supervisor = os.pipe()
        self.addCleanup(os.close, self.descriptor)
        self.done: list[str] = []
        commands = {
            Command.SKIP_DRAIN: lambda: self.done.append("skip"),
            Command.SEND_CONNECTIONS: lambda: self.done.append("send"),
        }
        reactor: Any = MemoryReactorClock()
        self.reader = CommandReader(reactor, self.descriptor, commands, lambda: self.done.append("ended"))

    def test_commands_are_handled_in_order(self) -> None:
        for command in (Command.SEND_CONNECTIONS, Command.SKIP_DRAIN, Command.SEND_CONNECTIONS):
            os.write(self.supervisor, command.value)
        for _ in range(3):
            self.assertIsNone(self.reader.doRead())
        self.assertEqual(self.done, ["send", "skip", "send"])
        os.close(self.supervisor)

    def test_the_end_of_the_supervisor_ends_the_worker(self) -> None:
        os.close(self.supervisor)
        reason = self.reader.doRead()
        self.assertIsInstance(reason, ConnectionDone)
        self.reader.connectionLost(Failure(reason))
        self.assertEqual(self.done, ["ended"])


class LinesTests(SynchronousTestCase):
    @given(st.lists(st.binary(max_size=5)))
    def test_lines_do_not_depend_on_segments(self, pieces: list[bytes]) -> None:
        taken: list[bytes] = []
        lines = Lines(taken.append)
        for piece in pieces:
            lines.add(piece)
        lines.end()
        self.assertEqual(taken, b"".join(pieces).removesuffix(b"\n").split(b"\n") if any(pieces) else [])
