"""The log's format, text or JSON. Where the log goes is up to twistd's options in either format."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import Any, cast

from twisted.logger import ILogObserver, LogEvent, LogLevel
from zope.interface import provider

from echoreply.native.private_names import log_file_observer
from echoreply.observe.event import name_and_fields

_LEVELS = tuple(LogLevel.iterconstants())


def json_line(event: LogEvent) -> str:
    """
    Return a log entry, also one by another program, as a line with an object of JSON (RFC 8259), in ASCII.

    Strict parsers accept it: it has no lone surrogate, no NaN and no infinity.
    """
    name, fields = name_and_fields(event)
    record = {"time": _rfc3339(event.get("log_time")), "level": _level(event), "event": name, **fields}
    return json.dumps(_strict(record), allow_nan=False, separators=(",", ":")) + "\n"


def json_observer(twistd_options: Mapping[str, Any]) -> ILogObserver:
    """Return a log observer that writes JSON to where twistd would write text."""
    if twistd_options.get("syslog"):
        return _syslog_observer(twistd_options["prefix"])
    # twistd knows the file, rotates it at a signal, and does not write to stdout as a daemon.
    observer = log_file_observer(twistd_options)
    observer.formatEvent = json_line
    return observer


def _syslog_observer(prefix: str) -> ILogObserver:
    import syslog

    priorities = {
        "debug": syslog.LOG_DEBUG,
        "info": syslog.LOG_INFO,
        "warn": syslog.LOG_WARNING,
        "error": syslog.LOG_ERR,
        "critical": syslog.LOG_CRIT,
    }
    syslog.openlog(prefix, 0, syslog.LOG_USER)

    @provider(ILogObserver)
    def observe(event: LogEvent) -> None:
        syslog.syslog(priorities[_level(event)], json_line(event).removesuffix("\n"))

    return cast(ILogObserver, observe)


def _level(event: LogEvent) -> str:
    level: Any = event.get("log_level")
    return str(level.name) if level in _LEVELS else "info"


def _rfc3339(seconds: object) -> str:
    """Return a time as RFC 3339 writes it, in UTC, to the microsecond; the current time if it is no valid time."""
    try:
        when = datetime.fromtimestamp(seconds, UTC)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError, OSError):
        when = datetime.fromtimestamp(time.time(), UTC)
    return when.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _strict(value: object) -> object:
    """Return a value as strict JSON can have it: as text, if there is no other way."""
    match value:
        case str():
            return value.encode(errors="backslashreplace").decode()
        case dict():
            return {str(_strict(str(name))): _strict(each) for name, each in value.items()}
        case bool() | int() | None:
            return value
        case float() if isfinite(value):
            return value
        case _:
            return _strict(str(value))
