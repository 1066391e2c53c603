"""A bar that says how far a run is, on a terminal."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from echoreply.measure.recording import Recording

EVERY = 1.0
"""Seconds between two drawings: each takes some milliseconds, in which no reply is read."""


class Bar:
    """
    A bar on standard error, with the rate and the time left, that is gone when it is done.

    @param duration: how many seconds it will take; None if not known.
    @param count: how many messages there are; None if not known.
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

    def show(self, seconds: float, recording: Recording) -> None:
        """Draw how it goes, if it is time."""
        before, count = self._drawn
        if seconds < before + EVERY:
            return
        self._bar.update(
            self._task,
            completed=recording.answered if self._duration is None else seconds,
            rate=(recording.answered - count) / (seconds - before),
            wrong=f"{recording.wrong:,} wrong" if recording.wrong else "",
        )
        self._bar.refresh()
        self._drawn = seconds, recording.answered
