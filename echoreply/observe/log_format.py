"""The JSON format of the log, which twistd's options direct to a file, standard output or syslog, like text."""

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
from echoreply.observe.event_logging import name_and_fields

_LEVELS = tuple(LogLevel.iterconstants())


def json_line(event: LogEvent) -> str:
    """
    Return a log entry, also one of another program, as a JSON object (RFC 8259) on one line, in ASCII.

    Strict parsers accept it: it has no lone surrogate, no NaN and no infinity.
    """
    name, fields = name_and_fields(event)
    record = {"time": _rfc3339(event.get("log_time")), "level": _level(event), "event": name, **fields}
    return json.dumps(_strict(record), allow_nan=False, separators=(",", ":")) + "\n"


def json_observer(twistd_options: Mapping[str, Any]) -> ILogObserver:
    """Return a log observer that writes JSON to the log of twistd's options."""
    if twistd_options.get("syslog"):
        return _syslog_observer(twistd_options["prefix"])
    # twistd's own observer finds the file, rotates it at a signal, and in a daemon does not write to stdout.
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
    """Return a time in the format of RFC 3339, in UTC, to the microsecond; the current time if it is not valid."""
    try:
        when = datetime.fromtimestamp(seconds, UTC)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError, OSError):
        when = datetime.fromtimestamp(time.time(), UTC)
    return when.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _strict(value: object) -> object:
    """Return a value that strict JSON can represent: as text, if nothing else is possible."""
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
