"""File descriptors: how many there may be, and what to do when there are none."""

from __future__ import annotations

try:
    import resource
except ImportError:  # pragma: no cover  # Windows
    resource = None  # type: ignore[assignment]

RESERVE = 64
"""Descriptors that are kept for other things than accepted clients: files, the reactor, clients that are refused."""

MOST_LOOKING = 150
"""Descriptors that are kept for who looks at the web site, if there is one; no more are let in there."""


SELECTABLE = 1024
"""Descriptors that select(2) can wait for: FD_SETSIZE."""


_OPEN_MAX = 10240
"""What macOS takes for a limit where it says that there is none: setrlimit(2) there, under COMPATIBILITY."""


def set_limit(*wanted: int) -> tuple[int, int]:
    """
    Set this process's limit on open files: getrlimit(2), RLIMIT_NOFILE.

    @param wanted: the limits that are wanted, the best first; without one, it is raised as far as it may.
    @return: the limit before and now.
    """
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit in (*wanted, hard, max(before, _OPEN_MAX)):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        except (OSError, ValueError):
            continue
        break
    now, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return before, now


def connections_within(limit: int, others: int = 0) -> int:
    """
    Give how many connections a limit on open files has room for, beside what else a server needs.

    @param others: connections of another kind, such as those of whoever looks at it.
    """
    return max(limit - RESERVE - others, limit // 2)
