"""Log events, which have fields for machines and a text for people: their base class, and how they are logged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import fields
from twisted.logger import LogEvent, Logger, LogLevel, eventAsText
from twisted.python.failure import Failure

from echoreply.core.labelled import Labelled
from echoreply.core.quoting import escape

_log = Logger("echoreply")


class Event:
    """
    An event to be logged. C{str()} returns its text for people; an event with an empty text is for machines only.

    Bytes in its fields come from a peer or a file. They are escaped in JSON and in texts.

    @ivar name: the name for machines, which stays the same when the text changes.
    @ivar level: one of the constants of L{LogLevel}.
    """

    name: str
    level: Any = LogLevel.info

    def fields(self) -> dict[str, Any]:
        """Return the fields as JSON has them, by their names, without those that are C{None}."""
        values = ((field.name, getattr(self, field.name)) for field in fields(type(self)))  # type: ignore[arg-type]
        return {name: _for_json(value) for name, value in values if value is not None}


class Fault(Event):
    """A bug in this program. It is logged while its exception is handled, with the traceback."""

    level = LogLevel.critical


def log_event(event: Event, log: Logger = _log) -> None:
    """Log an event."""
    if isinstance(event, Fault):
        log.emit(event.level, "{event}", event=event, log_failure=Failure())
    else:
        log.emit(event.level, "{event}", event=event)


def name_and_fields(logged: LogEvent) -> tuple[str, dict[str, Any]]:
    """Return the name and the fields of a log entry. For one of another program, they are C{log} and its text."""
    event = logged.get("event")
    if isinstance(event, Event):
        name, values = event.name, event.fields()
    else:
        text = eventAsText(logged, includeTraceback=False, includeTimestamp=False, includeSystem=False)
        name, values = "log", {"namespace": str(logged.get("log_namespace", "-")), "text": text}
    if "log_failure" in logged:
        traceback = eventAsText({"log_failure": logged["log_failure"]}, includeTimestamp=False, includeSystem=False)
        values["traceback"] = traceback.removeprefix("\n")
    return name, values


def _for_json(value: object) -> object:
    if isinstance(value, Labelled):
        return value.label
    if isinstance(value, tuple):
        return " and ".join(str(_for_json(each)) for each in value)
    if isinstance(value, bytes):
        return escape(value)
    if isinstance(value, Mapping):
        return {_for_json(key): count for key, count in value.items()}
    return value
