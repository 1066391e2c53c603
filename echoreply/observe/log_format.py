"""How the log is written where twistd's options say: as lines for people, or as JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import Any, cast

from twisted.logger import FileLogObserver, ILogObserver, LogEvent, LogLevel
from zope.interface import provider

from echoreply.observe.events import described

_LEVELS = tuple(LogLevel.iterconstants())


def json_line(event: LogEvent) -> str:
    """
    Write whatever was logged as an object of JSON (RFC 8259), in ASCII, on a line of its own.

    There is nothing in it that a strict parser refuses: no lone surrogate, no number that is none.
    """
    name, fields = described(event)
    record = {"time": _rfc3339(event.get("log_time")), "level": _level(event), "event": name, **fields}
    return json.dumps(_strict(record), allow_nan=False, separators=(",", ":")) + "\n"


def json_observer(twistd_options: Mapping[str, Any]) -> ILogObserver:
    """Give an observer that writes JSON to where twistd would write text."""
    if twistd_options.get("syslog"):
        return _syslog_observer(twistd_options["prefix"])
    from twisted.scripts.twistd import _SomeApplicationRunner  # type: ignore[attr-defined]

    # The file, and the signal that rotates it, are twistd's own affair; so is that a daemon has no stdout.
    observer = cast(FileLogObserver, _SomeApplicationRunner.loggerFactory(twistd_options)._getLogObserver())
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
    """Write a time as RFC 3339 has it, in UTC, to the microsecond; the time that it is, if it is none."""
    try:
        when = datetime.fromtimestamp(seconds, UTC)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError, OSError):
        when = datetime.fromtimestamp(time.time(), UTC)
    return when.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _strict(value: object) -> object:
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
