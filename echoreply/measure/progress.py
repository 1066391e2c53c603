"""A progress bar for a load test at a terminal, made with rich."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from echoreply.measure.measurements import Measurements

INTERVAL = 1.0
"""Seconds between two updates. Each takes a few milliseconds, in which no reply is read."""


class ProgressBar:
    """
    A bar on standard error with the rate and the remaining time, which is erased at the end.

    @param duration: the duration of the run in seconds; C{None} if it is unknown.
    @param count: the number of messages; C{None} if it is unknown.
    """

    def __init__(self, duration: float | None, count: int | None) -> None:
        known = duration is not None or count is not None
        columns = [BarColumn(), TimeRemainingColumn()] if known else [TimeElapsedColumn()]
        self._bar = Progress(
            TextColumn("{task.fields[rate]:>11,.0f}/s"),
            *columns,
            TextColumn("{task.fields[wrong]}"),
            console=Console(file=sys.stderr),
            auto_refresh=False,
            transient=True,
        )
        self._duration = duration
        self._task = self._bar.add_task("", total=duration if duration is not None else count, rate=0.0, wrong="")
        self._drawn = (0.0, 0)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()

    def show(self, seconds: float, measurements: Measurements) -> None:
        """Update the bar, if the last update is L{INTERVAL} ago."""
        before, count = self._drawn
        if seconds < before + INTERVAL:
            return
        self._bar.update(
            self._task,
            completed=measurements.answered if self._duration is None else seconds,
            rate=(measurements.answered - count) / (seconds - before),
            wrong=f"{measurements.wrong:,} wrong" if measurements.wrong else "",
        )
        self._bar.refresh()
        self._drawn = seconds, measurements.answered
