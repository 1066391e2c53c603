"""
The pytest plugin with the fixture C{echoreply_server}.

pytest loads it wherever echoreply is installed, also for test suites that do not use it. So it imports the rest of the
package only when the fixture is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from echoreply.testing.threaded import ReactorThread, ThreadedServer


@pytest.fixture(scope="session")
def _echoreply_thread() -> Iterator[ReactorThread]:
    """Provide the thread in which the servers of all tests run, one after the other."""
    from echoreply.testing.threaded import ReactorThread

    thread = ReactorThread()
    yield thread
    thread.stop()


@pytest.fixture
def echoreply_server(_echoreply_thread: ReactorThread) -> Iterator[ThreadedServer]:
    """Provide a reply server on a free port of 127.0.0.1, for this test only, that records what it receives."""
    from echoreply.testing.threaded import ThreadedServer

    server = ThreadedServer(_echoreply_thread)
    yield server
    server.stop()
