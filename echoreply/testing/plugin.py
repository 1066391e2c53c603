"""
The pytest plugin, which pytest loads wherever this package is installed.

Most of those test suites do not use it, so it imports what it needs when it is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from echoreply.testing.threaded import ReactorThread, ThreadedServer


@pytest.fixture(scope="session")
def _echoreply_thread() -> Iterator[ReactorThread]:
    """Give the thread that all servers run in, one after the other."""
    from echoreply.testing.threaded import ReactorThread

    thread = ReactorThread()
    yield thread
    thread.stop()


@pytest.fixture
def echoreply_server(_echoreply_thread: ReactorThread) -> Iterator[ThreadedServer]:
    """Give a reply server on a free port of 127.0.0.1, for this test alone, which tells what it has received."""
    from echoreply.testing.threaded import ThreadedServer

    server = ThreadedServer(_echoreply_thread)
    yield server
    server.stop()
