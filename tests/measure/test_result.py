"""The result of a run, and its file."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from echoreply.measure.measurements import Measurements, WrongReply
from echoreply.measure.result import FORMAT, Result


def result(times: dict[int, int] | None = None, **members: Any) -> Result:  # noqa: ANN401
    """Return a result whose latencies are given by microseconds and counts."""
    measurements = Measurements()
    measurements.latencies.update({100: 90, 1000: 9, 5000: 1} if times is None else times)
    count = sum(measurements.latencies.values())
    plain = Result(
        target="127.0.0.1:8088",
        began="2026-01-02T03:04:05.678+00:00",
        settings={"connections": 1, "depth": 1, "size": 64, "prefix": "server reply:"},
        seconds=2.0,
        sent=count,
        answered=count,
        lost=0,
        wrong=0,
        in_flight=0,
        unsent=0,
        cpu=0.5,
        histogram=measurements.histogram(),
        throughput=[(1.0, count // 2), (2.0, count)],
    )
    return evolve(plain, **members)


class LatencyTests(SynchronousTestCase):
    def test_percentiles_are_those_of_the_latencies(self) -> None:
        latency = result().latency
        assert latency
        self.assertEqual((latency.minimum, latency.maximum), (100, 5003))
        self.assertEqual(latency.percentiles[50.0], 100)
        self.assertEqual(latency.percentiles[99.0], 1000)
        self.assertEqual(latency.percentiles[99.9], 5003)
        self.assertLess(abs(latency.mean - (9000 + 9000 + 5000) / 100), 1)

    def test_without_a_reply_there_is_no_latency(self) -> None:
        self.assertIsNone(result({}).latency)
        self.assertEqual(json.loads(result({}).to_json())["latency_us"], None)


class ResultTests(SynchronousTestCase):
    def test_a_file_contains_the_whole_result(self) -> None:
        wrong = WrongReply(b"asked\xff\n", b"\x00came", "differs")
        before = result(lost=1, wrong=2, in_flight=3, unsent=4, first_wrong=wrong, first_lost=b"\xfelost\n")
        after = Result.from_json(before.to_json())
        self.assertEqual(after.latency, before.latency)
        self.assertEqual(after.to_json(), before.to_json())
        for name in ("first_wrong", "first_lost", "lost", "wrong", "in_flight", "unsent", "seconds", "throughput"):
            self.assertEqual(getattr(after, name), getattr(before, name))
        self.assertEqual((after.first_wrong, after.rate, after.all_correct), (wrong, 50.0, False))

    def test_the_page_names_every_member(self) -> None:
        page = (Path(__file__).parents[2] / "docs" / "measure.md").read_text(encoding="utf-8")
        rows = re.findall(r"^\| (.*?) \|", page.split("## The file")[1], re.MULTILINE)
        self.assertEqual(set(re.findall(r"`(\w+)`", " ".join(rows))), set(json.loads(result().to_json())))
        self.assertIn(f'"{FORMAT}"', page)

    def test_a_file_that_is_no_result_raises(self) -> None:
        for text, words in (
            ("hello", "is not JSON"),
            (b"\xff\xfe\xfd", "is not JSON"),
            ("[1]", "does not have the format 'echoreply-measure 1'"),
            ('{"format": "echoreply-measure 2"}', "does not have the format"),
            ('{"format": "echoreply-measure 1"}', "is damaged"),
            (result().to_json().replace("HIST", "HAST"), "is damaged"),
        ):
            with self.assertRaisesRegex(ValueError, words):
                Result.from_json(text)

    def test_a_busy_core_is_reported_unless_the_run_was_short(self) -> None:
        self.assertTrue(result(cpu=0.96).busy)
        self.assertFalse(result(cpu=0.94).busy)
        self.assertFalse(result(cpu=1.0, seconds=0.1).busy)
