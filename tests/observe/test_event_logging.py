"""Events, their fields, and how they are logged."""

import ast
from pathlib import Path
from typing import Any, cast

from twisted.logger import ILogObserver, LogEvent, Logger, LogLevel
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

import echoreply
from echoreply.core.reasons import DropReason, EndReason
from echoreply.net.listener import Layer
from echoreply.observe.event_logging import log_event, name_and_fields
from echoreply.observe.events import (
    DatagramDropped,
    MessageAnswered,
    ServerStopped,
    SharedLimitsFault,
)

COMMANDS = {"client/interactive.py", "connect/run.py"}
"""Modules of the programs that connect, whose logs are not the server's."""

ENDS: dict[str, Any] = {"peer": "192.0.2.1:4000", "host": "192.0.2.9:8088", "transport": "tcp"}


def logged(log_format: str, **event: object) -> LogEvent:
    """Log something as other libraries do; return what log observers get."""
    events: list[LogEvent] = []
    Logger("others", observer=cast(ILogObserver, events.append)).emit(LogLevel.info, log_format, **event)
    return events[0]


class FieldsTests(SynchronousTestCase):
    def test_fields_that_are_none_are_left_out(self) -> None:
        message = MessageAnswered(**ENDS, message=b"a", bytes=1)
        self.assertEqual(message.fields(), {**ENDS, "message": "a", "bytes": 1})
        message = MessageAnswered(**ENDS, connection=7, message=b"a", bytes=1)
        self.assertEqual(message.fields(), {**ENDS, "connection": 7, "message": "a", "bytes": 1})

    def test_bytes_are_escaped(self) -> None:
        said = '中\x1b\\"\r\n'.encode() + b"\xff\0"
        fields = MessageAnswered(**ENDS, message=said, bytes=len(said)).fields()
        self.assertEqual(fields["message"], '中\\x1b\\\\"\\r\\n\\xff\\x00')

    def test_a_reason_is_represented_by_its_label(self) -> None:
        dropped = DatagramDropped(**ENDS, reason=DropReason.ANSWERING_PORT, bytes=0)
        self.assertEqual(dropped.fields(), {**ENDS, "reason": "answering_port", "bytes": 0})

    def test_counts_are_keyed_by_the_labels_of_their_reasons(self) -> None:
        nothing: Any = dict.fromkeys(["accepted", "open", "ended", "refused", "failed", "messages", "received"], 0)
        stopped = ServerStopped(
            **nothing,
            sent=0,
            dropped=0,
            ended_by={EndReason.CLIENT: 2, EndReason.RESET: 1},
            refused_by={},
            failed_by={Layer.TLS: 3},
            dropped_by={DropReason.RATE: 4},
        )
        fields = stopped.fields()
        self.assertEqual(fields["ended_by"], {"client": 2, "reset": 1})
        self.assertEqual(
            (fields["refused_by"], fields["failed_by"], fields["dropped_by"]), ({}, {"TLS": 3}, {"rate": 4})
        )


class NameAndFieldsTests(SynchronousTestCase):
    def test_log_entries_of_other_programs_are_events_too(self) -> None:
        event = logged("{number} things", number=3)
        self.assertEqual(name_and_fields(event), ("log", {"namespace": "others", "text": "3 things"}))

    def test_a_traceback_is_one_field(self) -> None:
        try:
            raise ValueError("what was wrong\nin two lines")
        except ValueError:
            event = logged("a fault", log_failure=Failure())
        name, fields = name_and_fields(event)
        self.assertEqual((name, fields["text"]), ("log", "a fault"))
        self.assertTrue(fields["traceback"].startswith("Traceback"), fields)
        self.assertIn("what was wrong\nin two lines", fields["traceback"])

    def test_a_fault_is_logged_with_its_traceback(self) -> None:
        events: list[LogEvent] = []
        try:
            raise OSError("no disk")
        except OSError:
            log_event(SharedLimitsFault(), Logger("echoreply", observer=cast(ILogObserver, events.append)))
        name, fields = name_and_fields(events[0])
        self.assertEqual((name, list(fields)), ("shared_limits_fault", ["traceback"]))
        self.assertIn("OSError: no disk", fields["traceback"])
        self.assertIs(events[0]["log_level"], LogLevel.critical)


class PlaceTests(SynchronousTestCase):
    def test_only_declared_events_are_logged(self) -> None:
        """Only these modules make loggers: those that log events, and those that are not part of the server."""
        package = Path(echoreply.__file__).parent
        makers = {
            str(path.relative_to(package))
            for path in package.rglob("*.py")
            if any(_makes_a_logger(node) for node in ast.walk(ast.parse(path.read_bytes())))
        }
        server = {"observe/event_logging.py", "observe/log.py", "server/workers/ipc.py"}
        self.assertEqual(makers, server | {"native/transport.py"} | COMMANDS)


def _makes_a_logger(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Logger"
