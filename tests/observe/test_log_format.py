"""The log's format."""

import json
import re
from datetime import UTC, datetime
from typing import Any, cast

from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st
from twisted.application.service import Application
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import ILogObserver, LogLevel
from twisted.python.failure import Failure
from twisted.python.usage import UsageError
from twisted.scripts.twistd import ServerOptions  # type: ignore[attr-defined]
from twisted.trial.unittest import SynchronousTestCase

from echoreply.observe.event_logging import Event
from echoreply.observe.events import MessageAnswered
from echoreply.observe.log_format import json_line
from echoreply.server.options import Options
from echoreply.server.settings import LogFormat
from echoreply.tap import makeService
from tests.server.test_options import parsed


@frozen
class Anything(Event):
    """An event with a field of any value."""

    field: Any
    name = "anything"


def _no_constant(name: str) -> object:
    raise AssertionError(f"{name} is no JSON")


def strictly(line: str) -> dict[str, Any]:
    """Parse a line as a strict parser does."""
    assert line.isascii()
    assert line.endswith("\n")
    assert line.count("\n") == 1
    assert line[:-1].isprintable()
    value = json.loads(line, parse_constant=_no_constant)
    assert isinstance(value, dict)
    # A surrogate that is no half of a pair has no UTF-8.
    json.dumps(value, ensure_ascii=False).encode()
    return cast(dict[str, Any], value)


def written(**event: object) -> dict[str, Any]:
    return strictly(json_line(cast(Any, event)))


texts = st.text() | st.text('\ud800\udc80\udfff\u2028\u2029\x00\x1b\x7f\x85"\\\n\r😀{}%')
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts | st.binary(),
    lambda inner: st.dictionaries(texts, inner) | st.lists(inner) | st.tuples(inner),
    max_leaves=5,
)


class LineTests(SynchronousTestCase):
    @given(st.binary())
    def test_any_bytes_can_be_recovered(self, said: bytes) -> None:
        message = MessageAnswered(connection=1, peer="p", host="h", transport="tcp", message=said, bytes=len(said))
        fields = written(event=message)
        shown = fields["message"]
        self.assertTrue(shown.isprintable())
        short = {"t": "\t", "n": "\n", "r": "\r", "\\": "\\"}
        unescaped = re.sub(
            rb"\\(x([0-9a-f]{2})|.)",
            lambda match: bytes([int(match[2], 16)]) if match[2] else short[match[1].decode()].encode(),
            shown.encode(),
        )
        self.assertEqual((unescaped, fields["bytes"]), (said, len(said)))

    @given(texts, values)
    def test_any_field_value_is_valid_json(self, text: str, value: object) -> None:
        fields = written(event=Anything(field={text: value}), log_namespace=text)
        self.assertEqual(fields["event"], "anything")

    @given(texts, values, values)
    def test_log_entries_of_other_programs_are_valid_json(self, text: str, value: object, other: object) -> None:
        fields = written(log_format=value, log_namespace=other, log_time=other, log_level=value, log_system=text)
        self.assertEqual((fields["event"], fields["level"]), ("log", "info"))
        fields = written(log_format="{text!r} {text}", text=text, log_failure=value, log_namespace=text)
        self.assertIn("traceback", fields)

    @given(texts)
    def test_exceptions_with_any_text_are_valid_json(self, text: str) -> None:
        try:
            raise ValueError(text)
        except ValueError:
            fields = written(log_format="{text}", text=text, log_failure=Failure())
        self.assertIn("ValueError", fields["traceback"])

    def test_lone_surrogates_are_escaped_and_pairs_are_one_character(self) -> None:
        self.assertEqual(written(log_format="\udc80")["text"], r"\udc80")
        self.assertIn('"text":"\\ud83d\\ude00"', json_line({"log_format": "😀"}))

    def test_a_line_begins_with_time_level_and_event(self) -> None:
        line = json_line({"log_time": 1795419129.123456, "log_level": LogLevel.warn, "log_format": "so so"})
        begin = '{"time":"2026-11-23T07:32:09.123456Z","level":"warn","event":"log",'
        self.assertTrue(line.startswith(begin), line)

    def test_levels_have_their_names_in_twisted(self) -> None:
        names = [written(log_level=level)["level"] for level in LogLevel.iterconstants()]
        self.assertEqual(sorted(names), ["critical", "debug", "error", "info", "warn"])

    @given(st.none() | st.floats() | st.integers() | st.text())
    def test_an_invalid_time_is_replaced_with_the_current_time(self, seconds: object) -> None:
        time = written(log_time=seconds)["time"]
        self.assertRegex(time, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
        try:
            at = datetime.fromtimestamp(cast(float, seconds), UTC)
        except (TypeError, ValueError, OverflowError, OSError):
            self.assertLess(abs((datetime.now(UTC) - datetime.fromisoformat(time)).total_seconds()), 600)
        else:
            self.assertEqual(datetime.fromisoformat(time), at)


class TwistdTests(SynchronousTestCase):
    """The server's options together with twistd's."""

    def below(self, twistd_options: dict[str, Any], *arguments: str) -> Options:
        options = Options()
        parent = ServerOptions()
        parent.update(twistd_options)
        options.parent = parent
        options.parseOptions(arguments)
        return options

    def observer(self, *arguments: str) -> object:
        """Return the log observer that the application has twistd use."""
        service = makeService(self.below({"nodaemon": True, "logfile": "-"}, "--port=0", *arguments), self.reactor)
        application: Any = Application("echoreply")
        service.setServiceParent(application)
        return application.getComponent(ILogObserver, None)

    def setUp(self) -> None:
        self.reactor: Any = MemoryReactorClock()

    def test_the_text_format_uses_twistds_observer(self) -> None:
        self.assertIsNone(self.observer())

    def test_the_json_format_sets_its_own_observer(self) -> None:
        self.assertTrue(ILogObserver.providedBy(self.observer("--log-format=json")))

    def test_an_unknown_format_is_a_usage_error(self) -> None:
        with self.assertRaises(UsageError) as caught:
            parsed("--log-format=xml")
        self.assertEqual(str(caught.exception), "--log-format takes text or json, not 'xml'")

    def test_json_and_twistds_logger_option_exclude_each_other(self) -> None:
        logger = {"logger": "twisted.logger.STDLibLogObserver"}
        with self.assertRaises(UsageError) as caught:
            self.below(logger, "--log-format=json")
        self.assertEqual(str(caught.exception), "--log-format json and twistd's --logger are one or the other")
        self.assertIs(self.below(logger).settings.log_format, LogFormat.TEXT)
